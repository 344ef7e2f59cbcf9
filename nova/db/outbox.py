# SPDX-License-Identifier: Apache-2.0
"""The outbox and the events of servers, the same tables in the API database and in every cell.

``outbox`` holds finished notifications until the broker has confirmed them. ``server_events`` is what streams read; a
row is kept for a while after everybody has seen it. Both are written in the transaction that changes the state.
``event_listeners`` says who listens (``streams``) and which relay works (``relay``), and until when.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index

from nova.db.schema import BigId, Json, Name, Time, Uuid, db_now, table

STREAMS, RELAY = "streams", "relay"


@dataclasses.dataclass(frozen=True)
class OutboxTables:
    outbox: sa.Table
    server_events: sa.Table
    listeners: sa.Table

    @classmethod
    def on(cls, metadata: sa.MetaData) -> OutboxTables:
        outbox = table(
            "outbox", metadata,
            Column("id", BigId, primary_key=True, autoincrement=True),
            Column("message_id", Uuid, nullable=False),
            Column("versioned", sa.Boolean, nullable=False),
            Column("event_type", sa.String(128), nullable=False),
            Column("priority", sa.String(8), nullable=False),
            Column("publisher_id", Name, nullable=False),
            Column("context", Json, nullable=False),
            Column("payload", Json, nullable=False),
            Column("created_at", Time, nullable=False),
        )
        server_events = table(
            "server_events", metadata,
            Column("id", BigId, primary_key=True, autoincrement=True),
            Column("project_id", Name, nullable=False),
            Column("instance_uuid", Uuid, nullable=False),
            Column("event", sa.String(32), nullable=False),
            Column("body", Json, nullable=False),
            Column("created_at", Time, nullable=False),
            Index("ix_server_events_created", "created_at"),
        )
        listeners = table(
            "event_listeners", metadata,
            Column("name", sa.String(32), primary_key=True),
            Column("owner", Uuid),
            Column("since", sa.BigInteger, nullable=False, default=0),
            Column("until", Time, nullable=False),
        )
        return cls(outbox, server_events, listeners)

    # -- outbox --------------------------------------------------------------------------------------------------------

    def put(self, conn: sa.Connection, notes: Sequence[dict[str, Any]]) -> None:
        conn.execute(self.outbox.insert(), list(notes))

    def pending(self, conn: sa.Connection, limit: int) -> list[dict[str, Any]]:
        """The oldest notifications. Two of one server stand in the order in which their transactions ended."""
        rows = conn.execute(sa.select(self.outbox).order_by(self.outbox.c.id).limit(limit)).mappings()
        return [dict(r) for r in rows]

    def published(self, conn: sa.Connection, ids: Sequence[int]) -> None:
        conn.execute(self.outbox.delete().where(self.outbox.c.id.in_(list(ids))))

    # -- who listens ---------------------------------------------------------------------------------------------------

    def hold(self, conn: sa.Connection, name: str, owner: str, seconds: float) -> bool:
        """Be the one that does ``name`` for the next seconds; False: another is."""
        t = self.listeners
        values = {"owner": owner, "until": db_now() + seconds}
        free = sa.or_(t.c.owner.is_(None), t.c.owner == owner, t.c.until < db_now())
        if conn.execute(t.update().where(t.c.name == name, free).values(values)).rowcount:
            return True
        if conn.execute(sa.select(t.c.name).where(t.c.name == name)).one_or_none() is not None:
            return False
        conn.execute(t.insert().values(name=name, since=0, **values))
        return True

    def let_go(self, conn: sa.Connection, name: str, owner: str) -> None:
        t = self.listeners
        conn.execute(t.update().where(t.c.name == name, t.c.owner == owner).values(owner=None))

    def listened(self, conn: sa.Connection, name: str = STREAMS) -> int | None:
        """Since when events are recorded without a break, in seconds; None: nobody listens."""
        t = self.listeners
        found: int | None = conn.execute(
            sa.select(t.c.since).where(t.c.name == name, t.c.until > db_now())).scalar_one_or_none()
        return found

    def listen(self, conn: sa.Connection, seconds: float, name: str = STREAMS) -> tuple[int, float]:
        """Ask for events for the next seconds; returns since when they are recorded without a break (milliseconds of
        the epoch), and how many seconds ago that was."""
        t = self.listeners
        until = db_now() + seconds
        if conn.execute(t.update().where(t.c.name == name, t.c.until > db_now()).values(until=until)).rowcount == 0:
            fresh = {"since": int(conn.execute(sa.select(db_now())).scalar_one() * 1000), "until": until}
            if conn.execute(t.update().where(t.c.name == name).values(fresh)).rowcount == 0:
                conn.execute(t.insert().values(name=name, **fresh))
        since, now = conn.execute(sa.select(t.c.since, db_now()).where(t.c.name == name)).one()
        return int(since), float(now) - since / 1000

    # -- events of servers ---------------------------------------------------------------------------------------------

    def add_events(self, conn: sa.Connection, events: Sequence[dict[str, Any]]) -> None:
        conn.execute(self.server_events.insert(), list(events))

    def newest(self, conn: sa.Connection) -> int:
        t = self.server_events
        return int(conn.execute(sa.select(sa.func.max(t.c.id))).scalar_one() or 0)

    def oldest(self, conn: sa.Connection) -> int:
        t = self.server_events
        return int(conn.execute(sa.select(sa.func.min(t.c.id))).scalar_one() or 0)

    def events_after(self, conn: sa.Connection, position: int, limit: int,
                     gaps: Iterable[int] = ()) -> list[dict[str, Any]]:
        """Events behind a position, and those that were missing before it: a number is drawn before its transaction
        ends, so a smaller one may be seen after a greater one."""
        t = self.server_events
        wanted = t.c.id > position
        missing = list(gaps)
        if missing:
            wanted = sa.or_(wanted, t.c.id.in_(missing))
        rows = conn.execute(sa.select(t).where(wanted).order_by(t.c.id).limit(limit)).mappings()
        return [dict(r) for r in rows]

    def forget_events(self, conn: sa.Connection, age: float) -> int:
        """Drop events older than ``age`` seconds. The newest stays: SQLite counts on from it."""
        t = self.server_events
        newest = self.newest(conn)
        return conn.execute(t.delete().where(t.c.created_at < db_now() - age, t.c.id < newest)).rowcount
