# SPDX-License-Identifier: Apache-2.0
"""Positions survive a round trip, and numbers that appear late are neither lost nor read twice."""

from __future__ import annotations

import pytest

from nova.notifications.positions import GAP_SECONDS, Cursor, Position, parse, render

SOME = {"api": Position(1732000000000, 12), "ab12cd34": Position(1732000000001, 0)}


def test_a_position_is_read_as_it_was_written() -> None:
    assert parse(render(SOME)) == SOME


@pytest.mark.parametrize("text", ["x", "api", "api.1", "api.1.x", "api.1.1-", "API.1.1", "api.1.1 ", "api.-1.1",
                                  "api.1.1\n", "a" * 9 + ".1.1", "-".join(["api.1.1"] * 1001)])
def test_what_is_no_position_is_told(text: str) -> None:
    assert parse(text) is None


def test_numbers_in_order_leave_no_gap() -> None:
    cursor = Cursor(5)
    cursor.saw([6, 7, 8], 0.0)
    assert (cursor.head, cursor.low, cursor.gaps) == (8, 8, [])


def test_a_number_that_comes_late_is_waited_for() -> None:
    cursor = Cursor(5)
    cursor.saw([7, 9], 0.0)
    assert (cursor.head, cursor.low, cursor.gaps) == (9, 5, [6, 8])
    cursor.saw([8], 1.0)
    assert (cursor.low, cursor.gaps) == (5, [6])
    cursor.saw([6, 10], 2.0)
    assert (cursor.head, cursor.low, cursor.gaps) == (10, 10, [])


def test_a_number_that_never_comes_is_given_up() -> None:
    cursor = Cursor(0)
    cursor.saw([2], 0.0)
    cursor.saw([4], 30.0)
    assert (cursor.low, cursor.gaps) == (0, [1, 3])
    cursor.forget(GAP_SECONDS)
    assert (cursor.low, cursor.gaps) == (2, [3])
    cursor.forget(GAP_SECONDS + 30.0)
    assert (cursor.low, cursor.gaps) == (4, [])


def test_a_leap_does_not_remember_without_bound() -> None:
    cursor = Cursor(0)
    cursor.saw([10_000_000], 0.0)
    assert len(cursor.gaps) <= 1000 and cursor.head == 10_000_000
