# SPDX-License-Identifier: Apache-2.0
"""Services and their heartbeats, the same table in the API database and in every cell.

``incarnation`` is a uuid of one start of one service; its ``last_seen`` is the lease of every operation it owns.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, UniqueConstraint

from nova.db.schema import BigId, Name, Text, Time, Uuid, db_now, table


@dataclasses.dataclass(frozen=True)
class ServiceTables:
    services: sa.Table

    @classmethod
    def on(cls, metadata: sa.MetaData) -> ServiceTables:
        return cls(table(
            "services", metadata,
            Column("id", BigId, primary_key=True, autoincrement=True),
            Column("uuid", Uuid, nullable=False, unique=True),
            Column("host", Name, nullable=False),
            Column("binary", Name, nullable=False),
            Column("topic", Name),
            Column("version", sa.Integer, nullable=False, default=0),
            Column("incarnation", Uuid),
            Column("last_seen", Time),
            Column("report_count", sa.BigInteger, nullable=False, default=0),
            Column("disabled", sa.Boolean, nullable=False, default=False),
            Column("disabled_reason", Text),
            Column("forced_down", sa.Boolean, nullable=False, default=False),
            Column("availability_zone", Name),
            Column("created_at", Time, nullable=False),
            Column("updated_at", Time),
            UniqueConstraint("host", "binary"),
            Index("ix_services_incarnation", "incarnation"),
        ))

    def register(self, conn: sa.Connection, *, uuid: str, host: str, binary: str, topic: str, version: int,
                 incarnation: str, availability_zone: str | None = None) -> dict[str, Any]:
        """A start of ``binary`` on ``host``: the former incarnation's leases end at once. Returns the row."""
        t = self.services
        values = {"topic": topic, "version": version, "incarnation": incarnation, "last_seen": db_now(),
                  "updated_at": db_now()}
        done = conn.execute(t.update().where(t.c.host == host, t.c.binary == binary).values(values))
        if not done.rowcount:
            conn.execute(t.insert().values(uuid=uuid, host=host, binary=binary, created_at=db_now(), report_count=0,
                                           disabled=False, forced_down=False, availability_zone=availability_zone,
                                           **values))
        row = conn.execute(sa.select(t).where(t.c.host == host, t.c.binary == binary)).mappings().one()
        return dict(row)

    def heartbeat(self, conn: sa.Connection, incarnations: Sequence[str]) -> int:
        """Renew the leases of all these incarnations in one statement; returns how many are known."""
        return conn.execute(self._heartbeat, {"b_incarnations": list(incarnations)}).rowcount

    @functools.cached_property
    def _heartbeat(self) -> sa.Update:
        t = self.services
        return t.update().where(t.c.incarnation.in_(sa.bindparam("b_incarnations", expanding=True))).values(
            last_seen=db_now(), report_count=t.c.report_count + 1)

    def heartbeat_of(self, conn: sa.Connection, beats: Sequence[tuple[str, str]]) -> int:
        """The same of (host, incarnation) pairs: what one host says of another's incarnation renews nothing."""
        return conn.execute(self._heartbeat_of, {"b_beats": list(beats)}).rowcount

    @functools.cached_property
    def _heartbeat_of(self) -> sa.Update:
        t = self.services
        return t.update().where(sa.tuple_(t.c.host, t.c.incarnation).in_(
            sa.bindparam("b_beats", expanding=True))).values(last_seen=db_now(), report_count=t.c.report_count + 1)

    def retire(self, conn: sa.Connection, incarnation: str) -> None:
        """A clean stop: the lease ends now."""
        t = self.services
        conn.execute(t.update().where(t.c.incarnation == incarnation).values(last_seen=0.0, updated_at=db_now()))

    def list(self, conn: sa.Connection, *, host: str | None = None, binary: str | None = None) -> list[dict[str, Any]]:
        """Rows with ``age``: seconds since the last heartbeat by the database's clock."""
        t, query = self.services, self._list
        if host is not None:
            query = query.where(t.c.host == host)
        if binary is not None:
            query = query.where(t.c.binary == binary)
        return [dict(r) for r in conn.execute(query).mappings()]

    @functools.cached_property
    def _list(self) -> sa.Select[Any]:
        t = self.services
        return sa.select(t, (db_now() - sa.func.coalesce(t.c.last_seen, 0.0)).label("age")).order_by(t.c.id)

    def living(self, conn: sa.Connection, host: str, binary: str, lease: float) -> str | None:
        """The incarnation of a service that has been heard within its lease and is not said to be down."""
        known = {"b_host": host, "b_binary": binary, "b_lease": lease}
        return conn.execute(self._living, known).scalars().one_or_none()

    @functools.cached_property
    def _living(self) -> sa.Select[Any]:
        t = self.services
        return sa.select(t.c.incarnation).where(
            t.c.host == sa.bindparam("b_host"), t.c.binary == sa.bindparam("b_binary"), t.c.forced_down.is_(False),
            t.c.last_seen > db_now() - sa.bindparam("b_lease", type_=sa.Double))

    def is_heard(self, conn: sa.Connection, host: str, binary: str, lease: float) -> bool:
        """Does it speak, whatever is said of it?"""
        return any(row["last_seen"] and row["age"] <= lease for row in self.list(conn, host=host, binary=binary))

    def is_down(self, conn: sa.Connection, host: str, binary: str, down_after: float) -> bool:
        """Is it said to be down, or has it been silent for so many seconds? One that signed off has, from the moment of
        that on. One that was never there is down."""
        rows = self.list(conn, host=host, binary=binary)
        silent = (row["age"] if row["last_seen"] else row["age"] - (row["updated_at"] or 0.0) for row in rows)
        return not rows or bool(rows[0]["forced_down"]) or next(silent) > down_after

    def update(self, conn: sa.Connection, uuid: str, **values: Any) -> bool:
        t = self.services
        return conn.execute(t.update().where(t.c.uuid == uuid).values(updated_at=db_now(), **values)).rowcount == 1

    def delete(self, conn: sa.Connection, uuid: str) -> bool:
        t = self.services
        return conn.execute(t.delete().where(t.c.uuid == uuid)).rowcount == 1
