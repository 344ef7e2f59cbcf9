# SPDX-License-Identifier: Apache-2.0
"""What the databases say of the servers in a scope, read one after the other; and which servers changed lately."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.conductor.auditing.scope import Scope
from nova.db.api import cells as mappings
from nova.db.api import placement
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES, OperationTables
from nova.db.schema import db_now

#: Seconds that the windows of two looks overlap: a transaction writes its time before it commits.
_OVERLAP = 30.0
_T = instances.instances.c
_COLUMNS = (_T.uuid, _T.host, _T.compute_uuid, _T.vm_state)


@dataclasses.dataclass(frozen=True)
class View:
    """``mapped``: server → mapping, read first, so that a fence which rose since is noticed; ``seen``: server → row of
    those that live; ``busy``: servers with an open operation; ``answered``: the cells that did: of the servers of
    others nothing is said; ``moves``: of operations that hold resources for the way back, their server's state."""

    scope: Scope
    mapped: dict[str, dict[str, Any]]
    seen: dict[str, tuple[Cell, dict[str, Any]]]
    busy: set[str]
    answered: set[str]
    moves: dict[str, dict[str, Any]]
    complete: bool

    @property
    def living(self) -> set[str]:
        return {u for u, m in self.mapped.items() if not m["queued_for_delete"]} | self.busy


def look(api: Database, cells: Cells, scope: Scope) -> View:
    m = mappings.instance_mappings
    held = sa.or_(m.c.queued_for_delete.is_(False), m.c.charge.is_not(None))
    c = placement.consumers.c
    with api.read(patient=True) as conn:
        mapped = {r["instance_uuid"]: dict(r) for r in conn.execute(
            sa.select(m).where(held, scope.where(m.c.instance_uuid))).mappings()}
        moving = list(conn.execute(sa.select(c.uuid).where(c.type == "MIGRATION", scope.where(c.uuid))).scalars())
    seen: dict[str, tuple[Cell, dict[str, Any]]] = {}
    busy: set[str] = set()
    answered: set[str] = set()
    moves: dict[str, dict[str, Any]] = {}
    answers = cells.scatter(lambda cell: _rows_of(cell, scope, moving), timeout=60)
    for cell, answer in answers.items():
        if isinstance(answer, errors.NovaError):
            continue
        answered.add(cell.uuid)
        rows, open_, of_cell = answer
        busy |= open_
        moves |= of_cell
        seen |= {row["uuid"]: (cell, row) for row in rows}
    with api.read(patient=True) as conn:
        busy |= _open(conn, api_operations)
    return View(scope, mapped, seen, busy, answered, moves, complete=len(answered) == len(answers))


def _open(conn: sa.Connection, tables: OperationTables) -> set[str]:
    o = tables.operations
    return {r[0] for r in conn.execute(sa.select(o.c.instance_uuid).where(o.c.state.in_(OPEN_STATES)))}


def _rows_of(cell: Cell, scope: Scope,
             moving: list[str]) -> tuple[list[dict[str, Any]], set[str], dict[str, dict[str, Any]]]:
    """Rows, servers at work, and of the moves that hold resources the server and whether it may still go back."""
    o = cell_operations.operations.c
    with cell.database.read(patient=True) as conn:
        busy = _open(conn, cell_operations)
        rows = [dict(r) for r in conn.execute(
            sa.select(*_COLUMNS).where(_T.deleted.is_(False), scope.where(_T.uuid))).mappings()]
        moves = {}
        if moving:
            moves = {r.uuid: {"server": r.instance_uuid, "vm_state": r.vm_state, "deleted": r.deleted}
                     for r in conn.execute(sa.select(o.uuid, o.instance_uuid, _T.vm_state, _T.deleted).join(
                         instances.instances, _T.uuid == o.instance_uuid).where(o.uuid.in_(moving)))}
    return rows, busy, moves


class Changes:
    """The keys of what changed since the last question: servers whose operations ended, providers that were touched."""

    def __init__(self, api: Database, cells: Cells, *, before: float) -> None:
        self._api, self._cells, self._before = api, cells, before
        self._since: dict[str, float] = {}

    def keys(self) -> set[str]:
        found = self._ended(self._api, api_operations, "api") | self._touched()
        for answer in self._cells.scatter(lambda c: self._ended(c.database, cell_operations, c.uuid),
                                          timeout=60).values():
            if not isinstance(answer, errors.NovaError):
                found |= answer
        return found

    def _ended(self, database: Database, tables: OperationTables, where: str) -> set[str]:
        o = tables.operations.c
        with database.read() as conn:
            now = conn.execute(sa.select(db_now())).scalar_one()
            since = self._since.get(where, now - self._before) - _OVERLAP
            found = set(conn.execute(sa.select(o.instance_uuid).where(o.finished_at > since)).scalars())
        self._since[where] = now
        return found

    def _touched(self) -> set[str]:
        with self._api.read() as conn:
            now = conn.execute(sa.select(db_now())).scalar_one()
            since = self._since.get("placement", now - self._before) - _OVERLAP
            found = {row.uuid for row in placement.changed_providers(conn, since)}
        self._since["placement"] = now
        return found
