# SPDX-License-Identifier: Apache-2.0
"""The feed of server events of one process: reads each database once, whoever listens, and hands on what is new.

It runs only while it is wanted. Asking for events is a row in each database, renewed while streams are open; who writes
to a database sees it within seconds. Whom an event concerns, and what it looks like, is not decided here.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

from nova import concurrency, errors
from nova.db.engine import Database
from nova.db.outbox import OutboxTables
from nova.notifications.positions import Cursor, Position

LOG = logging.getLogger(__name__)
_BATCH = 1000
#: Seconds between two looks: well below what an event may take to everybody.
_LOOK = 0.1
#: Seconds between two looks for new cells, after an error, and that the first client waits for a database.
_NEW_CELLS, _AGAIN, _OPEN_WITHIN = 5.0, 1.0, 2.0


@dataclasses.dataclass(frozen=True)
class Source:
    """A database that records events; ``name`` stands in positions."""

    name: str
    database: Database
    tables: OutboxTables


@dataclasses.dataclass
class _Reading:
    """The state of one source. ``warm_at``: from then on every writer knows that it is to record. ``turn`` is held by
    whoever reads it."""

    source: Source
    since: int
    cursor: Cursor
    warm_at: float
    turn: Any

    @property
    def position(self) -> Position:
        return Position(self.since, self.cursor.low)


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """Where the feed is in a source: all up to ``position`` was delivered, and up to ``head`` all but ``gaps``."""

    position: Position
    head: int
    gaps: frozenset[int]


#: Called under the feed's lock with the source's name and its new rows.
Deliver = Callable[[str, list[dict[str, Any]]], None]


class Feed:
    """``sources()`` are the databases now. What happens to a server happens in the one named ``first`` before it
    happens anywhere else, and is delivered in that order; otherwise sources are independent of each other.

    ``retention`` is for how many seconds events are asked for and kept, ``hearsay`` how long writers may take to notice
    that they are asked.
    """

    def __init__(self, sources: Callable[[], Sequence[Source]], deliver: Deliver, *, retention: float,
                 hearsay: float, first: str) -> None:
        self._sources, self._deliver, self._first = sources, deliver, first
        self._retention, self._hearsay = retention, hearsay
        self.lock = concurrency.RLock()
        self._opened = concurrency.Condition(self.lock)
        self._known: dict[str, Source] = {}
        self._readings: dict[str, _Reading] = {}
        self._stop = concurrency.Event()
        self._tasks: list[concurrency.Task] = []

    def start(self) -> None:
        """Ask everywhere and read from now on. A database that does not answer soon is read as soon as it does."""
        with self.lock:
            if self._tasks:
                return
            self._stop = concurrency.Event()
            self._follow(self._stop)
            self._tasks.append(concurrency.spawn(self._keep, self._stop, name="feed"))
            self._opened.wait_for(lambda: len(self._readings) == len(self._known), _OPEN_WITHIN)

    def stop(self) -> None:
        """Nobody listens any more. What was asked for lapses by itself, so that a client may come back."""
        with self.lock:
            tasks, self._tasks = self._tasks, []
            self._stop.set()
            self._readings, self._known = {}, {}
        for task in tasks:
            task.join(2)

    def standing(self) -> dict[str, Standing]:
        with self.lock:
            return {name: Standing(r.position, r.cursor.head, frozenset(r.cursor.gaps))
                    for name, r in self._readings.items()}

    def positions(self) -> dict[str, Position]:
        with self.lock:
            return {name: reading.position for name, reading in self._readings.items()}

    @property
    def warm_in(self) -> float:
        """Seconds until every event is sure to be recorded; at most 0: it is."""
        with self.lock:
            now = concurrency.monotonic()
            return max((r.warm_at - now for r in self._readings.values()), default=0.0)

    def replay(self, name: str, after: int, standing: Standing) -> list[dict[str, Any]] | None:
        """Rows behind a position that were delivered before ``standing``; None: some are no longer there."""
        source = self._known.get(name)
        if source is None:
            return None
        rows: list[dict[str, Any]] = []
        with source.database.read() as conn:
            if after < standing.head and after < source.tables.oldest(conn) - 1:
                return None
            while after < standing.head:
                batch = source.tables.events_after(conn, after, _BATCH)
                rows += [row for row in batch if row["id"] <= standing.head and row["id"] not in standing.gaps]
                if len(batch) < _BATCH:
                    break
                after = batch[-1]["id"]
        return rows

    # -- the tasks -----------------------------------------------------------------------------------------------------

    def _follow(self, stop: Any) -> None:
        """A task for every source that has none."""
        for source in self._sources():
            with self.lock:
                if source.name not in self._known and not stop.is_set():
                    self._known[source.name] = source
                    self._tasks.append(concurrency.spawn(self._run, source, stop, name=f"feed-{source.name}"))

    def _run(self, source: Source, stop: Any) -> None:
        """Read one source until told to stop; nothing that happens to it concerns the others."""
        reading: _Reading | None = None
        wait, renewed = 0.0, concurrency.monotonic()
        while not stop.wait(wait):
            try:
                if reading is None:
                    reading = self._open(source, stop)
                elif concurrency.monotonic() - renewed >= self._retention / 4:
                    renewed = concurrency.monotonic()
                    self._renew(source, reading)
                wait = _LOOK if self._look(reading, stop) < _BATCH else 0.0
            except errors.Unavailable as e:
                LOG.warning("events of the %s database wait: %s", source.database.name, e.message)
                wait = _AGAIN
            except Exception:
                LOG.exception("events of the %s database are read again soon", source.database.name)
                wait = _AGAIN

    def _open(self, source: Source, stop: Any) -> _Reading:
        since, age = source.database.run(lambda conn: source.tables.listen(conn, self._retention))
        with source.database.read() as conn:
            head = source.tables.newest(conn)
        warm = concurrency.monotonic() + max(0.0, self._hearsay - age)
        reading = _Reading(source, since, Cursor(head), warm, concurrency.Lock())
        with self.lock:
            if not stop.is_set():
                self._readings[source.name] = reading
                self._opened.notify_all()
        return reading

    def _look(self, reading: _Reading, stop: Any) -> int:
        """Deliver what is new in one source; how many rows that were."""
        source, cursor = reading.source, reading.cursor
        with reading.turn:
            with source.database.read() as conn:
                rows = source.tables.events_after(conn, cursor.head, _BATCH, cursor.gaps)
            if not rows and not cursor.gaps:
                return 0
            if rows and source.name != self._first:
                self._catch_up(stop)
            with self.lock:
                if stop.is_set():
                    return 0
                if rows:
                    self._deliver(source.name, rows)
                cursor.saw((row["id"] for row in rows), concurrency.monotonic())
            return len(rows)

    def _catch_up(self, stop: Any) -> None:
        """What the first source had when the rows at hand were read comes before them."""
        with self.lock:
            first = self._readings.get(self._first)
        if first is not None:
            try:
                while self._look(first, stop) == _BATCH:
                    pass
            except errors.Unavailable as e:
                LOG.info("the %s database is not read before the others now: %s", self._first, e.message)

    def _renew(self, source: Source, reading: _Reading) -> None:
        """Go on asking, and drop what is old."""
        since, _ = source.database.run(lambda conn: source.tables.listen(conn, self._retention))
        with self.lock:
            reading.since = since
        source.database.run(lambda conn: source.tables.forget_events(conn, self._retention))

    def _keep(self, stop: Any) -> None:
        """Notice new cells."""
        while not stop.wait(_NEW_CELLS):
            try:
                self._follow(stop)
            except errors.Unavailable as e:
                LOG.warning("new cells are not seen by the feed of events: %s", e.message)
            except Exception:
                LOG.exception("the feed of events goes on")
