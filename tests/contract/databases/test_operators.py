# SPDX-License-Identifier: Apache-2.0
"""What operators' tables and looks mean alike on each database engine: drains, fences, the audit's scopes, searches."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import nova.db.api
import nova.db.cell
from nova import concurrency
from nova.cells import Cells
from nova.conductor.audit import Auditor
from nova.conductor.auditing.scope import slices
from nova.db.api import cells as mappings
from nova.db.api import host_drains, host_fences, placement
from nova.db.api.tables import operations, services
from nova.db.engine import Database
from nova.placement import claims, inventory
from nova.store.operation_search import OperationSearch, Wanted

SERVER = "a0000000-0000-4000-8000-000000000001"


@pytest.fixture
def api(database_url: str) -> Iterator[Database]:
    """One database as that of the API level and as that of a cell without servers."""
    database = Database(database_url)
    for package in (nova.db.api, nova.db.cell):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        package.metadata.create_all(database.engine)
    yield database
    database.dispose()


def drain(uuid: str, **values: Any) -> dict[str, Any]:
    return {"uuid": uuid, "host": "h1", "cell_uuid": SERVER, "kind": "drain", "mode": "auto", "parallel": 2,
            "actor": {}, "reason": None} | values


def test_a_host_has_one_open_drain_and_one_owner(api: Database) -> None:
    with api.write() as conn:
        services.register(conn, uuid="s1", host="ctl", binary="x", topic="x", version=1, incarnation="i1")
        assert host_drains.insert(conn, drain("d1"))
    with api.write() as conn:
        assert not host_drains.insert(conn, drain("d2"))
        host_drains.add_servers(conn, "d1", [SERVER])
        host_drains.add_servers(conn, "d1", [SERVER, "other"])
        [free] = host_drains.takeable(conn, "i2", 60)
        assert host_drains.take(conn, free, "i1") and not host_drains.take(conn, free, "i2")
    with api.read() as conn:
        assert host_drains.takeable(conn, "i2", 60) == []
        [mine] = host_drains.takeable(conn, "i1", 60)
        assert [r["instance_uuid"] for r in host_drains.servers_of(conn, "d1")] == [SERVER, "other"]
    with api.write() as conn:
        services.retire(conn, "i1")
        assert [d["uuid"] for d in host_drains.takeable(conn, "i2", 60)] == ["d1"]
        assert host_drains.hold(conn, mine)
        host_drains.change_server(conn, "d1", SERVER, state="moved", tried=[{"way": "live", "message": "no"}])
        assert host_drains.counts(conn, ["d1"]) == {"d1": {"moved": 1, "waiting": 1}}
        assert host_drains.end(conn, "d1", "done", None) and not host_drains.end(conn, "d1", "done", None)
        assert not host_drains.hold(conn, mine)
        assert host_drains.insert(conn, drain("d2"))
        assert host_drains.purge(conn, -10) == 1
        assert [d["uuid"] for d in host_drains.find(conn, host="h1")] == ["d2"]


def test_a_fence_is_tried_by_one_at_a_time_and_belongs_to_one_start(api: Database) -> None:
    with api.write() as conn:
        host_fences.want(conn, "h1", SERVER, "i1")
        host_fences.want(conn, "h1", SERVER, "i1")
        fence = host_fences.find(conn)["h1"]
        assert host_fences.attempt(conn, fence, 30) and not host_fences.attempt(conn, fence, 30)
        assert not host_fences.attempt(conn, host_fences.find(conn)["h1"], 30)
        assert host_fences.attempt(conn, host_fences.find(conn)["h1"], -1)
        host_fences.tell(conn, "h1", "no answer")
        assert host_fences.settle(conn, "h1", expected="wanted", state="confirmed", message="off")
        assert not host_fences.settle(conn, "h1", expected="wanted", state="confirmed", message="off")
        host_fences.want(conn, "h1", SERVER, "i2")
        assert (host_fences.find(conn)["h1"]["state"], host_fences.find(conn)["h1"]["attempts"]) == ("wanted", 0)
        host_fences.confirm(conn, "h1", SERVER, "i2", "seen")
        assert host_fences.find(conn)["h1"]["state"] == "confirmed"
        assert host_fences.forget(conn, "h1") and not host_fences.forget(conn, "h1")


def test_an_audit_in_slices_sees_what_one_of_everything_sees(api: Database) -> None:
    cell = {"uuid": "c1", "name": "c1", "database_connection": api.url.render_as_string(False), "disabled": False,
            "created_at": 0.0}
    with api.write() as conn:
        conn.execute(mappings.cell_mappings.insert().values(cell))
        inventory.apply_report(conn, "f0000000-0000-4000-8000-000000000001", "node", {
            "VCPU": {"total": 100}, "MEMORY_MB": {"total": 10_000}}, [])
        for number in range(16):
            claims.claim(conn, f"{number:x}{SERVER[1:]}", "p", "u", "f0000000-0000-4000-8000-000000000001",
                         {"VCPU": 1})
        i = placement.inventories
        conn.execute(i.update().where(i.c.resource_class == "VCPU").values(used=3))
    auditor = Auditor(api, Cells(api, lambda row: (api, None)), full_pass=0)
    found = auditor.scan()
    assert {leak.kind for leak in found} == {"claim", "counter"} and len(found) == 17
    assert sorted(leak for part in slices(7) for leak in auditor.scan(part)) == found
    assert auditor.look_and_mend() == []
    assert len(auditor.look_and_mend()) >= 16
    auditor.look_and_mend()
    auditor.look_and_mend()
    assert auditor.scan() == []


def test_operations_are_searched_alike(api: Database) -> None:
    row = {"uuid": "o1", "instance_uuid": SERVER, "project_id": "p", "request_id": "r", "seq": 1, "action": "stop",
           "actor": {}, "inputs": {}, "level": "api", "step": "s", "epoch": 1,
           "created_at": concurrency.time() - 100}
    with api.write() as conn:
        operations.insert(conn, [row, row | {"uuid": "o2", "seq": 2, "action": "start", "owner": "nobody"}])
    search = OperationSearch(api, Cells(api, lambda row: (api, None)))
    assert [f.row["uuid"] for f in search.find(Wanted(older_than=50))] == ["o1", "o2"]
    assert [f.row["uuid"] for f in search.find(Wanted(action="start", server=SERVER))] == ["o2"]
    found = search.get("o2")
    assert found.owner is not None and not found.owner.lives(1e9) and found.place == "api"
