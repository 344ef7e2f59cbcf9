# SPDX-License-Identifier: Apache-2.0
"""Live migrations: what is accepted, and recorded then; which hosts are refused, at once before 2.34."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from tests.api.compute.conftest import Api, dump

AUTO = {"host": None, "block_migration": "auto"}
OLD = {"host": None, "block_migration": False, "disk_over_commit": False}


def act(api: Api, server: str, body: dict[str, Any], version: str, who: str = "admin") -> Any:
    return api("POST", f"/servers/{server}/action", {"os-migrateLive": body}, version=version, who=who)


def opened(api: Api, server: str) -> list[dict[str, Any]]:
    with api.cell.read() as conn:
        return cell_operations.open_of(conn, server)


def put_down(api: Api, host: str) -> None:
    with api.cell.write() as conn:
        uuid = next(row["uuid"] for row in services.list(conn) if row["host"] == host)
        services.update(conn, uuid, forced_down=True)


@pytest.mark.parametrize("body, version, inputs", [
    (OLD, "2.1", {"host": None, "block_migration": False, "force": True, "disk_over_commit": False}),
    (OLD | {"block_migration": "True", "disk_over_commit": "yes"}, "2.24",
     {"host": None, "block_migration": True, "force": True, "disk_over_commit": True}),
    (AUTO | {"host": "host2"}, "2.30",
     {"host": "host2", "block_migration": None, "force": False, "disk_over_commit": False}),
    (AUTO | {"host": "host2", "force": "true"}, "2.67",
     {"host": "host2", "block_migration": None, "force": True, "disk_over_commit": False}),
    (AUTO | {"block_migration": False}, "2.104",
     {"host": None, "block_migration": False, "force": False, "disk_over_commit": False})])
@pytest.mark.parametrize("state, status", [("active", "MIGRATING"), ("paused", "MIGRATING")])
def test_it_is_accepted_and_recorded(cloud: Api, body: dict[str, Any], version: str, inputs: dict[str, Any], state: str,
                                     status: str) -> None:
    api = cloud
    server = api.server(vm_state=state)
    assert act(api, server, body, version).status == 202
    row, = opened(api, server)
    assert (row["action"], row["level"], row["step"], row["inputs"]) == ("live-migration", "api", "choose", inputs)
    shown = api("GET", f"/servers/{server}", who="admin").body["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == (status, "migrating")
    listed = api("GET", f"/servers/{server}/migrations", version="2.80", who="admin").body["migrations"]
    assert [(m["id"], m["status"], m["uuid"]) for m in listed] == [(1, "accepted", row["uuid"])]
    again = act(api, server, body, version)
    assert (again.status, "task_state migrating" in str(again.body)) == (409, True)


def test_a_host_that_nobody_knows_is_refused_at_once(api: Api) -> None:
    for version in ("2.25", "2.104"):
        refused = act(api, api.server(), AUTO | {"host": "nowhere"}, version)
        assert (refused.status, "could not be found" in str(refused.body)) == (400, True)


def test_what_else_is_wrong_with_a_host_is_told_at_once_only_of_old(cloud: Api) -> None:
    api = cloud
    put_down(api, "host2")
    for host, told in (("host1", "to current host"), ("host2", "is unavailable")):
        server = api.server()
        refused = act(api, server, AUTO | {"host": host}, "2.33")
        assert (refused.status, told in str(refused.body)) == (400, True)
        assert opened(api, server) == []
        assert act(api, server, AUTO | {"host": host}, "2.34").status == 202
    put_down(api, "host1")
    server = api.server()
    assert act(api, server, AUTO, "2.33").status == 400
    assert act(api, server, AUTO, "2.34").status == 202


BIG = {"flavorid": "3", "name": "m1.big", "memory_mb": 4096, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0, "swap": 0,
       "rxtx_factor": 1.0, "is_public": True, "extra_specs": {}, "description": None}


@pytest.mark.parametrize("body, version", [
    (OLD, "2.1"), (OLD | {"host": "host2"}, "2.1"), (AUTO, "2.33"), (AUTO | {"host": "host2"}, "2.33"),
    (AUTO | {"host": "host2", "force": True}, "2.33")])
def test_when_no_host_has_room_the_reason_is_told_at_once_of_old(cloud: Api, body: dict[str, Any],
                                                                 version: str) -> None:
    server = cloud.server(flavor=BIG, memory_mb=4096)
    before = dump(cloud)
    refused = act(cloud, server, body, version)
    message = str(refused.body["badRequest"]["message"])
    assert refused.status == 400 and message.startswith("No valid host was found."), refused
    assert "RAM 1 (4096 MB requested, 2048 MB free)" in message
    assert dump(cloud) == before
    later = act(cloud, server, AUTO | {"host": body["host"]}, "2.34")
    assert later.status == 202 and len(opened(cloud, server)) == 1


def test_the_question_counts_nothing(cloud: Api) -> None:
    """Of two that fit once each, both are accepted: who comes first is decided by the claims."""
    for _ in range(2):
        assert act(cloud, cloud.server(flavor=BIG | {"memory_mb": 1500}, memory_mb=1500), AUTO, "2.33").status == 202


def test_its_state_is_looked_at_before_its_hosts(cloud: Api) -> None:
    for values, told in (({"vm_state": "stopped"}, "vm_state stopped"), ({"task_state": "rebooting"}, "rebooting")):
        refused = act(cloud, cloud.server(flavor=BIG, memory_mb=4096, **values), AUTO, "2.33")
        assert (refused.status, told in str(refused.body)) == (409, True)


def test_without_a_scheduler_old_ones_are_to_come_again(api: Api) -> None:
    server = api.server()
    assert act(api, server, AUTO, "2.33").status == 503
    assert opened(api, server) == []
    assert act(api, server, AUTO, "2.34").status == 202


def test_only_a_named_host_is_forced(api: Api) -> None:
    refused = act(api, api.server(), AUTO | {"force": True}, "2.30")
    assert (refused.status, "non-provided destination" in str(refused.body)) == (400, True)


def test_a_host_that_cannot_do_it_says_so(api: Api) -> None:
    refused = act(api, api.server(host="host2"), AUTO, "2.104")
    assert (refused.status, "its host offers no LiveMigration" in str(refused.body)) == (409, True)
