# SPDX-License-Identifier: Apache-2.0
"""Keys that clients gave to their requests, and what those were answered with.

A row is ``running`` while a request is served, ``accepted`` from the first transaction of that request on (it is
written in that transaction), and ``done`` with its answer. ``owner`` is the request at work; its hold ends at
``lease_until``.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index

from nova.db.api import metadata
from nova.db.schema import Text, Time, Uuid, db_now, insert_or_leave, table

idempotency_keys = table(
    "idempotency_keys", metadata,
    Column("key", sa.String(64), primary_key=True),
    Column("fingerprint", sa.String(64), nullable=False),
    Column("owner", Uuid, nullable=False),
    Column("state", sa.String(16), nullable=False),
    Column("lease_until", Time, nullable=False),
    Column("answer", Text),
    Column("created_at", Time, nullable=False),
    Index("ix_idempotency_keys_created", "created_at"),
)
T = idempotency_keys.c
RUNNING, ACCEPTED, DONE = "running", "accepted", "done"


def reserve(conn: sa.Connection, key: str, fingerprint: str, owner: str, *, lease: float,
            life: float) -> dict[str, Any]:
    """The row of a key, made for ``owner`` when there is none that is younger than ``life``. ``held`` is for how many
    more seconds its owner is believed to be at work."""
    conn.execute(idempotency_keys.delete().where(T.key == key, T.created_at < db_now() - life))
    insert_or_leave(conn, idempotency_keys, [
        {"key": key, "fingerprint": fingerprint, "owner": owner, "state": RUNNING, "answer": None}],
        lease_until=db_now() + lease, created_at=db_now())
    row = conn.execute(sa.select(idempotency_keys, (T.lease_until - db_now()).label("held")).where(T.key == key))
    return dict(row.mappings().one())


def take_over(conn: sa.Connection, key: str, owner: str, before: str, *, lease: float) -> bool:
    """Make ``owner`` the owner of what ``before`` left behind. False: it has moved on."""
    return conn.execute(idempotency_keys.update().where(T.key == key, T.owner == before, T.state == RUNNING,
                                                        T.lease_until < db_now())
                        .values(owner=owner, lease_until=db_now() + lease)).rowcount == 1


def change(conn: sa.Connection, key: str, owner: str, **values: Any) -> bool:
    """Change the owner's row. False: it is another's now."""
    return conn.execute(idempotency_keys.update().where(T.key == key, T.owner == owner).values(values)).rowcount == 1


def drop(conn: sa.Connection, key: str, owner: str) -> None:
    """Forget a request that changed nothing."""
    conn.execute(idempotency_keys.delete().where(T.key == key, T.owner == owner, T.state == RUNNING))


def purge(conn: sa.Connection, life: float, limit: int = 1000) -> int:
    """Forget rows older than ``life`` seconds; one batch."""
    old = [r[0] for r in conn.execute(sa.select(T.key).where(T.created_at < db_now() - life).limit(limit))]
    if old:
        conn.execute(idempotency_keys.delete().where(T.key.in_(old)))
    return len(old)
