# SPDX-License-Identifier: Apache-2.0
"""A scheduler that is away holds some workers for a moment, never all; played on the simulated clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from nova.conductor.scheduling import PatientScheduler
from nova.context import service_context


class SchedulerFarAway:
    """The other side of the bus: it answers after ``delay`` seconds."""

    def __init__(self, delay: float) -> None:
        self.delay, self.open, self.most = delay, 0, 0

    def select(self, context: Any, specs: list[dict[str, Any]], fresh: bool = False) -> list[dict[str, Any]]:
        self.open += 1
        self.most = max(self.most, self.open)
        concurrency.sleep(self.delay)
        self.open -= 1
        return [{"fresh": fresh}]


def ask(delay: float, many: int, waiting: int = 2) -> tuple[list[float | str], SchedulerFarAway]:
    """Many ask at once. When each had its answer, or "refused at" when."""
    sim, far = Simulation(3), SchedulerFarAway(delay)
    told: list[float | str] = []

    def story() -> None:
        scheduler = PatientScheduler(far, waiting=waiting)  # type: ignore[arg-type]

        def one() -> None:
            try:
                scheduler.select(service_context(), [{}])
                told.append(round(concurrency.monotonic(), 3))
            except errors.Unavailable:
                told.append(f"refused at {concurrency.monotonic():g}")

        tasks = [concurrency.spawn(one) for _ in range(many)]
        assert all(task.join(1000) for task in tasks)

    run: Callable[[], None] = story
    with concurrency.using(sim):
        sim.run(run)
    sim.close()
    return told, far


def test_questions_wait_for_each_other_while_answers_come() -> None:
    """Also when that takes longer than a silence may be: each answer is a sign of life."""
    told, far = ask(delay=0.9, many=8)
    assert told == [0.9, 0.9, 1.8, 1.8, 2.7, 2.7, 3.6, 3.6] and far.most == 2


def test_when_none_is_answered_further_ones_are_refused() -> None:
    told, far = ask(delay=60.0, many=5)
    assert told == ["refused at 2"] * 3 + [60.0, 60.0] and far.most == 2


def test_at_least_one_may_ask() -> None:
    told, _ = ask(delay=1.0, many=1, waiting=0)
    assert told == [1.0]
