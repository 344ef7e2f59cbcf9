# SPDX-License-Identifier: Apache-2.0
"""The directory of cells: connects on demand, scatters a question and gathers what answers in time."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from nova import concurrency, errors
from nova.db.api import cells as mappings
from nova.db.engine import Database

T = TypeVar("T")
LOG = logging.getLogger(__name__)
CELL0 = mappings.CELL0_UUID
#: Questions to one cell that are asked at the same time, and that may stand open.
_WORKERS, _OPEN = 8, 100


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell with its open database and its bus (None for cell0, which has no hosts)."""

    uuid: str
    name: str
    database: Database
    bus: Any
    disabled: bool = False
    transport_url: str | None = None

    @property
    def is_cell0(self) -> bool:
        return self.uuid == CELL0


class Cells:
    """All cells of the cloud.

    ``connect(row) -> (Database, bus)`` opens what a mapping row names; the process that builds the object graph gives
    it. ``ttl`` is how long, in seconds, a row is believed without looking again.
    """

    def __init__(self, api: Database, connect: Callable[[dict[str, Any]], tuple[Database, Any]], *, ttl: float = 5.0,
                 timeout: float = 5.0) -> None:
        self._api, self._connect, self._ttl, self._timeout = api, connect, ttl, timeout
        self._cells: dict[str, Cell] = {}
        self._read_at: float | None = None
        self._lock = concurrency.Lock()
        self._pools: dict[str, concurrency.Pool] = {}
        self._asked: dict[str, int] = {}
        #: Told of every cell's database and bus before they are used.
        self.on_open: Callable[[Database, Any], None] = lambda database, bus: None

    def refresh(self) -> None:
        """Look at the mappings again, now."""
        with self._api.read() as conn:
            rows = mappings.list_cells(conn)
        with self._lock:
            known = dict(self._cells)
            # Readers don't wait for us: they see the former cells or the new ones, never a part.
            self._cells = {row["uuid"]: self._opened(row, known.pop(row["uuid"], None)) for row in rows}
            self._read_at = concurrency.monotonic()
        for cell in known.values():
            LOG.info("cell %s is no longer there", cell.name)
            cell.database.dispose()

    def _opened(self, row: dict[str, Any], old: Cell | None) -> Cell:
        """The cell of a mapping row, with what was open of it as far as the row still names the same."""
        places = (row["database_connection"], row["transport_url"])
        if old is not None and places == (old.database.url.render_as_string(False), old.transport_url):
            same = (row["name"] or row["uuid"], row["disabled"]) == (old.name, old.disabled)
            return old if same else dataclasses.replace(old, name=row["name"] or row["uuid"], disabled=row["disabled"])
        database, bus = self._open(row)
        if old is not None:
            LOG.info("cell %s has moved", old.name)
            old.database.dispose()
        return Cell(row["uuid"], row["name"] or row["uuid"], database, bus, row["disabled"], row["transport_url"])

    def _open(self, row: dict[str, Any]) -> tuple[Database, Any]:
        database, bus = self._connect(row)
        self.on_open(database, bus)
        return database, bus

    def all(self) -> list[Cell]:
        """Every cell, cell0 first."""
        if self._read_at is None or concurrency.monotonic() - self._read_at > self._ttl:
            self.refresh()
        return list(self._cells.values())

    def with_hosts(self) -> list[Cell]:
        return [c for c in self.all() if not c.is_cell0]

    def get(self, uuid: str) -> Cell:
        """The cell of a mapping; looks again before it says that there is none."""
        cell = self._cells.get(uuid)
        if cell is None:
            self.refresh()
            cell = self._cells.get(uuid)
        if cell is None:
            raise errors.Unavailable(f"Cell {uuid} is not known here.", retry_after=5)
        return cell

    def scatter(self, question: Callable[[Cell], T], cells: list[Cell] | None = None,
                timeout: float | None = None) -> dict[Cell, T | errors.NovaError]:
        """Ask cells side by side. A cell that fails or is silent for ``timeout`` answers with an error, never late.

        Each cell has workers of its own, so that one that hangs does not take those of the others; when very many
        questions to it stand open, further ones are not asked. Where side by side would gain nothing, no worker is
        woken: see :func:`_split`.
        """
        asked = self.all() if cells is None else cells
        here, there = _split(asked)
        if not there:
            return {cell: self._ask(question, cell) for cell in here}
        answers: dict[Cell, T | errors.NovaError] = {}
        done = concurrency.Condition()

        silent = errors.Unavailable("The cell did not answer in time.", retry_after=5)
        patience = timeout or self._timeout
        end = concurrency.monotonic() + patience

        def ask(cell: Cell) -> None:
            answer = self._ask(question, cell) if concurrency.monotonic() < end else silent
            with done:
                answers[cell] = answer
                done.notify_all()

        for cell in there:
            if not self._submit(cell, ask):
                with done:
                    answers[cell] = silent
        for cell in here:
            ask(cell)
        with done:
            done.wait_for(lambda: len(answers) == len(asked), patience)
            return {cell: answers.get(cell, silent) for cell in asked}

    def _submit(self, cell: Cell, ask: Callable[[Cell], None]) -> bool:
        with self._lock:
            pool = self._pools.get(cell.uuid)
            if pool is None:
                pool = self._pools[cell.uuid] = concurrency.make_pool(_WORKERS, f"scatter-{cell.name}")
            if self._asked.get(cell.uuid, 0) >= _OPEN:
                return False
            self._asked[cell.uuid] = self._asked.get(cell.uuid, 0) + 1

        def work() -> None:
            try:
                ask(cell)
            finally:
                with self._lock:
                    self._asked[cell.uuid] -= 1

        pool.submit(work)
        return True

    @staticmethod
    def _ask(question: Callable[[Cell], T], cell: Cell) -> T | errors.NovaError:
        try:
            return question(cell)
        except errors.NovaError as e:
            LOG.warning("cell %s did not answer: %s", cell.name, e.message)
            return e

    def close(self) -> None:
        for cell in self._cells.values():
            cell.database.dispose()
        for pool in self._pools.values():
            pool.stop(1)


def _split(asked: list[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Those that who asks can ask by himself, and those that have to be asked by workers.

    A single cell is asked at once. cell0 has few rows; where it is a file it cannot be silent, and can be read while
    others are. Neither is a pair of files, cell0 and another, worth the change of threads.
    """
    here = [cell for cell in asked if cell.is_cell0 and cell.database.dialect == "sqlite"]
    there = [cell for cell in asked if cell not in here]
    if len(there) == 1 and (not here or there[0].database.dialect == "sqlite"):
        return asked, []
    return here, there
