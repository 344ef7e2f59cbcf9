# SPDX-License-Identifier: Apache-2.0
"""Reads host states out of the databases: placement in the API database, nodes and services in every cell.

A reading costs five selects in the API database, of which three only for providers that changed, and three per cell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.db import schema
from nova.db.api import aggregates, placement
from nova.db.cell import services as cell_services
from nova.db.cell.compute_nodes import compute_nodes
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES
from nova.placement import claims
from nova.scheduler.cache import HostStateCache
from nova.scheduler.changes import CellAnswer, Changes, Node, Provider, Service
from nova.scheduler.hosts import Inventory
from nova.scheduler.spec import RequestSpec


class DatabaseSource:
    """The :class:`nova.scheduler.changes.Source` of a running cloud.

    A compute service is up when its last heartbeat is younger than ``down_after`` seconds by its database's clock and
    no operator has forced it down.
    """

    def __init__(self, api: Database, cells: Cells, *, down_after: float = 60.0) -> None:
        self._api, self._cells, self._down_after = api, cells, down_after

    def read(self, since: float | None, known: Mapping[str, int], doubtful: Collection[str]) -> Changes:
        with self._api.read() as conn:
            now = float(conn.execute(sa.select(schema.db_now())).scalar_one())
            providers = _providers(conn, since, known, doubtful)
            metadata = aggregates.metadata_by_host(conn)
        answers = self._cells.scatter(lambda cell: self._ask(cell, since), self._cells.with_hosts())
        cells = {cell.uuid: None if isinstance(answer, errors.NovaError) else answer
                 for cell, answer in answers.items()}
        return Changes(now=now, complete=since is None, providers=providers, cells=cells, aggregates=metadata)

    def _ask(self, cell: Cell, since: float | None) -> CellAnswer:
        with cell.database.read() as conn:
            return CellAnswer(nodes=_nodes(conn, cell.uuid, since), services=_services(conn, self._down_after),
                              disabled=cell.disabled)


def locate(conn: sa.Connection, spec: RequestSpec, cache: HostStateCache) -> RequestSpec:
    """The request with the hosts of the servers that its hints and its group name, by their claims."""
    named = spec.named_servers()
    return spec.at(cache.names(claims.providers_of(conn, named))) if named else spec


def _providers(conn: sa.Connection, since: float | None, known: Mapping[str, int],
               doubtful: Collection[str]) -> tuple[Provider, ...]:
    rows = placement.changed_providers(conn, since, also=doubtful)
    stale = {row.uuid: row.generation for row in rows
             if row.uuid in doubtful or known.get(row.uuid) != row.generation}
    if not stale:
        return ()
    only = None if len(stale) == len(rows) and since is None else list(stale)
    inventories: dict[str, dict[str, Inventory]] = {}
    for row in placement.inventories_of(conn, only):
        inventories.setdefault(row.provider_uuid, {})[row.resource_class] = Inventory(
            total=row.total, used=row.used, reserved=row.reserved, allocation_ratio=row.allocation_ratio,
            min_unit=row.min_unit, max_unit=row.max_unit, step_size=row.step_size)
    traits = placement.traits_of(conn, only)
    servers = placement.consumer_counts(conn, only)
    return tuple(Provider(uuid, generation, inventories.get(uuid, {}), frozenset(traits.get(uuid, ())),
                          servers.get(uuid, 0)) for uuid, generation in stale.items())


def _nodes(conn: sa.Connection, cell_uuid: str, since: float | None) -> tuple[Node, ...]:
    t = compute_nodes
    query = sa.select(t.c.uuid, t.c.host, t.c.hypervisor_hostname, t.c.hypervisor_type, t.c.hypervisor_version,
                      t.c.supported_instances).order_by(t.c.id)
    if since is not None:
        query = query.where(t.c.updated_at > since)
    return tuple(Node(row.uuid, row.host, row.hypervisor_hostname, cell_uuid, row.hypervisor_type,
                      row.hypervisor_version, tuple(tuple(entry) for entry in row.supported_instances))
                 for row in conn.execute(query))


def _services(conn: sa.Connection, down_after: float) -> dict[str, Service]:
    s, o = cell_services.services, cell_operations.operations
    busy = {host: count for host, count in conn.execute(
        sa.select(o.c.host, sa.func.count()).where(o.c.state.in_(OPEN_STATES), o.c.host.is_not(None))
        .group_by(o.c.host))}
    age = schema.db_now() - sa.func.coalesce(s.c.last_seen, 0.0)
    rows = conn.execute(sa.select(s.c.host, s.c.disabled, s.c.disabled_reason, s.c.forced_down, age.label("age"))
                        .where(s.c.binary == "nova-compute"))
    return {row.host: Service(up=row.age < down_after and not row.forced_down, disabled=bool(row.disabled),
                              disabled_reason=row.disabled_reason, operations=busy.get(row.host, 0)) for row in rows}
