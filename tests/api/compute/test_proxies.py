# SPDX-License-Identifier: Apache-2.0
"""Other services through the Compute API, for clients of old: images, networks, and services that are not there."""

from __future__ import annotations

from typing import Any

import pytest

from nova.context import RequestContext
from nova.networks.manager import Networks
from tests.api.compute.conftest import PROJECTS, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def image(api: Api) -> str:
    owner = RequestContext(user_id="u-demo", project_id=PROJECTS["demo"], roles=("member",))
    made = api.deps.images.create(owner, {"name": "cirros", "disk_format": "qcow2", "container_format": "bare",
                                          "min_disk": 1}, {"arch": "x86_64", "auto_disk_config": "True"})
    return made.id


def test_images(api: Api, image: str) -> None:
    listed = api("GET", "/images").body["images"]
    assert [set(i) for i in listed] == [{"id", "name", "links"}]
    assert [link["rel"] for link in listed[0]["links"]] == ["self", "bookmark", "alternate"]
    shown = api("GET", f"/images/{image}").body["image"]
    assert {k: shown[k] for k in ("id", "name", "status", "progress", "minDisk", "minRam", "metadata",
                                  "OS-EXT-IMG-SIZE:size", "OS-DCF:diskConfig")} == {
        "id": image, "name": "cirros", "status": "SAVING", "progress": 0, "minDisk": 1, "minRam": 0,
        "metadata": {"arch": "x86_64", "auto_disk_config": "True"}, "OS-EXT-IMG-SIZE:size": None,
        "OS-DCF:diskConfig": "AUTO"}
    assert api("GET", "/images/detail?name=cirros&limit=1").body["images"] == [shown]
    assert "images_links" in api("GET", "/images?limit=1").body
    for nothing in ("?name=other", "?status=ACTIVE", f"?marker={image}", "?changes-since=2100-01-01T00:00:00Z",
                    f"?server={UNKNOWN}", "?minDisk=2"):
        assert api("GET", "/images" + nothing).body == {"images": []}, nothing
    assert api("GET", f"/images/{image}", who="other").status == 404
    assert api("DELETE", f"/images/{image}", who="other").status == 404
    assert api("DELETE", f"/images/{image}", version="2.36").status == 404
    assert api("DELETE", f"/images/{image}", version="2.35").status == 204
    assert api("GET", f"/images/{image}").status == 404


def test_properties_of_images(api: Api, image: str) -> None:
    path = f"/images/{image}/metadata"
    assert api("POST", path, {"metadata": {"k": "v"}}).body == {
        "metadata": {"arch": "x86_64", "auto_disk_config": "True", "k": "v"}}
    assert api("PUT", path, {"metadata": {"k": "w", "l": "x"}}).body == {"metadata": {"k": "w", "l": "x"}}
    assert api("PUT", path + "/k", {"meta": {"k": "z"}}, version="2.38").body == {"meta": {"k": "z"}}
    assert api("PUT", path + "/k", {"meta": {"other": "z"}}).status == 400
    assert api("GET", path + "/k").body == {"meta": {"k": "z"}}
    assert api("DELETE", path + "/k").status == 204
    assert [api(method, path + "/k").status for method in ("GET", "DELETE")] == [404, 404]
    assert api("GET", path, version="2.38").body == {"metadata": {"l": "x"}}
    assert api("GET", path, version="2.39").status == 404
    assert api("POST", path, {"metadata": {}}, who="other").status == 404


def test_networks(api: Api) -> None:
    network = Networks(api.database).create_network("private", "10.9.0.0/24", project_id=PROJECTS["demo"])
    shown = api("GET", f"/os-networks/{network['id']}").body["network"]
    assert len(shown) == 32
    assert shown.items() >= {
        "id": network["id"], "label": "private", "cidr": "10.9.0.0/24", "netmask": "255.255.255.0",
        "broadcast": "10.9.0.255", "project_id": PROJECTS["demo"]}.items()
    assert api("GET", "/os-networks").body == {"networks": [shown]}
    own = {"id": network["id"], "label": "private", "cidr": "10.9.0.0/24"}
    assert api("GET", "/os-tenant-networks").body == {"networks": [own]}
    assert api("GET", f"/os-tenant-networks/{network['id']}", who="admin").body == {"network": own}
    for path in ("/os-networks", "/os-tenant-networks"):
        assert api("GET", path, who="other").body == {"networks": []}
        assert api("GET", f"{path}/{network['id']}", who="other").status == 404
        assert api("GET", path, version="2.36").status == 404


VOLUME, SNAPSHOT = {"volume": {"size": 1}}, {"snapshot": {"volume_id": UNKNOWN}}
ASSISTED = {"snapshot": {"volume_id": UNKNOWN, "create_info": {"snapshot_id": UNKNOWN, "type": "qcow2",
                                                               "new_file": "f"}}}
#: method, path, body, who, the last version that knows it, answer.
AWAY: list[tuple[str, str, Any, str, str | None, int]] = [
    ("GET", "/os-volumes", None, "reader", "2.35", 503), ("GET", "/os-volumes/detail", None, "reader", "2.35", 503),
    ("POST", "/os-volumes", VOLUME, "demo", "2.35", 503), ("GET", "/os-volumes/x", None, "reader", "2.35", 404),
    ("DELETE", "/os-volumes/x", None, "demo", "2.35", 404), ("GET", "/os-snapshots", None, "reader", "2.35", 503),
    ("GET", "/os-snapshots/detail", None, "reader", "2.35", 503),
    ("POST", "/os-snapshots", SNAPSHOT, "demo", "2.35", 503), ("GET", "/os-snapshots/x", None, "reader", "2.35", 404),
    ("DELETE", "/os-snapshots/x", None, "demo", "2.35", 404),
    ("GET", "/os-baremetal-nodes", None, "admin", "2.35", 501),
    ("POST", "/os-baremetal-nodes", {}, "admin", "2.35", 400),
    ("GET", "/os-baremetal-nodes/x", None, "admin", "2.35", 404),
    ("DELETE", "/os-baremetal-nodes/x", None, "admin", "2.35", 400),
    ("POST", "/os-baremetal-nodes/x/action", {"add_interface": {}}, "admin", "2.35", 400),
    ("POST", "/os-assisted-volume-snapshots", ASSISTED, "service", None, 400),
    ("DELETE", "/os-assisted-volume-snapshots/x?delete_info=%7B%22volume_id%22:%22v%22%7D", None, "service", None, 404),
    ("DELETE", "/os-assisted-volume-snapshots/x?delete_info=%7B%7D", None, "service", None, 400),
    ("DELETE", "/os-assisted-volume-snapshots/x?delete_info=%5B1%5D", None, "service", None, 400),
    ("DELETE", "/os-assisted-volume-snapshots/x?delete_info=volume", None, "service", None, 400),
    ("DELETE", "/os-assisted-volume-snapshots/x", None, "service", None, 400)]


@pytest.mark.parametrize("method, path, body, who, last, status", AWAY)
def test_services_that_are_not_there(api: Api, method: str, path: str, body: Any, who: str, last: str | None,
                                     status: int) -> None:
    assert api(method, path, body, who=who, version=last or "2.104").status == status
    if last is not None:
        assert api(method, path, body, who=who, version="2.36").status == 404
    if method != "GET":
        assert api(method, path, body, who="reader").status == 403


def test_shares(api: Api) -> None:
    stopped, running = (f"/servers/{api.server(vm_state=state)}/shares" for state in ("stopped", "active"))
    body = {"share": {"share_id": UNKNOWN}}
    assert api("GET", stopped, version="2.97").body == {"shares": []}
    assert api("GET", stopped, version="2.96").status == 404
    assert api("POST", stopped, body, version="2.97").status == 404
    assert api("POST", running, body, version="2.97").status == 409
    assert api("POST", stopped, {"share": {}}, version="2.97").status == 400
    assert [api(m, f"{stopped}/{UNKNOWN}", version="2.97").status for m in ("GET", "DELETE")] == [404, 404]
    assert api("GET", stopped, version="2.97", who="other").status == 404
