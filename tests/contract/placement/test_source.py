# SPDX-License-Identifier: Apache-2.0
"""Host states read out of real tables, on each engine: one API database and one cell of the same kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova.cells import Cells
from nova.db import schema
from nova.db.api import aggregates
from nova.db.api import cells as mappings
from nova.db.api import metadata as api_metadata
from nova.db.cell import compute_nodes
from nova.db.cell import metadata as cell_metadata
from nova.db.cell.tables import operations, services
from nova.db.engine import Database
from nova.placement import claims
from nova.scheduler.cache import HostStateCache
from nova.scheduler.source import DatabaseSource, locate
from tests.contract.placement.conftest import ROOM, SMALL, add_host, placement_tables
from tests.unit.scheduler.build import spec


@dataclasses.dataclass
class Cloud:
    api: Database
    cell: Database
    cells: Cells
    cache: HostStateCache

    def host(self, name: str) -> Any:
        return {h.host: h for h in self.cache.snapshot(0)}[name]

    def add(self, name: str) -> str:
        """A host with its node, service and provider."""
        uuid = f"uuid-{name}"
        with self.cell.write() as conn:
            services.register(conn, uuid=f"service-{name}", host=name, binary="nova-compute", topic="compute",
                              version=1, incarnation=f"start-{name}")
            compute_nodes.report(conn, uuid, name, f"node-{name}", REPORT)
        return add_host(self.api, uuid, name)


REPORT = {"hypervisor_type": "QEMU", "hypervisor_version": 7002000, "vcpus": 4, "memory_mb": 4096, "local_gb": 100,
          "cpu_info": {}, "traits": [], "inventory": ROOM, "supported_instances": [["x86_64", "qemu", "hvm"]],
          "digest": "1"}


@pytest.fixture
def cloud(database_kind: str, make_database: Callable[..., str]) -> Iterator[Cloud]:
    api = Database(make_database(database_kind, "api"), synchronous="OFF")
    cell = Database(make_database(database_kind, "cell"), synchronous="OFF")
    api_metadata.create_all(api.engine, tables=[*placement_tables(), mappings.cell_mappings, aggregates.aggregates,
                                                aggregates.aggregate_hosts])
    cell_metadata.create_all(cell.engine, tables=[compute_nodes.compute_nodes, services.services,
                                                  operations.operations])
    url = cell.url.render_as_string(hide_password=False)
    with api.write() as conn:
        conn.execute(sa.insert(mappings.cell_mappings).values(
            uuid="cell1", name="cell1", database_connection=url, disabled=False, created_at=schema.db_now()))
    cells = Cells(api, lambda row: (cell, None), ttl=0.0)
    yield Cloud(api, cell, cells, HostStateCache(DatabaseSource(api, cells, down_after=60)))
    cells.close()
    api.dispose()


def test_a_host_appears_with_all_that_is_known_of_it(cloud: Cloud) -> None:
    uuid = cloud.add("h1")
    with cloud.api.write() as conn:
        aggregate = aggregates.create(conn, "aggregate", "fast", {"availability_zone": "az2", "ssd": "true"})
        aggregates.add_host(conn, aggregate, "h1")
    cloud.api.run(lambda conn: claims.try_claim(conn, "c1", "p", "u", uuid, SMALL))
    state = cloud.host("h1")
    assert (state.uuid, state.host, state.node, state.cell_uuid) == ("uuid-h1", "h1", "node-h1", "cell1")
    assert (state.up, state.disabled, state.cell_disabled, state.num_instances, state.num_io_ops) == (
        True, False, False, 1, 0)
    assert (state.availability_zone, state.aggregates["ssd"]) == ("az2", frozenset({"true"}))
    assert state.free == {"VCPU": 7, "MEMORY_MB": 3328, "DISK_GB": 95}
    assert state.supported_instances == (("x86_64", "qemu", "hvm"),)
    assert (state.hypervisor_type, state.hypervisor_version) == ("QEMU", 7002000)
    assert state.traits == frozenset({"HW_CPU_X86_AVX"})


def test_claims_releases_and_new_hosts_show_in_the_next_reading(cloud: Cloud) -> None:
    uuid = cloud.add("h1")
    assert cloud.host("h1").free["VCPU"] == 8
    cloud.api.run(lambda conn: claims.try_claim(conn, "c1", "p", "u", uuid, SMALL))
    assert cloud.host("h1").free["VCPU"] == 7
    cloud.api.run(lambda conn: claims.release(conn, "c1"))
    assert cloud.host("h1").free["VCPU"] == 8
    cloud.add("h2")
    assert {h.host for h in cloud.cache.snapshot(0)} == {"h1", "h2"}


def test_silence_force_and_disabling_show(cloud: Cloud) -> None:
    cloud.add("h1")
    cloud.add("h2")
    cloud.add("h3")
    cloud.cache.snapshot()
    t = services.services
    with cloud.cell.write() as conn:
        for host, values in (("h1", {"last_seen": schema.db_now() - 61}), ("h2", {"forced_down": True}),
                             ("h3", {"disabled": True, "disabled_reason": "repair"})):
            conn.execute(sa.update(t).where(t.c.host == host).values(**values))
    assert [cloud.host(name).up for name in ("h1", "h2", "h3")] == [False, False, True]
    assert (cloud.host("h3").disabled, cloud.host("h3").disabled_reason) == (True, "repair")
    m = mappings.cell_mappings
    with cloud.api.write() as conn:
        conn.execute(sa.update(m).values(disabled=True))
    assert cloud.host("h3").cell_disabled


def test_open_operations_on_a_host_are_its_load(cloud: Cloud) -> None:
    cloud.add("h1")
    common = {"project_id": "p", "request_id": "r", "action": "create", "actor": {}, "inputs": {}, "level": "host",
              "step": "build", "step_data": {}, "epoch": 1, "host": "h1"}
    with cloud.cell.write() as conn:
        for n, state in enumerate(("open", "undoing", "done", "failed")):
            conn.execute(sa.insert(operations.operations).values(
                uuid=f"operation-{n}", instance_uuid=f"server-{n}", seq=1, state=state, workflow_version=1,
                created_at=schema.db_now(), **common))
    assert cloud.host("h1").num_io_ops == 2


def test_servers_of_hints_and_groups_are_located_by_their_claims(cloud: Cloud) -> None:
    for name in ("h1", "h2"):
        uuid = cloud.add(name)
        cloud.api.run(lambda conn, u=uuid, n=name: claims.try_claim(conn, f"on-{n}", "p", "u", u, SMALL))  # type: ignore[misc]
    cloud.cache.snapshot()
    request = spec(scheduler_hints={"different_host": ["on-h1"]},
                   group={"uuid": "g", "policy": "anti-affinity", "members": ["on-h2", "unplaced", "new"]})
    with cloud.api.read() as conn:
        placed = locate(conn, request, cloud.cache)
        assert locate(conn, spec(), cloud.cache) == spec()
    assert placed.located == {"on-h1": "h1"}
    assert placed.group is not None and placed.group.hosts == {"h2": 1}
