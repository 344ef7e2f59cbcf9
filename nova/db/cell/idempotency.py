# SPDX-License-Identifier: Apache-2.0
"""Marks of requests with a client's key: one per request that changed something in this cell, written in the same
transaction. The keys themselves are in the API database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index

from nova.db.cell import metadata
from nova.db.schema import Text, Time, Uuid, db_now, table

idempotency_marks = table(
    "idempotency_marks", metadata,
    Column("key", sa.String(64), primary_key=True),
    Column("owner", Uuid, nullable=False),
    Column("answer", Text),
    Column("created_at", Time, nullable=False),
    Index("ix_idempotency_marks_created", "created_at"),
)
T = idempotency_marks.c


def mark(conn: sa.Connection, key: str, owner: str, answer: str | None) -> None:
    """Raises IntegrityError when a request with the key has left its mark already."""
    conn.execute(idempotency_marks.insert().values(key=key, owner=owner, answer=answer, created_at=db_now()))


def promise(conn: sa.Connection, key: str, owner: str, answer: str) -> None:
    conn.execute(idempotency_marks.update().where(T.key == key, T.owner == owner).values(answer=answer))


def find(conn: sa.Connection, key: str, life: float) -> tuple[str, str | None] | None:
    """Owner and promised answer of the mark, if one younger than ``life`` seconds is there."""
    row = conn.execute(sa.select(T.owner, T.answer).where(T.key == key, T.created_at >= db_now() - life)).one_or_none()
    return (row.owner, row.answer) if row else None


def forget(conn: sa.Connection, key: str, life: float) -> None:
    """Make room for a new use of a key whose time is over."""
    conn.execute(idempotency_marks.delete().where(T.key == key, T.created_at < db_now() - life))


def purge(conn: sa.Connection, life: float, limit: int = 1000) -> int:
    """Forget marks older than ``life`` seconds; one batch."""
    old = [r[0] for r in conn.execute(sa.select(T.key).where(T.created_at < db_now() - life).limit(limit))]
    if old:
        conn.execute(idempotency_marks.delete().where(T.key.in_(old)))
    return len(old)
