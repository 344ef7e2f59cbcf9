# SPDX-License-Identifier: Apache-2.0
"""Operations of the whole cloud, for operators: from the API database and from every cell that answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.db.api.tables import operations as api_operations
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES, OperationTables
from nova.db.schema import db_now

STATES = ("open", "undoing", "done", "failed", "superseded", "moved")


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Which operations. ``states`` None: those that have not ended; ``older_than`` is in seconds since acceptance."""

    states: tuple[str, ...] | None = None
    server: str | None = None
    host: str | None = None
    action: str | None = None
    older_than: float | None = None
    limit: int = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a row: the service of that incarnation. ``age``: seconds since it was heard; None: it is not known any
    more, because it was started anew or is gone."""

    incarnation: str
    host: str | None = None
    binary: str | None = None
    age: float | None = None

    def lives(self, lease: float) -> bool:
        return self.age is not None and self.age < lease


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """An operation with the place of its row; ``now`` is that database's time."""

    row: dict[str, Any]
    now: float
    owner: Owner | None
    cell: Cell | None

    @property
    def place(self) -> str:
        return "api" if self.cell is None else self.cell.name

    @property
    def open(self) -> bool:
        return self.row["state"] in OPEN_STATES


class OperationSearch:
    """``silent`` names the cells that did not answer the last question, with what they said."""

    def __init__(self, api: Database, cells: Cells) -> None:
        self._api, self._cells = api, cells
        self.silent: dict[str, str] = {}

    def find(self, wanted: Wanted) -> list[Found]:
        """Oldest first. A create that has moved on to its cell is shown once, where it is now."""
        found = {f.row["uuid"]: f for f in _read(self._api, api_operations, None, wanted)}
        self.silent = {}
        for cell, answer in self._cells.scatter(lambda c: _read(c.database, cell_operations, c, wanted)).items():
            if isinstance(answer, errors.NovaError):
                self.silent[cell.name] = answer.message
            else:
                found |= {f.row["uuid"]: f for f in answer}
        rows = sorted(found.values(), key=lambda f: (f.row["created_at"], f.row["uuid"]))
        return rows[:wanted.limit]

    def get(self, uuid: str) -> Found:
        """One operation; NotFound, or Unavailable when a silent cell may have it."""
        self.silent = {}
        places: list[Found] = []
        for cell, answer in self._cells.scatter(lambda c: _one(c.database, cell_operations, c, uuid)).items():
            if isinstance(answer, errors.NovaError):
                self.silent[cell.name] = answer.message
            elif answer is not None:
                places.append(answer)
        if places:
            return places[0]
        found = _one(self._api, api_operations, None, uuid)
        if found is not None:
            return found
        if self.silent:
            raise errors.Unavailable(f"Operation {uuid} was not found; {', '.join(sorted(self.silent))} did not "
                                     "answer and may have it.")
        raise errors.NotFound(f"there is no operation {uuid}; see 'nova-manage operation list --all'")

    def events(self, found: Found) -> list[dict[str, Any]]:
        """The ended steps of an operation, oldest first, from both databases."""
        with self._api.read() as conn:
            events = api_operations.events_of(conn, found.row["uuid"])
        if found.cell is not None:
            with found.cell.database.read() as conn:
                events += cell_operations.events_of(conn, found.row["uuid"])
        return sorted(events, key=lambda e: (e["started_at"], e["id"]))


def _statement(tables: OperationTables) -> sa.Select[Any]:
    t, s = tables.operations, tables.services
    return sa.select(t, db_now().label("now"), s.c.host.label("owner_host"), s.c.binary.label("owner_binary"),
                     (db_now() - sa.func.coalesce(s.c.last_seen, 0.0)).label("owner_age")).select_from(
        t.outerjoin(s, s.c.incarnation == t.c.owner))


def _read(database: Database, tables: OperationTables, cell: Cell | None, wanted: Wanted) -> list[Found]:
    t = tables.operations.c
    query = _statement(tables).where(t.state.in_(wanted.states or OPEN_STATES))
    for column, value in ((t.instance_uuid, wanted.server), (t.host, wanted.host), (t.action, wanted.action)):
        if value is not None:
            query = query.where(column == value)
    if wanted.older_than is not None:
        query = query.where(t.created_at < db_now() - wanted.older_than)
    with database.read() as conn:
        rows = conn.execute(query.order_by(t.created_at).limit(wanted.limit)).mappings().all()
    return [_found(dict(row), cell) for row in rows]


def _one(database: Database, tables: OperationTables, cell: Cell | None, uuid: str) -> Found | None:
    with database.read() as conn:
        row = conn.execute(_statement(tables).where(tables.operations.c.uuid == uuid)).mappings().one_or_none()
    return None if row is None else _found(dict(row), cell)


def _found(row: dict[str, Any], cell: Cell | None) -> Found:
    now, host, binary, age = (row.pop(name) for name in ("now", "owner_host", "owner_binary", "owner_age"))
    owner = None
    if row["owner"] is not None:
        owner = Owner(row["owner"], host, binary, None if host is None else age)
    return Found(row, now, owner, cell)
