# SPDX-License-Identifier: Apache-2.0
"""Periodic work: how often, how soon, what an error does to it; in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency, errors
from nova.concurrency.periodic import Periodic
from nova.concurrency.simulation import Simulation


@pytest.fixture
def run() -> Any:
    """Run a story in simulated time."""
    def runner(story: Callable[[], Any]) -> Any:
        sim = Simulation(1)
        with concurrency.using(sim):
            try:
                return sim.run(story)
            finally:
                sim.close()

    return runner


def times(keeper_of: Callable[[Callable[[], None]], Periodic], seconds: float,
          during: Callable[[Periodic], Any] = lambda keeper: None) -> list[float]:
    """When it acted, in seconds since its start."""
    acted: list[float] = []
    began = concurrency.monotonic()
    keeper = keeper_of(lambda: acted.append(concurrency.monotonic() - began))
    keeper.start()
    during(keeper)
    concurrency.sleep(seconds)
    assert keeper.stop()
    count = len(acted)
    concurrency.sleep(1000)
    assert len(acted) == count
    return acted


def test_it_waits_first_and_then_acts_at_intervals(run: Any) -> None:
    assert run(lambda: times(lambda act: Periodic("x", 10, act), 35)) == [10, 20, 30]


def test_at_once_acts_when_it_starts(run: Any) -> None:
    assert run(lambda: times(lambda act: Periodic("x", 10, act, at_once=True), 25)) == [0, 10, 20]


def test_the_interval_may_change(run: Any) -> None:
    left = [1.0, 2.0, 4.0]
    assert run(lambda: times(lambda act: Periodic("x", lambda: left.pop(0) if left else 100.0, act), 20)) == [1, 3, 7]


def test_a_wake_is_not_lost_and_not_doubled(run: Any) -> None:
    def twice(keeper: Periodic) -> None:
        concurrency.sleep(3)
        keeper.wake()
        keeper.wake()

    assert run(lambda: times(lambda act: Periodic("x", 10, act), 12, twice)) == [3, 13]


def test_the_first_wait_is_spread(run: Any) -> None:
    first = run(lambda: times(lambda act: Periodic("x", 10, act, spread=10), 25))[0]
    assert 10 < first < 20


@pytest.mark.parametrize("error", [errors.Unavailable("away"), errors.Conflict("no"), ValueError("wrong")])
def test_an_error_is_logged_and_the_next_call_comes(run: Any, error: Exception,
                                                    caplog: pytest.LogCaptureFixture) -> None:
    def fragile(acted: Callable[[], None]) -> Periodic:
        def act() -> None:
            acted()
            raise error

        return Periodic("fragile", 10, act)

    assert run(lambda: times(fragile, 25)) == [10, 20]
    assert "fragile" in caplog.text


def test_stop_waits_for_what_runs(run: Any) -> None:
    def story() -> tuple[bool, bool]:
        keeper = Periodic("slow", 1, lambda: concurrency.sleep(50))
        keeper.start()
        concurrency.sleep(2)
        return keeper.stop(5), keeper.stop(100)

    assert run(story) == (False, True)
