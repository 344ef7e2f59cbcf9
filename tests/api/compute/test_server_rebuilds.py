# SPDX-License-Identifier: Apache-2.0
"""Rebuild over HTTP: what is accepted, what is answered, and what the record says then."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.api import keypairs
from nova.db.cell.tables import operations as cell_operations
from nova.store.secrets import opened
from tests.api.compute.conftest import IMAGE, Api


def act(api: Api, server: str, action: str, body: Any, **how: Any) -> Any:
    return api("POST", f"/servers/{server}/action", {action: body}, **how)


def operation(api: Api, server: str) -> dict[str, Any]:
    with api.cell.read() as conn:
        return cell_operations.of_instance(conn, server)[0]


def test_a_rebuild_changes_the_record_at_once_and_shows_it(api: Api) -> None:
    server = api.server(vm_state="stopped", image_ref="another", metadata={"old": "1"})
    wanted = {"imageRef": IMAGE, "name": "new", "metadata": {"a": "b"}, "description": "d", "adminPass": "secret",
              "accessIPv4": "192.0.2.1", "accessIPv6": "2001:DB8::1", "OS-DCF:diskConfig": "AUTO",
              "preserve_ephemeral": True, "hostname": "host.example", "user_data": "eA==", "key_name": None}
    done = act(api, server, "rebuild", wanted, version="2.104")
    assert done.status == 202 and done.headers["location"].endswith(f"/servers/{server}")
    shown = done.body["server"]
    assert (shown["adminPass"], shown["status"], shown["name"], shown["image"]["id"], shown["metadata"]) == (
        "secret", "REBUILD", "new", IMAGE, {"a": "b"})
    assert (shown["description"], shown["accessIPv4"], shown["accessIPv6"], shown["user_data"], shown["key_name"]) == (
        "d", "192.0.2.1", "2001:db8::1", "eA==", None)
    read = api("GET", f"/servers/{server}", version="2.104").body["server"]
    assert (read["name"], read["OS-DCF:diskConfig"], read["OS-EXT-SRV-ATTR:hostname"] if
            "OS-EXT-SRV-ATTR:hostname" in read else "host.example") == ("new", "AUTO", "host.example")
    row = operation(api, server)
    assert (row["action"], row["level"], row["inputs"]["preserve_ephemeral"], row["inputs"]["power_on"]) == (
        "rebuild", "api", True, False)
    assert row["inputs"]["before"]["metadata"] == {"old": "1"} and "secret" not in str(row["inputs"])


@pytest.mark.parametrize("version, has, lacks", [
    ("2.1", {"adminPass"}, {"key_name", "user_data", "host_status"}), ("2.54", {"key_name"}, {"user_data"}),
    ("2.57", {"key_name", "user_data"}, {"OS-EXT-STS:vm_state"}), ("2.75", {"OS-EXT-STS:vm_state"}, set())])
def test_what_a_rebuild_answers_by_microversion(api: Api, version: str, has: set[str], lacks: set[str]) -> None:
    shown = act(api, api.server(), "rebuild", {"imageRef": IMAGE}, version=version).body["server"]
    assert has <= set(shown) and not lacks & set(shown)


def test_a_rebuild_with_another_key(api: Api) -> None:
    with api.database.write() as conn:
        keypairs.create(conn, "u-demo", "k", "ssh", "f", "ssh-rsa AAAA")
    server = api.server()
    assert act(api, server, "rebuild", {"imageRef": IMAGE, "key_name": "none"}, version="2.54").status == 400
    assert act(api, server, "rebuild", {"imageRef": IMAGE, "key_name": "k"}, version="2.54").body["server"][
        "key_name"] == "k"


def test_what_rebuilds_are_refused(api: Api) -> None:
    for state, status in (("paused", 409), ("rescued", 409), ("shelved", 409)):
        assert act(api, api.server(vm_state=state), "rebuild", {"imageRef": IMAGE}).status == status
    assert act(api, api.server(locked_by="admin"), "rebuild", {"imageRef": IMAGE}).status == 409
    assert act(api, api.server(image_ref=""), "rebuild", {"imageRef": IMAGE}, version="2.92").status == 400
    assert act(api, api.server(host="host2"), "rebuild", {"imageRef": IMAGE}).status == 409  # its driver cannot
    many = {f"k{n}": "v" for n in range(200)}
    assert act(api, api.server(), "rebuild", {"imageRef": IMAGE, "metadata": many}).status == 403


def config_drive(api: Api, server: str) -> Any:
    return api("GET", f"/servers/{server}").body["server"]["config_drive"]


def test_files_of_a_rebuild_come_on_a_config_drive(api: Api) -> None:
    server, file = api.server(config_drive=""), {"path": "/etc/motd", "contents": "aGVsbG8="}
    done = act(api, server, "rebuild", {"imageRef": IMAGE, "adminPass": "secret", "personality": [file]})
    assert (done.status, config_drive(api, server)) == (202, "True")
    row = operation(api, server)
    assert row["inputs"]["before"]["config_drive"] == ""
    assert opened(api.deps.operations.deps.sealer, row["uuid"], row["secrets"]) == {
        "admin_pass": "secret", "files": {"/etc/motd": "aGVsbG8="}}
    for files, status in (([file] * 6, 403), ([{"path": "/a"}], 400), ([], 202)):
        other = api.server(config_drive="")
        answer = act(api, other, "rebuild", {"imageRef": IMAGE, "personality": files})
        assert (answer.status, config_drive(api, other)) == (status, "")
