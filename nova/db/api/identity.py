# SPDX-License-Identifier: Apache-2.0
"""The query shapes that all identity tables share: one row by id, rows by equality, insert, update, delete.

The tables live in ``identity_projects``, ``identity_users``, ``identity_roles``, ``identity_credentials`` and
``identity_catalog``. Every table here has a primary key ``id`` unless its module has queries of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

#: Ids are ours (32 hex digits) or given by whoever creates the record.
Id = sa.String(64)


def get(conn: sa.Connection, table: sa.Table, record_id: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """One row; ``lock`` holds it until the transaction ends, for what is read, changed and written back."""
    query = sa.select(table).where(table.c.id == record_id)
    return conn.execute(query.with_for_update() if lock else query).first()


def find(conn: sa.Connection, table: sa.Table, equals: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
    """Rows in which each named column equals the value, or one of the values when that is a list; by name or id."""
    query = sa.select(table)
    for column, value in equals.items():
        query = query.where(table.c[column].in_(value) if isinstance(value, list) else table.c[column] == value)
    return conn.execute(query.order_by(table.c.name if "name" in table.c else table.c.id, table.c.id)).all()


def insert(conn: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(table).values(dict(values)))


def update(conn: sa.Connection, table: sa.Table, record_id: str, values: Mapping[str, Any]) -> bool:
    return conn.execute(sa.update(table).where(table.c.id == record_id).values(dict(values))).rowcount > 0


def delete(conn: sa.Connection, table: sa.Table, record_id: str) -> bool:
    return conn.execute(sa.delete(table).where(table.c.id == record_id)).rowcount > 0
