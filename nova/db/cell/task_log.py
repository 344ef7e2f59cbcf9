# SPDX-License-Identifier: Apache-2.0
"""The log of work that is done once per host and period: usage audits. The key makes that once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, UniqueConstraint

from nova.db.cell import metadata
from nova.db.schema import BigId, Time, table

task_log = table(
    "task_log", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("task_name", sa.String(64), nullable=False),
    Column("host", sa.String(255), nullable=False),
    Column("period_beginning", Time, nullable=False),
    Column("period_ending", Time, nullable=False),
    Column("message", sa.String(255), nullable=False),
    Column("task_items", sa.Integer, nullable=False),
    Column("errors", sa.Integer, nullable=False),
    UniqueConstraint("task_name", "host", "period_beginning", "period_ending"),
)


def add(conn: sa.Connection, **values: Any) -> None:
    """Raises IntegrityError when another was faster."""
    conn.execute(task_log.insert().values(values))


def of_period(conn: sa.Connection, task_name: str, beginning: float, ending: float) -> dict[str, dict[str, Any]]:
    """Host → row."""
    t = task_log.c
    rows = conn.execute(sa.select(task_log).where(t.task_name == task_name, t.period_beginning == beginning,
                                                  t.period_ending == ending)).mappings()
    return {row["host"]: dict(row) for row in rows}


def purge(conn: sa.Connection, before: float) -> None:
    """Forget periods that ended before that time."""
    conn.execute(task_log.delete().where(task_log.c.period_ending < before))
