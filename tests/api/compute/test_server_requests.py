# SPDX-License-Identifier: Apache-2.0
"""Actions that no host of this cloud can do: bodies by microversion, who may, locks, states, and the refusal itself."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from tests.api.compute.conftest import IMAGE, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"
LIVE = {"host": None, "block_migration": "auto"}
OLD_LIVE = {"host": None, "block_migration": False, "disk_over_commit": False}

#: action, body, state that allows it, one that does not, answer when all is well, who, microversion.
TABLE: list[tuple[str, Any, str, str | None, int, str, str]] = [
    ("rebuild", {"imageRef": IMAGE}, "error", "paused", 409, "demo", "2.1"),
    ("os-migrateLive", OLD_LIVE, "active", "stopped", 409, "manager", "2.1"),
    ("os-migrateLive", LIVE, "paused", "stopped", 409, "manager", "2.25"),
    ("injectNetworkInfo", None, "active", None, 409, "admin", "2.1"),
]


def act(api: Api, server: str, action: str, body: Any, **how: Any) -> Any:
    return api("POST", f"/servers/{server}/action", {action: body}, **how)


@pytest.mark.parametrize("action, body, good, bad, status, who, version", TABLE)
def test_an_action_that_is_refused(api: Api, action: str, body: Any, good: str, bad: str | None, status: int, who: str,
                                   version: str) -> None:
    server = api.server(vm_state=good, host="host2")
    how = {"who": who, "version": version}
    refused = act(api, server, action, body, **how)
    assert refused.status == status, refused
    assert "while it is in" not in str(refused.body)
    shown = api("GET", f"/servers/{server}", who="admin").body["server"]
    assert (shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]) == (good, None)
    assert act(api, server, action, body, who="reader", version=version).status == 403
    assert act(api, server, action, body, who="other", version=version).status in (403, 404)
    if bad is not None:
        other = act(api, api.server(vm_state=bad), action, body, **how)
        assert (other.status, f"while it is in vm_state {bad}" in str(other.body)) == (409, True), other
    busy = act(api, api.server(vm_state=good, task_state="deleting"), action, body, **how)
    assert bad is None or (busy.status, "task_state deleting" in str(busy.body)) == (409, True), busy
    if who != "admin":
        locked = act(api, api.server(vm_state=good, locked_by="owner"), action, body, **how)
        assert (locked.status, "is locked" in str(locked.body)) == (409, True), locked


@pytest.mark.parametrize("action, body, version, status", [
    ("trigger_crash_dump", None, "2.16", 404), ("addFixedIp", {"networkId": "x"}, "2.44", 404),
    ("removeFixedIp", {"address": "10.0.0.5"}, "2.44", 404), ("addFloatingIp", {"address": "1.2.3.4"}, "2.44", 404),
    ("removeFloatingIp", {"address": "1.2.3.4"}, "2.44", 404),
    ("os-migrateLive", LIVE, "2.24", 400), ("os-migrateLive", OLD_LIVE, "2.25", 400),
    ("os-migrateLive", LIVE | {"force": True}, "2.29", 400), ("os-migrateLive", LIVE | {"force": True}, "2.68", 400),
    ("os-migrateLive", LIVE | {"host": "nowhere"}, "2.68", 400), ("migrate", {"host": "nowhere"}, "2.56", 400),
    ("migrate", {"colour": "blue"}, "2.56", 400), ("resize", {"flavorRef": "1"}, "2.1", 400),
    ("resize", {"flavorRef": "nope"}, "2.1", 400), ("resize", {}, "2.1", 400),
    ("rebuild", {"imageRef": UNKNOWN}, "2.1", 400), ("rebuild", {}, "2.1", 400),
    ("rebuild", {"imageRef": IMAGE, "description": "x"}, "2.18", 400),
    ("rebuild", {"imageRef": IMAGE, "description": "x"}, "2.19", 202),
    ("rebuild", {"imageRef": IMAGE, "key_name": None}, "2.53", 400),
    ("rebuild", {"imageRef": IMAGE, "key_name": None}, "2.54", 202),
    ("rebuild", {"imageRef": IMAGE, "personality": []}, "2.56", 202),
    ("rebuild", {"imageRef": IMAGE, "personality": []}, "2.57", 400),
    ("rebuild", {"imageRef": IMAGE, "user_data": "eA=="}, "2.56", 400),
    ("rebuild", {"imageRef": IMAGE, "user_data": "eA=="}, "2.57", 202),
    ("rebuild", {"imageRef": IMAGE, "trusted_image_certificates": ["a"]}, "2.62", 400),
    ("rebuild", {"imageRef": IMAGE, "trusted_image_certificates": ["a"]}, "2.63", 400),
    ("rebuild", {"imageRef": IMAGE, "hostname": "h1"}, "2.89", 400),
    ("rebuild", {"imageRef": IMAGE, "hostname": "h1.example"}, "2.90", 400),
    ("rebuild", {"imageRef": IMAGE, "hostname": "h1.example"}, "2.94", 202),
    ("changePassword", {}, "2.1", 400), ("rescue", {"rescue_image_ref": UNKNOWN}, "2.1", 400),
    ("addSecurityGroup", {}, "2.1", 400), ("addFixedIp", {}, "2.1", 400), ("addFloatingIp", {}, "2.1", 400)])
def test_bodies_by_microversion(api: Api, action: str, body: Any, version: str, status: int) -> None:
    answer = act(api, api.server(), action, body, version=version, who="admin")
    assert answer.status == status, answer


@pytest.mark.parametrize("action, body, version, status", [
    ("migrate", {"host": "host2"}, "2.56", 202), ("os-migrateLive", LIVE | {"host": "host2"}, "2.104", 202)])
def test_choosing_the_host_takes_more(api: Api, action: str, body: Any, version: str, status: int) -> None:
    assert act(api, api.server(), action, body, version=version, who="manager").status == 403
    assert act(api, api.server(), action, body, version=version, who="admin").status == status


@pytest.mark.parametrize("version, body, status", [
    ("2.13", {"onSharedStorage": False}, 400), ("2.13", {}, 400), ("2.14", {"onSharedStorage": False}, 400),
    ("2.14", {}, 400), ("2.28", {"force": True}, 400), ("2.67", {"force": True}, 400), ("2.68", {"force": True}, 400),
    ("2.104", {"host": "nowhere"}, 400)])
def test_evacuating_from_a_host_that_is_up(api: Api, version: str, body: Any, status: int) -> None:
    answer = act(api, api.server(), "evacuate", body, version=version, who="admin")
    assert answer.status == status
    meant = (version, bool(body.get("force"))) == ("2.14", False) and "onSharedStorage" not in body
    told = answer.body["badRequest"]["message"] == "Compute service of host1 is still in use."
    assert told == (meant or (version == "2.13" and "onSharedStorage" in body))


def force_down(api: Api, host: str) -> None:
    with api.cell.write() as conn:
        uuid = next(row["uuid"] for row in services.list(conn) if row["host"] == host)
        services.update(conn, uuid, forced_down=True)


def test_evacuating_from_a_host_that_is_down(api: Api) -> None:
    force_down(api, "host1")
    server = api.server(locked_by="admin")
    for body, why in (({"host": "host1"}, "same one"), ({"host": "nowhere"}, "could not be found")):
        wrong = act(api, server, "evacuate", body, version="2.104", who="admin")
        assert (wrong.status, why in str(wrong.body)) == (400, True)
    done = act(api, server, "evacuate", {"host": "host2"}, version="2.104", who="admin")
    assert (done.status, done.body) == (200, None)
    shown = api("GET", f"/servers/{server}", who="admin").body["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("REBUILD", "rebuilding")
    with api.cell.read() as conn:
        row = cell_operations.of_instance(conn, server)[0]
    assert (row["action"], row["level"], row["inputs"]["power_on"], row["inputs"]["force"]) == (
        "evacuate", "api", False, False)
    moved = api("GET", "/os-migrations?migration_type=evacuation", who="admin", version="2.59").body["migrations"]
    assert [(m["instance_uuid"], m["source_compute"], m["status"]) for m in moved] == [(server, "host1", "accepted")]


@pytest.mark.parametrize("version, body, power_on, force, told", [
    ("2.13", {"onSharedStorage": False, "adminPass": "secret"}, True, False, {"adminPass": "secret"}),
    ("2.13", {"onSharedStorage": False, "host": "host2"}, True, True, None), ("2.14", {}, True, False, None),
    ("2.29", {"host": "host2"}, True, False, None), ("2.67", {"host": "host2", "force": True}, True, True, None),
    ("2.94", {}, True, False, None), ("2.95", {}, False, False, None)])
def test_what_an_evacuation_means_by_microversion(api: Api, version: str, body: Any, power_on: bool, force: bool,
                                                  told: Any) -> None:
    force_down(api, "host1")
    server = api.server()
    done = act(api, server, "evacuate", body, version=version, who="admin")
    assert done.status == 200
    assert done.body == told or (version == "2.13" and len(done.body["adminPass"]) == 12)
    with api.cell.read() as conn:
        inputs = cell_operations.of_instance(conn, server)[0]["inputs"]
    assert (inputs["power_on"], inputs["force"]) == (power_on, force)
    assert "secret" not in str(inputs)


def test_force_delete_deletes(api: Api) -> None:
    server = api.server()
    assert act(api, server, "forceDelete", None, who="reader").status == 403
    assert act(api, server, "forceDelete", None).status == 202
    shown = api("GET", f"/servers/{server}").body["server"]
    assert shown["OS-EXT-STS:task_state"] == "deleting"
    with api.cell.read() as conn:
        assert [row["action"] for row in cell_operations.open_of(conn, server)] == ["delete"]


def test_a_server_without_a_host_is_not_ready(api: Api) -> None:
    for action, body in (("pause", None), ("injectNetworkInfo", None)):
        answer = act(api, api.server(host=None), action, body, who="admin")
        assert (answer.status, "is not ready" in str(answer.body)) == (409, True)
