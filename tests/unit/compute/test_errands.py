# SPDX-License-Identifier: Apache-2.0
"""Errands on a host: done in the server's turn, refused under an epoch that is over, not waited for without end."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nova import errors
from nova.clients.compute import ERRAND
from nova.compute.errands import Errands
from nova.compute.turns import Turns
from nova.objects.operation import Operation
from nova.objects.work import Work
from nova.workflow import Result


class Bench:
    """A host whose workers do what they are given at once, or when ``work()`` is called."""

    def __init__(self, *, at_once: bool = True, patience: float = ERRAND) -> None:
        self.given: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.at_once, self.epoch = at_once, 1
        self.turns = Turns(self.submit)
        self.errands = Errands(self.turns, self.submit, lambda server, epoch: epoch >= self.epoch, patience)
        self.done: list[str] = []

    def submit(self, fn: Callable[..., None], *args: Any) -> None:
        if self.at_once:
            fn(*args)
        else:
            self.given.append((fn, args))

    def act(self, work: Work) -> Result:
        self.done.append(str(work.operation.step))
        return Result(data={"found": 1}, effect={"power_state": 4})


def work(epoch: int = 3) -> Any:
    """All of a work that is looked at."""
    return SimpleNamespace(operation=Operation.new(
        uuid="o", instance_uuid="s", action="live-migration", step="arrive", seq=1, state="open", level="host",
        epoch=epoch))


def test_it_is_done_and_what_came_of_it_is_told() -> None:
    bench = Bench()
    answer = bench.errands.run(work(), bench.act)
    assert (answer["data"], answer["changes"]) == ({"found": 1}, {"power_state": 4})
    assert answer["started_at"] <= answer["finished_at"] and bench.done == ["arrive"]
    assert not bench.turns.busy("s")


def test_what_it_raises_is_raised() -> None:
    def fail(work: Work) -> Result:
        raise errors.HostFailure("It is broken.")

    with pytest.raises(errors.HostFailure, match="broken"):
        Bench().errands.run(work(), fail)


def test_one_that_comes_after_a_later_owner_is_refused() -> None:
    bench = Bench()
    bench.epoch = 4
    with pytest.raises(errors.Stale):
        bench.errands.run(work(epoch=3), bench.act)
    assert bench.done == []


def test_one_that_nobody_waits_for_is_not_begun() -> None:
    bench = Bench(at_once=False, patience=0.01)
    with pytest.raises(errors.Unavailable, match="busy"):
        bench.errands.run(work(), bench.act)
    for fn, args in bench.given:
        fn(*args)
    assert bench.done == [] and not bench.turns.busy("s")
