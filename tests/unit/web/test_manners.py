# SPDX-License-Identifier: Apache-2.0
"""Who is refused most of the time comes after the others, for as long as that lasts."""

from __future__ import annotations

import pytest

from nova.web.manners import FEW, HALF_LIFE, Manners

BAD = int(FEW) + 1
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """Goes on when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def answered(manners: Manners, times: int, status: int, token: str | None = "t", address: str = HERE) -> None:
    for _ in range(times):
        manners.note(token, address, status)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 501])
def test_who_is_mostly_refused_is_clumsy(clock: Clock, status: int) -> None:
    manners = Manners(clock=clock)
    assert not manners.clumsy("t", HERE)
    answered(manners, BAD - 1, status)
    assert not manners.clumsy("t", HERE), "a few mistakes are anybody's"
    answered(manners, 1, status)
    assert manners.clumsy("t", HERE)
    assert not manners.clumsy("another", HERE)
    assert not manners.clumsy(None, HERE)


def test_mistakes_among_much_that_works_are_no_matter(clock: Clock) -> None:
    manners = Manners(clock=clock)
    for _ in range(20):
        answered(manners, 10, 200)
        answered(manners, 9, 404)
    assert not manners.clumsy("t", HERE)


def test_it_is_forgotten_in_time(clock: Clock) -> None:
    manners = Manners(clock=clock)
    answered(manners, 3 * BAD, 400)
    clock.now += HALF_LIFE
    assert manners.clumsy("t", HERE)
    clock.now += HALF_LIFE
    assert not manners.clumsy("t", HERE)


def test_who_does_better_again_is_clumsy_no_more(clock: Clock) -> None:
    manners = Manners(clock=clock)
    answered(manners, 100, 400)
    answered(manners, 101, 202)
    assert not manners.clumsy("t", HERE)


def test_tokens_that_are_made_up_count_for_their_address(clock: Clock) -> None:
    manners = Manners(clock=clock)
    answered(manners, 1, 200, "real")
    for number in range(BAD):
        manners.note(f"made up {number}", HERE, 401)
    assert manners.clumsy("the next one", HERE)
    assert manners.clumsy(None, HERE)
    assert not manners.clumsy("the next one", THERE)
    assert not manners.clumsy("real", HERE), "who is known to be somebody does not suffer from his neighbours"


def test_it_remembers_so_many_and_no_more(clock: Clock) -> None:
    manners = Manners(2, clock)
    answered(manners, 2 * BAD, 400, "a")
    answered(manners, 2 * BAD, 400, "b")
    clock.now += 2
    answered(manners, 1, 400, "a")
    answered(manners, 1, 200, "c")
    assert manners.clumsy("a", HERE)
    assert not manners.clumsy("b", HERE)


def test_who_never_pauses_is_not_forgotten_before_others(clock: Clock) -> None:
    manners = Manners(2, clock)
    answered(manners, BAD, 400, "busy")
    answered(manners, 1, 200, "quiet")
    for _ in range(20):
        clock.now += 0.1
        answered(manners, 1, 400, "busy")
    answered(manners, 1, 200, "new")
    assert manners.clumsy("busy", HERE)
