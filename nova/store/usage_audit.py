# SPDX-License-Identifier: Apache-2.0
"""Usage audits: which period is over, and the audit of one host in one transaction of its cell's database."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from nova import concurrency
from nova.conf.usage_audit import parse
from nova.db.cell import instances, task_log
from nova.store import events

TASK = "instance_usage_audit"


def last_period(period: str, before: float) -> tuple[float, float]:
    """Beginning and end of the last whole period that ended at that time or earlier; ``period`` is as the option is."""
    unit, begins = parse(period)
    moment = datetime.datetime.fromtimestamp(before, datetime.UTC)
    if unit == "hour":
        end = moment.replace(minute=begins, second=0, microsecond=0)
        step = datetime.timedelta(hours=1)
    elif unit == "day":
        end = moment.replace(hour=begins, minute=0, second=0, microsecond=0)
        step = datetime.timedelta(days=1)
    else:
        return _calendar(unit, begins, moment)
    if end > moment:
        end -= step
    return (end - step).timestamp(), end.timestamp()


def _calendar(unit: str, begins: int, moment: datetime.datetime) -> tuple[float, float]:
    day, months = (begins, 1) if unit == "month" else (1, 12)
    end = moment.replace(day=day, hour=0, minute=0, second=0, microsecond=0)
    if unit == "year":
        end = end.replace(month=begins)
    if end > moment:
        end = _earlier(end, months)
    return _earlier(end, months).timestamp(), end.timestamp()


def _earlier(moment: datetime.datetime, months: int) -> datetime.datetime:
    count = moment.year * 12 + moment.month - 1 - months
    return moment.replace(year=max(1, count // 12), month=count % 12 + 1)


def audit(conn: sa.Connection, host: str, beginning: float, ending: float) -> int:
    """Tell of every server that was on the host in the period, and note that it was done. IntegrityError: another did
    it meanwhile, and nothing is told twice. Gives how many servers there were."""
    began = concurrency.monotonic()
    rows = _active(conn, host, beginning, ending)
    events.exist(conn, rows, beginning, ending)
    what, took = f"{len(rows)} instances", concurrency.monotonic() - began
    task_log.add(conn, task_name=TASK, host=host, period_beginning=beginning, period_ending=ending, errors=0,
                 task_items=len(rows),
                 message=f"Instance usage audit ran for host {host[:100]}, {what} in {took:.2f} seconds.")
    return len(rows)


def _active(conn: sa.Connection, host: str, beginning: float, ending: float) -> list[dict[str, Any]]:
    t = instances.instances.c
    found = conn.execute(sa.select(instances.instances).where(
        t.host == host, t.launched_at < ending, sa.or_(t.terminated_at.is_(None), t.terminated_at > beginning)))
    return [dict(row) for row in found.mappings()]
