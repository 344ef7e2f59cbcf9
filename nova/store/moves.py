# SPDX-License-Identifier: Apache-2.0
"""Migrations as reads: the operations that move a server from host to host, from every cell.

Such an operation says in its step data where from and where to: ``source_compute``, ``source_node``, ``dest_compute``,
``dest_node``, ``dest_host``, the ids of both flavors, ``status`` in the words of migrations and, while a guest's memory
is on its way, ``progress`` as counters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.db.cell.tables import operations as tables
from nova.db.operations import OPEN_STATES
from nova.db.schema import db_now

#: Name of the operation → type of the migration.
TYPES = {"migrate": "migration", "resize": "resize", "live-migration": "live-migration", "evacuate": "evacuation"}
LIVE = "live-migration"
COLD = ("migrate", "resize")
_PLACES = ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host", "old_instance_type_id",
           "new_instance_type_id")
#: What a cold move is doing while it is open, by step.
_STEPS = {"claim": "accepted", "elsewhere": "accepted", "prep": "pre-migrating", "leave": "migrating",
          "move": "post-migrating", "arrive": "post-migrating"}
#: The same of a live one. One that nobody has in hand waits for its turn.
_LIVE_STEPS = {"examine": "preparing", "prepare": "preparing", "another": "preparing", "ask": "running",
               "migrate": "running", "switch": "post-migrating", "land": "post-migrating", "arrive": "post-migrating",
               "leave": "post-migrating", "settle": "post-migrating"}
_STATUS = {"open": "accepted", "undoing": "running", "done": "completed", "failed": "error"}


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """A migration. ``id`` counts the operations of its server; ``uuid`` is unique."""

    id: int
    uuid: str
    instance_uuid: str
    project_id: str
    user_id: str | None
    type: str
    status: str
    open: bool
    created_at: float
    updated_at: float | None
    places: Mapping[str, Any]
    progress: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Which migrations; None does not restrict."""

    project_id: str | None = None
    user_id: str | None = None
    instance_uuid: str | None = None
    type: str | None = None
    changes_since: float | None = None
    changes_before: float | None = None


class Moves:
    """Reads migrations of a cloud."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def all(self, wanted: Wanted) -> list[Move]:
        """Oldest first. Raises Unavailable while a cell does not answer."""
        found: list[Move] = []
        for answer in self._cells.scatter(lambda cell: _read(cell, wanted), self._cells.with_hosts()).values():
            if isinstance(answer, errors.NovaError):
                raise errors.Unavailable("Migrations are not known while a cell does not answer.", retry_after=10)
            found += answer
        return sorted(found, key=lambda move: (move.created_at, move.uuid))

    def of_server(self, cell: Cell, uuid: str) -> list[Move]:
        return _read(cell, Wanted(instance_uuid=uuid))


def _read(cell: Cell, wanted: Wanted) -> list[Move]:
    o = tables.operations.c
    changed = sa.func.coalesce(o.updated_at, o.created_at)
    types = [name for name, kind in TYPES.items() if wanted.type in (None, kind)]
    where: list[sa.ColumnElement[bool]] = [o.action.in_(types)]
    for column, value in ((o.project_id, wanted.project_id), (o.user_id, wanted.user_id),
                          (o.instance_uuid, wanted.instance_uuid)):
        if value is not None:
            where.append(column == value)
    if wanted.changes_since is not None:
        where.append(changed >= wanted.changes_since)
    if wanted.changes_before is not None:
        where.append(changed <= wanted.changes_before)
    columns = (o.seq, o.uuid, o.instance_uuid, o.project_id, o.user_id, o.action, o.state, o.step, o.owner, o.step_data,
               o.created_at, o.updated_at)
    with cell.database.read() as conn:
        return [_move(row) for row in conn.execute(sa.select(*columns).where(*where).order_by(o.created_at)).mappings()]


def _move(row: Mapping[Any, Any]) -> Move:
    data = row["step_data"]
    return Move(row["seq"], row["uuid"], row["instance_uuid"], row["project_id"], row["user_id"], TYPES[row["action"]],
                status_of(row), row["state"] in OPEN_STATES,
                row["created_at"], row["updated_at"], {name: data.get(name) for name in _PLACES},
                data.get("progress") or {})


def status_of(row: Mapping[Any, Any]) -> str:
    """The status of a move, from the row of its operation."""
    return row["step_data"].get("status") or _status(row)


def _status(row: Mapping[Any, Any]) -> str:
    if row["action"] == LIVE and row["state"] == "open":
        queued = row["step"] == "migrate" and row["owner"] is None
        return "queued" if queued else _LIVE_STEPS.get(row["step"], "accepted")
    if row["action"] in COLD:
        if row["state"] in OPEN_STATES:
            return _STEPS.get(row["step"], "accepted")
        return "finished" if row["state"] == "done" else "error"
    return _STATUS.get(row["state"], str(row["state"]))


def mark(conn: sa.Connection, operation_uuid: str, status: str) -> None:
    """Say what has become of a move that ended: confirming, confirmed, reverting or reverted. A record that is no
    longer kept needs no mark."""
    row = tables.get(conn, operation_uuid)
    if row is not None:
        o = tables.operations
        conn.execute(o.update().where(o.c.uuid == operation_uuid).values(
            step_data=row["step_data"] | {"status": status}, updated_at=db_now()))
