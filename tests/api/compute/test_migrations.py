# SPDX-License-Identifier: Apache-2.0
"""Migrations of a cloud and of a server, read from the operations that move servers."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from nova.db.cell import signals
from nova.db.cell.tables import operations
from tests.api.compute.conftest import PROJECTS, Api

PLACES = {"source_compute": "host1", "source_node": "host1", "dest_compute": "host2", "dest_node": "host2",
          "dest_host": "10.0.0.2", "old_instance_type_id": 1, "new_instance_type_id": 2}
HOSTS = ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host")
UNKNOWN = "5f1f9bd0-1cf4-4c6b-8bf0-2e7a4d7b0a11"
BASE = {"id", "instance_uuid", "status", "created_at", "updated_at", *PLACES}


def moved(api: Api, server: str, action: str, *, at: float, seq: int = 1, project: str = "demo", state: str = "done",
          **data: Any) -> str:
    id = str(uuid.uuid4())
    with api.cell.write() as conn:
        operations.insert(conn, [{
            "uuid": id, "instance_uuid": server, "project_id": PROJECTS[project], "user_id": f"u-{project}",
            "request_id": "req-1", "seq": seq, "action": action, "actor": {}, "inputs": {}, "state": state,
            "level": "api", "step": "x", "step_data": PLACES | data, "epoch": 1, "created_at": at}])
    return id


def ids(api: Api, query: str = "", version: str = "2.59", who: str = "admin") -> list[str]:
    answer = api("GET", f"/os-migrations{query}", who=who, version=version)
    assert answer.status == 200, answer
    return [m["uuid"] for m in answer.body["migrations"]]


def test_the_members_of_a_migration_at_every_turn(api: Api) -> None:
    server = api.server()
    id = moved(api, server, "live-migration", at=1000.0, state="open", status="running")
    members = set(BASE)
    for version, more in (("2.1", set()), ("2.23", {"migration_type", "links"}), ("2.59", {"uuid"}),
                          ("2.80", {"user_id", "project_id"})):
        members |= more
        found = api("GET", "/os-migrations", who="admin", version=version).body["migrations"]
        assert set(found[0]) == members, version
    assert (found[0]["uuid"], found[0]["status"], found[0]["migration_type"]) == (id, "running", "live-migration")
    assert found[0]["links"][0]["href"] == f"http://cloud/compute/v2.1/servers/{server}/migrations/1"
    assert (found[0]["source_compute"], found[0]["new_instance_type_id"]) == ("host1", 2)


def test_lists_are_filtered_and_paged(api: Api) -> None:
    server, other = api.server(), api.server(project="other")
    first = moved(api, server, "migrate", at=1000.0, status="confirmed")
    second = moved(api, server, "resize", at=1001.0, seq=2, status="reverted")
    third = moved(api, other, "evacuate", at=1002.0, project="other", dest_compute="host3")
    moved(api, server, "reboot", at=1003.0, seq=3)
    assert ids(api) == [third, second, first]
    old = api("GET", "/os-migrations", who="admin").body["migrations"]
    assert [m["status"] for m in old] == ["confirmed", "reverted", "completed"]
    for query, wanted in (("?status=reverted", [second]), ("?migration_type=migration", [first]),
                          ("?host=host3", [third]), (f"?instance_uuid={server}", [second, first]),
                          ("?source_compute=nowhere", []), ("?changes-since=2027-01-01T00:00:00Z", [])):
        assert ids(api, query) == wanted, query
    assert ids(api, "?user_id=u-other", version="2.80") == [third]
    assert ids(api, f"?project_id={PROJECTS['demo']}", version="2.80") == [second, first]
    page = api("GET", "/os-migrations?limit=2", who="admin", version="2.59").body
    assert page["migrations_links"][0]["href"].endswith(f"limit=2&marker={second}")
    assert ids(api, f"?limit=2&marker={second}") == [first]


def test_managers_see_their_own_without_hosts(api: Api) -> None:
    mine = moved(api, api.server(), "migrate", at=1000.0)
    moved(api, api.server(project="other"), "migrate", at=1001.0, project="other")
    found = api("GET", "/os-migrations", who="manager", version="2.80").body["migrations"]
    assert [m["uuid"] for m in found] == [mine]
    assert [found[0][name] for name in HOSTS] == [None] * 5  # there, as clients expect, but untold
    for query in ("?host=host1", "?source_compute=host1", f"?project_id={PROJECTS['other']}"):
        assert api("GET", f"/os-migrations{query}", who="manager", version="2.80").status == 403
    assert api("GET", "/os-migrations").status == 403


@pytest.mark.parametrize("query, version, status", [
    ("marker=nope", "2.59", 400), ("colour=blue", "2.58", 200), ("colour=blue", "2.59", 400),
    ("changes-before=2026-01-01T00:00:00Z", "2.65", 400), ("changes-before=2026-01-01T00:00:00Z", "2.66", 200),
    ("user_id=u", "2.79", 400), ("user_id=u", "2.80", 200),
    ("changes-since=2026-01-02T00:00:00Z&changes-before=2026-01-01T00:00:00Z", "2.66", 400)])
def test_questions_by_microversion(api: Api, query: str, version: str, status: int) -> None:
    assert api("GET", f"/os-migrations?{query}", who="admin", version=version).status == status


def test_live_migrations_of_a_server(api: Api) -> None:
    server = api.server(task_state="migrating")
    moved(api, server, "live-migration", at=999.0, seq=1, status="completed")
    id = moved(api, server, "live-migration", at=1000.0, seq=2, state="open", status="running",
               progress={"memory_total_bytes": 7})
    path = f"/servers/{server}/migrations"
    assert api("GET", path, version="2.22", who="admin").status == 404
    listed = api("GET", path, version="2.23", who="admin").body["migrations"]
    assert [(m["id"], m["status"], "uuid" in m) for m in listed] == [(2, "running", False)]
    untold = api("GET", path, version="2.23", who="manager").body["migrations"][0]
    assert untold.keys() == listed[0].keys() and [untold[name] for name in HOSTS] == [None] * 5
    shown = api("GET", path + "/2", version="2.80", who="admin").body["migration"]
    assert (shown["server_uuid"], shown["uuid"], shown["project_id"]) == (server, id, PROJECTS["demo"])
    assert (shown["memory_total_bytes"], shown["disk_total_bytes"]) == (7, None)
    assert api("GET", path + "/1", version="2.80", who="admin").status == 404
    assert api("GET", path + "/2", version="2.80", who="manager").status == 403


COMPLETE = {"force_complete": None}


def actions(api: Api, server: str) -> list[str]:
    told = api("GET", f"/servers/{server}/os-instance-actions", who="admin").body["instanceActions"]
    return [action["action"] for action in told]


def test_what_is_said_to_one_that_goes_on(api: Api) -> None:
    server = api.server(task_state="migrating", op_seq=2)
    id = moved(api, server, "live-migration", at=1000.0, seq=2, state="open", status="running")
    path = f"/servers/{server}/migrations"
    for version, who, number, status in (("2.23", "manager", 2, 404), ("2.24", "demo", 2, 403),
                                         ("2.24", "manager", 9, 404), ("2.24", "manager", 2, 202),
                                         ("2.24", "manager", 2, 202)):
        assert api("DELETE", f"{path}/{number}", version=version, who=who).status == status
    assert api("POST", path + "/2/action", COMPLETE, version="2.21", who="manager").status == 404
    assert api("POST", path + "/2/action", COMPLETE, version="2.22").status == 403
    for unknown in ("nine", "9"):
        assert api("POST", f"{path}/{unknown}/action", COMPLETE, version="2.22", who="manager").status == 400
    nowhere = f"/servers/{UNKNOWN}/migrations/2/action"
    assert api("POST", nowhere, COMPLETE, version="2.22", who="manager").status == 404
    assert api("POST", path + "/2/action", COMPLETE, version="2.22", who="manager").status == 202
    with api.cell.read() as conn:
        assert signals.of(conn, id) == ["abort", "force_complete"]
    assert sorted(actions(api, server)) == ["live-migration", "live_migration_cancel", "live_migration_force_complete"]
    other = f"/servers/{api.server(task_state='migrating')}/migrations/2"
    assert api("DELETE", other, version="2.24", who="manager").status == 404


@pytest.mark.parametrize("status, aborted, aborted_later, forced", [
    ("queued", 400, 202, 400), ("preparing", 400, 202, 400), ("running", 202, 202, 202),
    ("post-migrating", 400, 400, 400)])
def test_what_may_be_said_depends_on_how_far_it_is(api: Api, status: str, aborted: int, aborted_later: int,
                                                   forced: int) -> None:
    server = api.server(task_state="migrating", op_seq=2)
    moved(api, server, "live-migration", at=1000.0, seq=2, state="open", status=status)
    path = f"/servers/{server}/migrations/2"
    assert api("DELETE", path, version="2.64", who="manager").status == aborted
    assert api("DELETE", path, version="2.65", who="manager").status == aborted_later
    assert api("POST", path + "/action", COMPLETE, version="2.22", who="manager").status == forced


def test_neither_a_resize_nor_a_server_that_stays_is_a_live_migration(api: Api) -> None:
    server = api.server(task_state="migrating", op_seq=2)
    moved(api, server, "resize", at=1000.0, seq=2, state="open")
    assert api("DELETE", f"/servers/{server}/migrations/2", version="2.24", who="manager").status == 404
    locked = api.server(task_state="migrating", op_seq=2, locked_by="owner")
    moved(api, locked, "live-migration", at=1000.0, seq=2, state="open", status="running")
    assert api("DELETE", f"/servers/{locked}/migrations/2", version="2.24", who="manager").status == 409


def test_a_server_that_stays_has_none(api: Api) -> None:
    path = f"/servers/{api.server()}/migrations"
    assert api("GET", path, version="2.23", who="manager").body == {"migrations": []}
    refused = api("DELETE", path + "/1", version="2.24", who="manager")
    assert (refused.status, "task_state None" in str(refused.body)) == (409, True)
