# SPDX-License-Identifier: Apache-2.0
"""Fences: hosts that are held to have failed, and whether it is known that they are off."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column

from nova.db.api import metadata
from nova.db.schema import Name, Text, Time, Uuid, db_now, insert_or_leave, table

#: ``incarnation`` is the start of nova-compute that fell silent: a later one needs a fence of its own.
fences = table(
    "host_fences", metadata,
    Column("host", Name, primary_key=True),
    Column("cell_uuid", Uuid, nullable=False),
    Column("incarnation", Uuid),
    Column("state", sa.String(16), nullable=False),
    Column("message", Text),
    Column("attempts", sa.Integer, nullable=False, default=0),
    Column("tried_at", Time),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

F = fences.c
WANTED, CONFIRMED, EVACUATING, OVER = "wanted", "confirmed", "evacuating", "over"


def find(conn: sa.Connection) -> dict[str, dict[str, Any]]:
    """host → fence."""
    return {r["host"]: dict(r) for r in conn.execute(sa.select(fences).order_by(F.host)).mappings()}


def want(conn: sa.Connection, host: str, cell_uuid: str, incarnation: str | None) -> None:
    """The host shall be off; a fence of an earlier start of it does not count any more."""
    insert_or_leave(conn, fences, [{"host": host, "cell_uuid": cell_uuid, "incarnation": incarnation, "state": WANTED,
                                    "attempts": 0}], created_at=db_now(), updated_at=db_now())
    conn.execute(fences.update().where(F.host == host, F.incarnation != incarnation).values(
        incarnation=incarnation, state=WANTED, attempts=0, tried_at=None, message=None, updated_at=db_now()))


def attempt(conn: sa.Connection, fence: dict[str, Any], retry: float) -> bool:
    """Is it time to try, and is it us who do?"""
    due = sa.or_(F.tried_at.is_(None), F.tried_at < db_now() - retry)
    return conn.execute(fences.update().where(
        F.host == fence["host"], F.state == WANTED, F.attempts == fence["attempts"], due).values(
        attempts=F.attempts + 1, tried_at=db_now())).rowcount == 1


def again(conn: sa.Connection, fence: dict[str, Any], pause: float) -> bool:
    """Is it time to evacuate once more what could not leave, and is it us who do?"""
    due = sa.or_(F.tried_at.is_(None), F.tried_at < db_now() - pause)
    return conn.execute(fences.update().where(
        F.host == fence["host"], F.state == OVER, F.attempts == fence["attempts"], due).values(
        state=CONFIRMED, attempts=F.attempts + 1, tried_at=db_now(), updated_at=db_now())).rowcount == 1


def settle(conn: sa.Connection, host: str, *, expected: str, state: str, message: str | None) -> bool:
    return conn.execute(fences.update().where(F.host == host, F.state == expected).values(
        state=state, message=message, updated_at=db_now())).rowcount == 1


def tell(conn: sa.Connection, host: str, message: str) -> None:
    """Why it is still wanted."""
    conn.execute(fences.update().where(F.host == host, F.state == WANTED).values(message=message, updated_at=db_now()))


def confirm(conn: sa.Connection, host: str, cell_uuid: str, incarnation: str | None, message: str) -> None:
    """Somebody who knows says that the host is off."""
    want(conn, host, cell_uuid, incarnation)
    conn.execute(fences.update().where(F.host == host, F.state.in_((WANTED, OVER))).values(
        state=CONFIRMED, message=message, updated_at=db_now()))


def forget(conn: sa.Connection, host: str) -> bool:
    return conn.execute(fences.delete().where(F.host == host)).rowcount == 1
