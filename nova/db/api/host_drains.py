# SPDX-License-Identifier: Apache-2.0
"""Drains: hosts that are being emptied, and what becomes of each server. An evacuation of a host is one of its kinds.

A drain is a row that a conductor takes like an operation: by epoch, under the lease of its incarnation. ``open_host``
is the host while the drain is open and NULL afterwards, so that a host has one at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, UniqueConstraint

from nova.db.api import metadata
from nova.db.api.tables import services
from nova.db.schema import BigId, Json, Name, Text, Time, Uuid, db_now, insert_or_leave, table

drains = table(
    "host_drains", metadata,
    Column("uuid", Uuid, primary_key=True),
    Column("host", Name, nullable=False),
    Column("open_host", Name, unique=True),
    Column("cell_uuid", Uuid, nullable=False),
    Column("kind", sa.String(16), nullable=False),
    Column("mode", sa.String(16), nullable=False),
    Column("parallel", sa.Integer, nullable=False),
    Column("confirm_resizes", sa.Boolean, nullable=False, default=False),
    Column("reason", Text),
    Column("actor", Json, nullable=False),
    Column("state", sa.String(16), nullable=False),
    Column("owner", Uuid),
    Column("epoch", sa.BigInteger, nullable=False, default=0),
    Column("message", Text),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("finished_at", Time),
    Index("ix_host_drains_state", "state"),
)

#: ``seq`` is the number of the server's last operation when it was asked to move: what is newer came of it.
drain_servers = table(
    "host_drain_servers", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("drain_uuid", Uuid, nullable=False),
    Column("instance_uuid", Uuid, nullable=False),
    Column("state", sa.String(16), nullable=False),
    Column("way", sa.String(16)),
    Column("seq", sa.BigInteger),
    Column("tried", Json, nullable=False),
    Column("message", Text),
    Column("asked_at", Time),
    Column("updated_at", Time, nullable=False),
    UniqueConstraint("drain_uuid", "instance_uuid"),
)

D, S = drains.c, drain_servers.c
#: States of a server in a drain that are its last.
ENDED = ("moved", "gone", "failed")


def insert(conn: sa.Connection, values: dict[str, Any]) -> bool:
    """A new open drain; False when the host has one."""
    if conn.execute(sa.select(D.uuid).where(D.open_host == values["host"])).first() is not None:
        return False
    conn.execute(drains.insert().values(open_host=values["host"], state="open", epoch=0, created_at=db_now(),
                                        updated_at=db_now(), **values))
    return True


def find(conn: sa.Connection, **columns: Any) -> list[dict[str, Any]]:
    """Drains with these values, newest first."""
    query = sa.select(drains).where(*(drains.c[name] == value for name, value in columns.items()))
    return [dict(r) for r in conn.execute(query.order_by(D.created_at.desc(), D.uuid)).mappings()]


def servers_of(conn: sa.Connection, drain_uuid: str) -> list[dict[str, Any]]:
    query = sa.select(drain_servers).where(S.drain_uuid == drain_uuid).order_by(S.id)
    return [dict(r) for r in conn.execute(query).mappings()]


def counts(conn: sa.Connection, drain_uuids: Sequence[str]) -> dict[str, dict[str, int]]:
    """drain → state → how many servers."""
    found: dict[str, dict[str, int]] = {uuid: {} for uuid in drain_uuids}
    rows = conn.execute(sa.select(S.drain_uuid, S.state, sa.func.count()).where(
        S.drain_uuid.in_(list(drain_uuids))).group_by(S.drain_uuid, S.state)) if drain_uuids else ()
    for drain, state, count in rows:
        found[drain][state] = count
    return found


def takeable(conn: sa.Connection, owner: str, lease: float) -> list[dict[str, Any]]:
    """Open drains that are ``owner``'s, or that nobody living owns."""
    s = services.services.c
    lives = sa.exists().where(s.incarnation == D.owner, s.last_seen > db_now() - lease)
    query = sa.select(drains).where(D.state == "open", sa.or_(D.owner.is_(None), D.owner == owner, ~lives))
    return [dict(r) for r in conn.execute(query).mappings()]


def take(conn: sa.Connection, drain: dict[str, Any], owner: str) -> bool:
    """Own it under a new epoch. False: another was faster."""
    return conn.execute(drains.update().where(D.uuid == drain["uuid"], D.epoch == drain["epoch"], D.state == "open")
                        .values(owner=owner, epoch=drain["epoch"] + 1, updated_at=db_now())).rowcount == 1


def hold(conn: sa.Connection, drain: dict[str, Any], **values: Any) -> bool:
    """Change an open drain that this epoch owns, and hold its row for the rest of the transaction."""
    return conn.execute(drains.update().where(D.uuid == drain["uuid"], D.epoch == drain["epoch"], D.state == "open")
                        .values(updated_at=db_now(), **values)).rowcount == 1


def end(conn: sa.Connection, uuid: str, state: str, message: str | None) -> bool:
    """Close an open drain, whoever owns it."""
    return conn.execute(drains.update().where(D.uuid == uuid, D.state == "open").values(
        state=state, message=message, open_host=None, owner=None, epoch=D.epoch + 1, finished_at=db_now(),
        updated_at=db_now())).rowcount == 1


def add_servers(conn: sa.Connection, drain_uuid: str, instance_uuids: Sequence[str]) -> None:
    """Servers that are to leave; those that are known stay as they are."""
    if instance_uuids:
        insert_or_leave(conn, drain_servers, [
            {"drain_uuid": drain_uuid, "instance_uuid": uuid, "state": "waiting", "tried": []}
            for uuid in instance_uuids], updated_at=db_now())


def change_server(conn: sa.Connection, drain_uuid: str, instance_uuid: str, **values: Any) -> None:
    conn.execute(drain_servers.update().where(S.drain_uuid == drain_uuid, S.instance_uuid == instance_uuid).values(
        updated_at=db_now(), **values))


def purge(conn: sa.Connection, age: float) -> int:
    """Forget drains that ended longer ago than ``age`` seconds."""
    old = [r[0] for r in conn.execute(sa.select(D.uuid).where(D.finished_at < db_now() - age).limit(100))]
    if old:
        conn.execute(drain_servers.delete().where(S.drain_uuid.in_(old)))
        conn.execute(drains.delete().where(D.uuid.in_(old)))
    return len(old)
