# SPDX-License-Identifier: Apache-2.0
"""The relay of one database's outbox: publishes, waits for the broker's word, deletes. How a message is published is
the publisher's matter, and nothing is stored here.

At least once: a relay that dies between the broker's word and the delete leaves the row to the next one, which sends it
again under the same message id. In order: one relay works at a time, the oldest row first, and it does not go past a
row that the broker refuses.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.engine import Database
from nova.db.outbox import RELAY, OutboxTables

LOG = logging.getLogger(__name__)
_BATCH = 100
#: Seconds between attempts while another relay works.
_BUSY = 0.5


class Publisher(Protocol):
    def publish(self, row: Mapping[str, Any]) -> None:
        """Returns when the message is safe; raises Unavailable when it is not."""


class Relay:
    """``interval``: seconds between scans without having been told; ``publisher`` is shared and closed elsewhere.

    ``turn``: seconds for which a relay keeps others away, renewed with every batch. ``patience``: the least and the
    greatest number of seconds between two attempts while the broker is away.
    """

    def __init__(self, database: Database, tables: OutboxTables, publisher: Publisher, *, interval: float = 10.0,
                 turn: float = 30.0, patience: tuple[float, float] = (1.0, 30.0)) -> None:
        self._db, self._tables, self._publisher, self._interval = database, tables, publisher, interval
        self._turn, self._patience = turn, patience
        self._owner = concurrency.uuid4()
        self._told = concurrency.Event()
        self._stopping = False
        self._task: concurrency.Task | None = None

    def start(self) -> None:
        self._task = concurrency.spawn(self._run, name=f"relay-{self._db.name}")

    def stop(self) -> None:
        """What was committed before is still sent, if the broker takes it at once."""
        self._stopping = True
        self._told.set()
        if self._task is not None:
            self._task.join(10)

    def nudge(self) -> None:
        """There is something in the outbox."""
        self._told.set()

    def _run(self) -> None:
        wait = 0.0
        failures = 0
        while True:
            self._told.wait(wait)
            self._told.clear()
            ending = self._stopping
            try:
                wait = self._interval if self.drain() else _BUSY
                failures = 0
            except errors.Unavailable as e:
                wait = min(self._patience[0] * 2**failures, self._patience[1])
                failures = min(failures + 1, 10)
                LOG.warning("notifications of the %s database wait %.0f s: %s", self._db.name, wait, e.message)
                self._pause(wait)
                wait = 0.0
            except Exception:
                LOG.exception("the relay of the %s database goes on in %.0f s", self._db.name, self._interval)
                wait = self._interval
            if ending:
                return

    def _pause(self, seconds: float) -> None:
        """Nudges do not hurry a broker that is away; a stop does."""
        end = concurrency.monotonic() + seconds
        while not self._stopping and concurrency.monotonic() < end:
            concurrency.sleep(min(0.2, seconds))

    def drain(self) -> bool:
        """Publish all there is. False: another relay is at it."""
        with self._db.read() as conn:
            if not self._tables.pending(conn, 1):
                return True
        if not self._db.run(lambda conn: self._tables.hold(conn, RELAY, self._owner, self._turn)):
            return False
        while True:
            with self._db.read() as conn:
                rows = self._tables.pending(conn, _BATCH)
            sent: list[int] = []
            try:
                for row in rows:
                    self._publisher.publish(row)
                    sent.append(row["id"])
            finally:
                last = len(sent) < _BATCH
                concurrency.checkpoint(f"relay:published:{self._db.name}")
                self._db.run(lambda conn, sent=sent, last=last: self._done(conn, sent, last))  # type: ignore[misc]
            if last:
                return True

    def _done(self, conn: sa.Connection, sent: list[int], last: bool) -> None:
        if sent:
            self._tables.published(conn, sent)
        if last:
            self._tables.let_go(conn, RELAY, self._owner)
        else:
            self._tables.hold(conn, RELAY, self._owner, self._turn)
