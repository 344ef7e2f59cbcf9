# SPDX-License-Identifier: Apache-2.0
"""Public keys of users. A key belongs to a user, not to a project; private keys are never stored."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, UniqueConstraint

from nova.db.api import metadata
from nova.db.schema import BigId, Name, Text, Time, db_now, table

key_pairs = table(
    "key_pairs", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("user_id", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("type", sa.String(8), nullable=False, default="ssh"),
    Column("fingerprint", Name, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time),
    UniqueConstraint("user_id", "name"),
)

K = key_pairs.c


def get(conn: sa.Connection, user_id: str, name: str) -> dict[str, Any] | None:
    row = conn.execute(sa.select(key_pairs).where(K.user_id == user_id, K.name == name)).mappings().one_or_none()
    return dict(row) if row else None


def page(conn: sa.Connection, user_id: str, *, limit: int | None = None,
         marker: str | None = None) -> list[dict[str, Any]] | None:
    """Keys of a user by name, after ``marker``. None: there is no such marker."""
    query = sa.select(key_pairs).where(K.user_id == user_id).order_by(K.name)
    if marker is not None:
        if get(conn, user_id, marker) is None:
            return None
        query = query.where(K.name > marker)
    return [dict(row) for row in conn.execute(query.limit(limit)).mappings()]


def count(conn: sa.Connection, user_id: str) -> int:
    return int(conn.execute(sa.select(sa.func.count()).where(K.user_id == user_id)).scalar_one())


def create(conn: sa.Connection, user_id: str, name: str, type: str, fingerprint: str, public_key: str) -> None:
    """A new key; a name that the user has already raises :class:`sqlalchemy.exc.IntegrityError`."""
    conn.execute(key_pairs.insert().values(user_id=user_id, name=name, type=type, fingerprint=fingerprint,
                                           public_key=public_key, created_at=db_now()))


def delete(conn: sa.Connection, user_id: str, name: str) -> bool:
    return conn.execute(key_pairs.delete().where(K.user_id == user_id, K.name == name)).rowcount == 1
