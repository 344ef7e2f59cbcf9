# SPDX-License-Identifier: Apache-2.0
"""Periods of usage audits."""

from __future__ import annotations

import datetime

import pytest

from nova import errors
from nova.conf.usage_audit import parse
from nova.store.usage_audit import last_period


@pytest.mark.parametrize(("period", "moment", "beginning", "ending"), [
    ("month", "2026-11-21 12:30:15", "2026-10-01 00:00:00", "2026-11-01 00:00:00"),
    ("month", "2026-11-01 00:00:00", "2026-10-01 00:00:00", "2026-11-01 00:00:00"),
    ("month", "2026-01-15 00:00:00", "2025-12-01 00:00:00", "2026-01-01 00:00:00"),
    ("month@20", "2026-03-19 00:00:00", "2026-01-20 00:00:00", "2026-02-20 00:00:00"),
    ("month@28", "2026-03-28 00:00:01", "2026-02-28 00:00:00", "2026-03-28 00:00:00"),
    ("year", "2026-11-21 12:30:15", "2025-01-01 00:00:00", "2026-01-01 00:00:00"),
    ("year@12", "2026-11-21 12:30:15", "2024-12-01 00:00:00", "2025-12-01 00:00:00"),
    ("day", "2026-03-01 00:00:01", "2026-02-28 00:00:00", "2026-03-01 00:00:00"),
    ("day@6", "2026-03-01 05:59:59", "2026-02-27 06:00:00", "2026-02-28 06:00:00"),
    ("hour", "2026-03-01 00:10:00", "2026-02-28 23:00:00", "2026-03-01 00:00:00"),
    ("hour@30", "2026-03-01 00:10:00", "2026-02-28 22:30:00", "2026-02-28 23:30:00"),
])
def test_the_last_whole_period(period: str, moment: str, beginning: str, ending: str) -> None:
    at, first, last = (datetime.datetime.fromisoformat(t).replace(tzinfo=datetime.UTC).timestamp()
                       for t in (moment, beginning, ending))
    assert last_period(period, at) == (first, last)


@pytest.mark.parametrize("period", ["", "week", "day@24", "day@", "day@-1", "month@0", "month@29", "year@13", "hour@x"])
def test_other_periods_are_refused_by_name(period: str) -> None:
    with pytest.raises(errors.ConfigError, match="instance_usage_audit_period"):
        parse(period)
