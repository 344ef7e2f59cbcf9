# SPDX-License-Identifier: Apache-2.0
"""Few work at a time, in the order of their coming, and nobody waits for one who is inside for long."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency
from nova.web.turnstile import Turnstile

FOR_EVER = 600.0


class Guest:
    """Goes in, and stays until it is told to leave."""

    def __init__(self, turnstile: Turnstile, seen: list[Any], name: str, late: bool = False) -> None:
        self.inside, self.may_leave = concurrency.Event(), concurrency.Event()
        self._turnstile, self._seen, self._name, self._late = turnstile, seen, name, late
        self._task = concurrency.spawn(self._visit, name=name)

    def _visit(self) -> None:
        with self._turnstile.passed(self._late):
            self._seen.append(self._name)
            self.inside.set()
            self.may_leave.wait(120)

    def leave(self) -> None:
        self.may_leave.set()
        assert self._task.join(120)


def waiting(turnstile: Turnstile, count: int) -> None:
    while len(turnstile._waiting) + len(turnstile._late) < count:
        concurrency.sleep(0.001)


def test_who_comes_first_goes_first() -> None:
    turnstile, seen = Turnstile(1, FOR_EVER), list[Any]()
    guests = []
    for number, name in enumerate("abc"):
        guests.append(Guest(turnstile, seen, name))
        waiting(turnstile, number)
        assert guests[0].inside.wait(120)
    for guest, after in zip(guests, ("ab", "abc", "abc"), strict=True):
        guest.leave()
        if len(seen) < len(after):
            assert guests[len(after) - 1].inside.wait(120)
        assert "".join(seen) == after
    assert not turnstile._inside and not turnstile._waiting


def test_two_may_be_inside() -> None:
    turnstile, seen = Turnstile(2, FOR_EVER), list[Any]()
    guests = [Guest(turnstile, seen, name) for name in "abc"]
    waiting(turnstile, 1)
    assert len(turnstile._inside) == 2
    for guest in guests:
        guest.may_leave.set()
    for guest in guests:
        guest.leave()
    assert sorted(seen) == ["a", "b", "c"]


def test_who_stays_long_stands_in_nobodys_way() -> None:
    turnstile, seen = Turnstile(1, 0.01), list[Any]()
    guests = [Guest(turnstile, seen, name) for name in "abcd"]
    for guest in guests:
        assert guest.inside.wait(120)  # although none of them has left
    for guest in guests:
        guest.leave()
    assert not turnstile._inside and not turnstile._waiting


def test_an_error_inside_leaves_the_place_free() -> None:
    turnstile = Turnstile(1, FOR_EVER)
    for _ in range(3):
        with pytest.raises(ValueError, match="oops"), turnstile.passed():
            raise ValueError("oops")
    assert not turnstile._inside


def test_the_late_go_in_when_nobody_else_is_there() -> None:
    turnstile, seen = Turnstile(2, FOR_EVER, FOR_EVER), list[Any]()
    first = Guest(turnstile, seen, "a")
    assert first.inside.wait(120)
    late = Guest(turnstile, seen, "z", late=True)
    waiting(turnstile, 1)  # although there is room for two
    second = Guest(turnstile, seen, "b")
    assert second.inside.wait(120)
    third = Guest(turnstile, seen, "c")
    waiting(turnstile, 2)
    first.leave()
    assert third.inside.wait(120), "who came later than the late one goes first"
    second.leave()
    assert seen == ["a", "b", "c"]
    third.leave()
    assert late.inside.wait(120)
    last = Guest(turnstile, seen, "d")
    assert last.inside.wait(120), "beside one of the late there is room for another"
    late.leave()
    last.leave()
    assert not turnstile._inside and not turnstile._waiting and not turnstile._late


def test_the_late_do_not_wait_for_ever() -> None:
    turnstile, seen = Turnstile(1, 0.01, 0.02), list[Any]()
    guests = [Guest(turnstile, seen, "a")]
    assert guests[0].inside.wait(120)
    guests += [Guest(turnstile, seen, name, late=True) for name in "yz"]
    for guest in guests:
        assert guest.inside.wait(120)  # the first is there for long, and counts no more
    for guest in guests:
        guest.leave()
    assert not turnstile._inside and not turnstile._late


def test_between_the_late_time_goes_by() -> None:
    turnstile, seen = Turnstile(2, FOR_EVER, FOR_EVER, share=0.25), list[Any]()
    first = Guest(turnstile, seen, "y", late=True)
    assert first.inside.wait(120)
    began = concurrency.monotonic()
    second = Guest(turnstile, seen, "z", late=True)
    waiting(turnstile, 1)
    concurrency.sleep(0.05)
    stayed = concurrency.monotonic() - began
    left = concurrency.monotonic()
    first.may_leave.set()
    assert second.inside.wait(120)
    assert concurrency.monotonic() - left >= 3 * stayed
    first.leave()
    second.leave()
