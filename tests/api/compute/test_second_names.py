# SPDX-License-Identifier: Apache-2.0
"""``os-volumes_boot`` is another name for servers until 2.102, and ``detail`` is not the name of a server."""

from __future__ import annotations

import pytest

from tests.api.compute.conftest import IMAGE, Api
from tests.api.compute.test_resize import opened, resized, task

PATH = "/os-volumes_boot"
BODIES = {"resize": {"flavorRef": "2"}, "rebuild": {"imageRef": IMAGE}}


def test_a_server_under_its_second_name(api: Api) -> None:
    server = api.server(vm_state="stopped")
    assert [s["id"] for s in api("GET", PATH).body["servers"]] == [server]
    assert [s["id"] for s in api("GET", f"{PATH}/detail").body["servers"]] == [server]
    answer = api("PUT", f"{PATH}/{server}", {"server": {"name": "renamed"}})
    assert (answer.status, answer.body["server"]["name"]) == (200, "renamed")
    assert api("GET", f"/servers/{server}").body["server"]["name"] == "renamed"
    assert api("POST", f"{PATH}/{server}/action", {"os-start": None}).status == 202
    assert api("GET", f"{PATH}/{server}").body["server"]["OS-EXT-STS:task_state"] == "powering-on"


def test_stop_and_reboot(api: Api) -> None:
    for body, state in (({"os-stop": None}, "powering-off"), ({"reboot": {"type": "HARD"}}, "rebooting_hard"),
                        ({"createImage": {"name": "n"}}, "image_snapshot_pending")):
        server = api.server()
        assert api("POST", f"{PATH}/{server}/action", body).status == 202
        assert api("GET", f"/servers/{server}").body["server"]["OS-EXT-STS:task_state"] == state


@pytest.mark.parametrize("action, state, status, running", [
    ("confirmResize", "resized", 204, "confirming"), ("revertResize", "resized", 202, "resize_reverting"),
    ("resize", "active", 202, "resize_prep"), ("rebuild", "active", 202, "rebuilding"),
    ("trigger_crash_dump", "active", 202, None)])
def test_actions_work_as_under_the_first_name(api: Api, action: str, state: str, status: int,
                                              running: str | None) -> None:
    one, other = (resized(api) if state == "resized" else api.server() for _ in range(2))
    body, version = {action: BODIES.get(action)}, "2.17"
    assert api("POST", f"{PATH}/{one}/action", body, version="2.103").status == 404
    for server, path in ((one, "/servers"), (other, PATH)):
        assert api("POST", f"{path}/{server}/action", body, version=version).status == status
        assert (task(api, server) or None) in (running, None) and len(opened(api, server)) == 1
    assert task(api, one) == task(api, other)


def test_aggregates_are_listed(api: Api) -> None:
    made = api("POST", "/os-aggregates", {"aggregate": {"name": "one", "availability_zone": "z"}}, who="admin")
    listed = api("GET", "/os-aggregates", who="admin").body["aggregates"]
    assert [(a["id"], a["name"], a["availability_zone"]) for a in listed] == [
        (made.body["aggregate"]["id"], "one", "z")]


def test_nodes_of_metal_keep_their_interfaces(api: Api) -> None:
    for action in ("add_interface", "remove_interface"):
        answer = api("POST", "/os-baremetal-nodes/1/action", {action: {"address": "fa:16:3e:00:00:01"}}, who="admin")
        assert answer.status == 400
        assert "bare metal" in answer.body["badRequest"]["message"]
