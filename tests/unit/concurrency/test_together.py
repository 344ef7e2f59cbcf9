# SPDX-License-Identifier: Apache-2.0
"""Pieces of work at the same time: all end, then their results are there or the first error is raised."""

from __future__ import annotations

import pytest

from nova import concurrency
from nova.concurrency.together import together


def test_they_run_at_the_same_time_and_keep_their_order() -> None:
    one, other = concurrency.Event(), concurrency.Event()

    def first() -> str:
        one.set()
        assert other.wait(60)
        return "first"

    def second() -> str:
        other.set()
        assert one.wait(60)
        return "second"

    assert together(first, second) == ["first", "second"]
    assert together(lambda: 1) == [1]


def test_an_error_is_raised_when_all_have_ended() -> None:
    ended: list[str] = []

    def fails(name: str) -> None:
        ended.append(name)
        raise ValueError(name)

    with pytest.raises(ValueError, match="one"):
        together(lambda: ended.append("zero"), lambda: fails("one"), lambda: fails("two"))
    assert sorted(ended) == ["one", "two", "zero"]
    with pytest.raises(ValueError, match="zero"):
        together(lambda: fails("zero"), lambda: ended.append("late"))
    assert "late" in ended
