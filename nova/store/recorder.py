# SPDX-License-Identifier: Apache-2.0
"""Who listens to a database's events, and how they are written. What is worth telling stands in nova.store.events.

A recorder belongs to one :class:`Database` and travels with its connections, so a module that has a connection can
record without having been given anything. Without a recorder, or while nobody listens, nothing is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from nova import concurrency
from nova.db.engine import Database
from nova.db.outbox import OutboxTables
from nova.objects.base import NovaObject

KEY = "nova_recorder"
VERSIONED, UNVERSIONED = "versioned", "unversioned"
#: Seconds for which a process believes what it knows about who listens to streams.
HEARSAY = 2.0

ReadServer = Callable[[sa.Connection, str], dict[str, Any] | None]


@dataclasses.dataclass(frozen=True)
class Settings:
    """``formats``: none means that nobody wants notifications. ``on_change``: see the option notify_on_state_change."""

    host: str = "localhost"
    formats: frozenset[str] = frozenset()
    on_change: str | None = None
    devices: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """A notification, ready to be stored. ``legacy`` is its name and payload in the unversioned format, if it has
    one there; ``payload`` None: it has no versioned form."""

    event_type: str
    publisher_id: str
    payload: NovaObject | None
    priority: str = "INFO"
    legacy: tuple[str, Mapping[str, Any]] | None = None


class Recorder:
    """``read_server`` finds a server's row in this database."""

    def __init__(self, tables: OutboxTables, read_server: ReadServer, settings: Settings) -> None:
        self.tables, self.server, self.settings = tables, read_server, settings
        self.nudge: Callable[[], None] | None = None
        self._streamed = False
        self._asked_at: float | None = None

    def attach(self, database: Database) -> None:
        database.engine.update_execution_options(**{KEY: self})

    def wanted(self, conn: sa.Connection) -> bool:
        """Does anybody listen? Asks the database at most every two seconds, and only where something happens."""
        return bool(self.settings.formats) or self.streamed(conn)

    def streamed(self, conn: sa.Connection) -> bool:
        now = concurrency.monotonic()
        if self._asked_at is None or now - self._asked_at >= HEARSAY:
            self._streamed = self.tables.listened(conn) is not None
            self._asked_at = now
        return self._streamed

    def put(self, conn: sa.Connection, actor: Mapping[str, Any], notes: list[Note]) -> None:
        """Store notifications in the formats that are wanted; the relay is told when the transaction has ended."""
        rows = [row for note in notes for row in self._rows(actor, note)]
        if not rows:
            return
        self.tables.put(conn, rows)
        if self.nudge is not None:
            conn.info["nova.after_commit"] = self.nudge

    def _rows(self, actor: Mapping[str, Any], note: Note) -> list[dict[str, Any]]:
        context = {k: actor.get(k) for k in ("request_id", "user_id", "project_id", "roles", "is_admin")}
        shared = {"priority": note.priority, "publisher_id": note.publisher_id, "context": context,
                  "created_at": concurrency.time()}
        rows = []
        if note.payload is not None and VERSIONED in self.settings.formats:
            rows.append(shared | {"message_id": concurrency.uuid4(), "versioned": True,
                                  "event_type": note.event_type, "payload": note.payload.obj_to_primitive()})
        if note.legacy is not None and UNVERSIONED in self.settings.formats:
            rows.append(shared | {"message_id": concurrency.uuid4(), "versioned": False,
                                  "event_type": note.legacy[0], "payload": dict(note.legacy[1])})
        return rows

    def publisher(self, service: str, host: str | None = None) -> str:
        return f"{service}:{host or self.settings.host}"


def recorder_of(conn: sa.Connection) -> Recorder | None:
    """The recorder of this connection's database, if somebody listens."""
    recorder: Recorder | None = conn.get_execution_options().get(KEY)
    return recorder if recorder is not None and recorder.wanted(conn) else None
