# SPDX-License-Identifier: Apache-2.0
"""Resize, cold migration, confirm and revert: what is accepted and refused, and what is recorded and charged then."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from tests.api.compute.conftest import PROJECTS, Api

OLD = {"flavorid": "1", "name": "m1.nano", "memory_mb": 64, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0, "swap": 0}
KEPT = {"operation": "00000000-0000-4000-8000-00000000000f", "source_compute": "host2", "source_node": "host2",
        "source_uuid": "00000000-0000-4000-8000-000000000002", "dest_compute": "host1", "vm_state": "active",
        "zone": None, "flavor": OLD}


def act(api: Api, server: str, action: str, body: Any = None, **how: Any) -> Any:
    return api("POST", f"/servers/{server}/action", {action: body}, **how)


def charge(api: Api, server: str) -> dict[str, Any]:
    """The server is charged as its create would have done it."""
    own = {"instances": 1, "cores": 1, "ram": 64}
    m = mappings.instance_mappings
    with api.database.write() as conn:
        conn.execute(m.update().where(m.c.instance_uuid == server).values(charge=own))
        quotas.charge(conn, PROJECTS["demo"], own, {})
    return own


def used(api: Api) -> dict[str, int]:
    with api.database.read() as conn:
        return {r: n for r, n in quotas.usages(conn, PROJECTS["demo"]).items() if n}


def task(api: Api, server: str) -> str | None:
    with api.cell.read() as conn:
        row = instances.get(conn, server)
    assert row is not None
    state: str | None = row["task_state"]
    return state


def opened(api: Api, server: str) -> list[dict[str, Any]]:
    with api.cell.read() as conn:
        return cell_operations.open_of(conn, server)


def resized(api: Api, **values: Any) -> str:
    return api.server(vm_state="resized", system_metadata={"resized_from": KEPT}, **values)


@pytest.mark.parametrize("state", ["active", "stopped"])
def test_a_resize_is_charged_before_it_is_accepted(api: Api, state: str) -> None:
    server = api.server(vm_state=state)
    charge(api, server)
    answer = act(api, server, "resize", {"flavorRef": "3"})
    assert answer.status == 202 and answer.body is None
    assert used(api) == {"instances": 1, "cores": 2, "ram": 2048}
    assert api("GET", f"/servers/{server}").body["server"]["status"] == "RESIZE"
    row = opened(api, server)[0]
    assert (row["action"], row["level"], row["step"], task(api, server)) == ("resize", "api", "claim", "resize_prep")
    listed = api("GET", f"/os-migrations?instance_uuid={server}", who="admin", version="2.59").body["migrations"]
    assert [(m["status"], m["migration_type"], m["source_compute"], m["dest_compute"]) for m in listed] == [
        ("accepted", "resize", "host1", None)]
    actions = api("GET", f"/servers/{server}/os-instance-actions").body["instanceActions"]
    assert [a["action"] for a in actions] == ["resize"]
    again = act(api, server, "resize", {"flavorRef": "2"})
    assert (again.status, "task_state resize_prep" in str(again.body)) == (409, True)
    assert used(api) == {"instances": 1, "cores": 2, "ram": 2048}


@pytest.mark.parametrize("flavor, status, words", [
    ("1", 400, "must change flavor"), ("nope", 400, "could not be found"), ("0", 400, "zero disk"),
    ("huge", 403, "cores")])
def test_flavors_that_are_refused(api: Api, flavor: str, status: int, words: str) -> None:
    server = api.server()
    own = charge(api, server)
    for name, cpus, disk in (("0", 1, 0), ("huge", 1000, 1)):
        body = {"flavor": {"name": name, "id": name, "ram": 64, "vcpus": cpus, "disk": disk}}
        assert api("POST", "/flavors", body, who="admin").status == 200
    answer = act(api, server, "resize", {"flavorRef": flavor})
    assert (answer.status, words in str(answer.body)) == (status, True), answer
    assert used(api) == own and task(api, server) is None and not opened(api, server)


def test_a_smaller_disk_is_refused(api: Api) -> None:
    server = api.server(root_gb=20)
    assert "resize disk down" in str(act(api, server, "resize", {"flavorRef": "2"}).body)


def test_a_flavor_with_less_memory_than_the_image_asks_for_is_refused(api: Api) -> None:
    server = api.server(system_metadata={"image_min_ram": 2049})
    own = charge(api, server)
    answer = act(api, server, "resize", {"flavorRef": "3"})
    assert (answer.status, "memory is too small for requested image" in str(answer.body)) == (400, True)
    assert used(api) == own and task(api, server) is None and not opened(api, server)


def test_what_was_charged_goes_when_the_cell_refuses(api: Api) -> None:
    server = api.server(host="host2", node="host2")  # which cannot resize
    own = charge(api, server)
    answer = act(api, server, "resize", {"flavorRef": "3"})
    assert (answer.status, "offers no Resize" in str(answer.body)) == (409, True)
    assert used(api) == own


@pytest.mark.parametrize("action, body, version, who", [
    ("resize", {"flavorRef": "3"}, "2.1", "demo"), ("migrate", None, "2.1", "manager"),
    ("migrate", {"host": "host2"}, "2.56", "admin")])
def test_a_host_that_is_down_keeps_its_servers(api: Api, action: str, body: Any, version: str, who: str) -> None:
    server = api.server()
    with api.cell.write() as conn:
        conn.execute(services.services.update().where(services.services.c.host == "host1").values(last_seen=1.0))
    answer = act(api, server, action, body, version=version, who=who)
    assert (answer.status, "is down" in str(answer.body)) == (409, True), answer


@pytest.mark.parametrize("body, version, status, words", [
    (None, "2.1", 202, ""), ({"host": "host2"}, "2.56", 202, ""), ({"host": None}, "2.56", 202, ""),
    ({"host": "host1"}, "2.56", 400, "same one"), ({"host": "nowhere"}, "2.56", 400, "could not be found"),
    ({"host": "away"}, "2.56", 400, "another cell")])
def test_migrate(api: Api, body: Any, version: str, status: int, words: str) -> None:
    with api.database.write() as conn:
        mappings.map_host(conn, "away", "22222222-2222-4222-8222-222222222222")
    server = api.server(vm_state="stopped")
    answer = act(api, server, "migrate", body, version=version, who="admin")
    assert (answer.status, words in str(answer.body)) == (status, True), answer
    assert [r["action"] for r in opened(api, server)] == (["migrate"] if status == 202 else [])


def test_a_target_that_is_down_is_told_at_once(api: Api) -> None:
    with api.cell.write() as conn:
        conn.execute(services.services.update().where(services.services.c.host == "host2").values(last_seen=1.0))
    answer = act(api, api.server(), "migrate", {"host": "host2"}, version="2.56", who="admin")
    assert (answer.status, "is down" in str(answer.body)) == (400, True)


def test_confirm(api: Api) -> None:
    server = resized(api)
    assert act(api, server, "confirmResize").status == 204
    row = opened(api, server)[0]
    assert (row["action"], row["host"], row["step"]) == ("confirmResize", "host2", "drop")
    again = act(api, server, "revertResize")
    assert (again.status, "not been resized" in str(again.body)) == (400, True)


def test_a_confirm_does_not_need_the_former_host(api: Api) -> None:
    with api.cell.write() as conn:
        conn.execute(services.services.update().where(services.services.c.host == "host2").values(last_seen=1.0))
    server = resized(api)
    assert act(api, server, "revertResize").status == 409
    assert act(api, server, "confirmResize").status == 204
    assert [(r["level"], r["step"]) for r in opened(api, server)] == [("api", "settle")]


def test_revert(api: Api) -> None:
    server = resized(api)
    assert act(api, server, "revertResize").status == 202
    assert api("GET", f"/servers/{server}").body["server"]["status"] == "REVERT_RESIZE"
    row = opened(api, server)[0]
    assert (row["action"], row["host"], row["step"]) == ("revertResize", "host1", "withdraw")


@pytest.mark.parametrize("action, body, good, bad, who", [
    ("resize", {"flavorRef": "2"}, "active", "error", "demo"), ("migrate", None, "stopped", "paused", "manager"),
    ("confirmResize", None, "resized", "active", "demo"), ("revertResize", None, "resized", "active", "demo")])
def test_who_may_and_when(api: Api, action: str, body: Any, good: str, bad: str, who: str) -> None:
    server = api.server(vm_state=good)
    assert act(api, server, action, body, who="reader").status == 403
    assert act(api, server, action, body, who="other").status in (403, 404)
    wrong = act(api, api.server(vm_state=bad), action, body, who=who)
    assert (wrong.status, f"while it is in vm_state {bad}" in str(wrong.body)) == (409, True), wrong
    busy = act(api, api.server(vm_state=good, task_state="deleting"), action, body, who=who)
    assert (busy.status, "task_state deleting" in str(busy.body)) == (409, True), busy
    locked = act(api, api.server(vm_state=good, locked_by="owner"), action, body, who=who)
    assert (locked.status, "is locked" in str(locked.body)) == (409, True), locked


@pytest.mark.parametrize("action", ["confirmResize", "revertResize"])
def test_a_server_of_which_nothing_is_kept(api: Api, action: str) -> None:
    answer = act(api, api.server(vm_state="resized"), action)
    assert (answer.status, "not been resized" in str(answer.body)) == (400, True)
