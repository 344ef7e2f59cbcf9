# SPDX-License-Identifier: Apache-2.0
"""When a janitor holds silence against an owner: never if it could not hear itself, nor when many vanish at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova import errors
from nova.conductor.judgement import Judgement

LEASE, DOWN = 8.0, 60.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def judgement(clock: Clock) -> Judgement:
    return Judgement(LEASE, DOWN, clock)


def works() -> None:
    """A database that answers."""


def fails() -> None:
    raise errors.Unavailable("away")


def service(age: float, **values: Any) -> dict[str, Any]:
    """As the database lists it; ``last_seen`` is 0 when it signed off."""
    return {"age": age, "last_seen": 1e9, "forced_down": False, "updated_at": 1e9} | values


def of(*ages: float) -> list[dict[str, Any]]:
    return [service(age) for age in ages]


def test_nobody_is_judged_by_who_has_not_looked(judgement: Judgement) -> None:
    assert not judgement.may("cell1")


def test_a_whole_lease_must_have_passed_since_the_first_look(judgement: Judgement, clock: Clock) -> None:
    judgement.reach("cell1", works)
    clock.now += LEASE - 0.1
    judgement.reach("cell1", works)
    assert not judgement.may("cell1")
    clock.now += 0.1
    assert judgement.may("cell1")


def test_a_look_that_fails_begins_the_lease_anew(judgement: Judgement, clock: Clock) -> None:
    judgement.reach("cell1", works)
    clock.now += 2 * LEASE
    with pytest.raises(errors.Unavailable):
        judgement.reach("cell1", fails)
    assert not judgement.may("cell1")
    judgement.reach("cell1", works)
    clock.now += LEASE / 2
    assert not judgement.may("cell1")
    clock.now += LEASE / 2
    assert judgement.may("cell1")


def test_database_and_broker_are_both_needed(judgement: Judgement, clock: Clock) -> None:
    judgement.reach("cell1", works)
    clock.now += LEASE
    assert judgement.may("cell1") and not judgement.may("cell1", "broker")
    judgement.reach("broker", works)
    clock.now += LEASE
    assert judgement.may("cell1", "broker")
    with pytest.raises(errors.Unavailable):
        judgement.reach("broker", fails)
    assert judgement.may("cell1") and not judgement.may("cell1", "broker")


def test_what_fails_in_one_cell_is_not_held_against_another(judgement: Judgement, clock: Clock) -> None:
    for cell in ("cell1", "cell2"):
        judgement.reach(cell, works)
    clock.now += LEASE
    with pytest.raises(errors.Unavailable):
        judgement.reach("cell2", fails)
    assert judgement.may("cell1") and not judgement.may("cell2")


def test_an_error_of_another_kind_leaves_and_says_nothing_about_health(judgement: Judgement, clock: Clock) -> None:
    def wrong() -> None:
        raise ZeroDivisionError

    judgement.reach("cell1", works)
    with pytest.raises(ZeroDivisionError):
        judgement.reach("cell1", wrong)
    clock.now += LEASE
    assert judgement.may("cell1")


LIVING = [1.0] * 7


@pytest.mark.parametrize(("ages", "limit"), [
    ([], LEASE), (LIVING, LEASE), ([*LIVING, 9.0], LEASE),
    ([1.0, 9.0, 9.0], LEASE),  # so few may die together
    ([*LIVING, 9.0, 10.0, 11.0], DOWN), ([9.0, 9.0, 9.0], DOWN),
    ([*LIVING, 61.0, 61.0, 61.0], LEASE),  # they had their time
    ([1.0] * 12 + [9.0] * 3, LEASE), ([1.0] * 11 + [9.0] * 3, DOWN),  # a fifth, and more than a fifth
    ([1.0] * 20 + [9.0] * 3, LEASE), ([1.0] * 3 + [700.0] * 40 + [9.0] * 3, DOWN)])  # long gone ones are not counted
def test_when_many_fall_silent_at_once_they_get_longer(judgement: Judgement, ages: list[float], limit: float) -> None:
    assert judgement.limit(of(*ages)) == limit


def test_who_signed_off_is_not_silent(judgement: Judgement) -> None:
    assert judgement.limit([*of(*LIVING), *(service(2e9, last_seen=0.0) for _ in range(5))]) == LEASE
    assert judgement.limit([*of(*LIVING), *(service(9.0, last_seen=0.0) for _ in range(5))]) == LEASE


@given(st.lists(st.floats(0, 1000), max_size=40))
def test_the_limit_is_the_lease_or_the_longer_time_and_never_more_than_a_fifth_are_judged(ages: list[float]) -> None:
    limit = Judgement(LEASE, DOWN).limit(of(*ages))
    assert limit in (LEASE, DOWN)
    judged = [age for age in ages if limit < age <= DOWN]
    known = [age for age in ages if age < 10 * DOWN]
    assert len(judged) < 3 or len(judged) <= len(known) / 5


def test_anybody_who_speaks_proves_what_he_speaks_through(judgement: Judgement) -> None:
    assert judgement.heard(of(30.0, 3.9))
    assert not judgement.heard(of(30.0, 4.1)) and not judgement.heard([])


@pytest.mark.parametrize(("values", "down"), [
    ({"age": 59.0}, False), ({"age": 61.0}, True), ({"age": 1.0, "forced_down": True}, True),
    # Seen at 0 means it signed off; since then counts, not since the epoch.
    ({"age": 1e9 + 10, "last_seen": 0.0}, False), ({"age": 1e9 + 61, "last_seen": 0.0}, True),
    ({"age": 1e9, "last_seen": 0.0, "updated_at": None}, True)])
def test_who_is_shown_as_down(judgement: Judgement, values: dict[str, Any], down: bool) -> None:
    assert judgement.is_down(service(**values)) is down
