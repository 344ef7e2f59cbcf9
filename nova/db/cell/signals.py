# SPDX-License-Identifier: Apache-2.0
"""What is said to operations while they run: abort, force_complete. A signal is a row; messages only say that there is
one. The same signal twice is one signal."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, UniqueConstraint

from nova.db.cell import metadata
from nova.db.cell.tables import operations
from nova.db.schema import BigId, Time, Uuid, db_now, table

signals = table(
    "operation_signals", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("operation_uuid", Uuid, nullable=False),
    Column("kind", sa.String(32), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("seen_at", Time),
    UniqueConstraint("operation_uuid", "kind"),
)


def send(conn: sa.Connection, operation_uuid: str, kind: str) -> bool:
    """Leave a signal; False when it is there already. The caller holds the server's row."""
    t = signals
    if kind in of(conn, operation_uuid):
        return False
    conn.execute(t.insert().values(operation_uuid=operation_uuid, kind=kind, created_at=db_now()))
    return True


def of(conn: sa.Connection, operation_uuid: str) -> list[str]:
    """The kinds of all signals of an operation, oldest first."""
    t = signals
    return list(conn.scalars(sa.select(t.c.kind).where(t.c.operation_uuid == operation_uuid).order_by(t.c.id)))


def hear(conn: sa.Connection, operation_uuid: str) -> None:
    """Note that whoever runs the operation has read its signals."""
    t = signals
    conn.execute(t.update().where(t.c.operation_uuid == operation_uuid, t.c.seen_at.is_(None)).values(seen_at=db_now()))


def purge(conn: sa.Connection) -> None:
    """Forget the signals of operations that are forgotten."""
    t, o = signals, operations.operations
    conn.execute(t.delete().where(~sa.exists().where(o.c.uuid == t.c.operation_uuid)))
