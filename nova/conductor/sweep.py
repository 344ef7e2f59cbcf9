# SPDX-License-Identifier: Apache-2.0
"""What the orchestrator looks for in every cell at intervals, and acts on one by one. What that is, is the caller's;
servers whose time is over, and operations that begin in their owners' names, are here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.clients.compute import ComputeClient
from nova.clients.nudges import Sender
from nova.concurrency.periodic import Periodic
from nova.context import RequestContext, service_context
from nova.db.cell import instances
from nova.store import beginnings, events
from nova.workflow.shape import Shape

T = TypeVar("T")
LOG = logging.getLogger(__name__)
#: Servers that are read at a time.
_PAGE = 200


class Sweep(Generic[T]):
    """Every ``interval`` seconds all that is ``due`` in a cell goes to ``act``, cell by cell; ``act`` tells whether it
    did something. A cell that does not answer waits for the next sweep, and so does a thing that fails; the others do
    not wait for it."""

    def __init__(self, name: str, cells: Cells, due: Callable[[Cell], Iterable[T]], act: Callable[[Cell, T], bool], *,
                 interval: float, at_once: bool = False) -> None:
        self.name, self._cells, self._due, self._act = name, cells, due, act
        self._periodic = Periodic(name, interval, self.look, at_once=at_once)
        self.start, self.stop, self.wake = self._periodic.start, self._periodic.stop, self._periodic.wake

    def look(self) -> list[T]:
        """Act on what is due now; gives that on which was acted."""
        done: list[T] = []
        for cell in self._cells.with_hosts():
            try:
                for thing in self._due(cell):
                    if self._acted(cell, thing):
                        done.append(thing)
            except errors.Unavailable as e:
                LOG.warning("%s: cell %s is looked at later: %s", self.name, cell.name, e.message)
        return done

    def _acted(self, cell: Cell, thing: T) -> bool:
        try:
            return self._act(cell, thing)
        except errors.Unavailable:
            raise
        except errors.NovaError as e:
            LOG.warning("%s: %s waits for the next turn: %s", self.name, thing, e.message)
        except Exception:
            LOG.exception("%s: %s waits for the next turn after an error", self.name, thing)
        return False


def at_rest(cell: Cell, vm_state: str, *conditions: sa.ColumnElement[bool],
            columns: tuple[sa.ColumnElement[Any], ...] = ()) -> Iterator[sa.Row[Any]]:
    """The servers of a state to which nothing is done just now, by uuid and ``columns``."""
    t = instances.instances.c
    query = sa.select(t.uuid, *columns).where(
        t.deleted.is_(False), t.vm_state == vm_state, t.task_state.is_(None), *conditions).order_by(t.uuid).limit(_PAGE)
    page = query
    while True:
        with cell.database.read(patient=True) as conn:
            rows = conn.execute(page).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        page = query.where(t.uuid > rows[-1].uuid)


def starter(sender: Sender, vm_state: str, accept: Callable[[sa.Connection, dict[str, Any]], dict[str, Any] | None],
            told: str) -> Callable[[Cell, str], bool]:
    """An ``act`` that begins an operation of a server while it is at rest in ``vm_state``. ``accept`` is given the
    server as it is held and gives the operation's row; None: not this one. ``told`` is logged of it."""
    def written(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
        server = instances.get_for_update(conn, uuid)
        resting = server is not None and not server["deleted"] and (
            server["vm_state"], server["task_state"]) == (vm_state, None)
        return accept(conn, server) if server is not None and resting else None

    def act(cell: Cell, uuid: str) -> bool:
        row = cell.database.run(lambda conn: written(conn, uuid))
        if row is None:
            return False
        LOG.info("server %s %s", uuid, told)
        if row["level"] == "host" and cell.bus is not None:
            sender.send(f"compute.{row['action']}", ComputeClient(cell.bus).look, service_context(), row["host"],
                        [[row["uuid"], row["epoch"]]])
        return True

    return act


def begin(conn: sa.Connection, server: dict[str, Any], shape: Shape, *, level: str, step: str,
          inputs: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None,
          **changes: Any) -> dict[str, Any] | None:
    """Accept an operation that nobody asked for, in the name of the server's owner; it ends nothing that is under way.
    ``more`` goes to its row, ``changes`` to the server's. None: somebody was faster."""
    owner = RequestContext(user_id=server["user_id"], project_id=server["project_id"]).elevated()
    row = beginnings.next_row(owner, shape, server, level=level, step=step, inputs=inputs or {}) | dict(more or {})
    written = beginnings.begin(conn, server, row, changes, open_rows=[], due_in=0.0, service=events.CONDUCTOR)
    return row if written else None
