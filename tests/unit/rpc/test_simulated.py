# SPDX-License-Identifier: Apache-2.0
"""The simulated bus: faults come from the seed, servers die with their node, and a seed replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from nova.context import RequestContext
from nova.rpc.endpoint import Endpoint
from nova.rpc.simulated import Faults, SimulatedBus

CONTEXT = RequestContext(request_id="req-1")


class Desk(Endpoint):
    def __init__(self) -> None:
        self.told: list[Any] = []

    def tell(self, context: RequestContext, word: Any) -> Any:
        self.told.append(word)
        return word

    def slow(self, context: RequestContext) -> str:
        concurrency.sleep(5)
        self.told.append("slow")
        return "slow"


def play(story: Callable[[Simulation], Any], seed: int = 1) -> tuple[Any, Simulation]:
    simulation = Simulation(seed)
    with concurrency.using(simulation):
        try:
            return simulation.run(lambda: (story(simulation),))[0], simulation
        finally:
            simulation.close()


def casts(faults: Faults, seed: int = 1, count: int = 200) -> list[int]:
    def story(simulation: Simulation) -> list[int]:
        desk = Desk()
        bus = SimulatedBus(simulation, "cell1", faults)
        bus.serve("conductor", "c1", [desk]).start()
        for number in range(count):
            bus.cast(CONTEXT, "conductor", "tell", args={"word": number})
        concurrency.sleep(60)
        return desk.told

    told: list[int] = play(story, seed)[0]
    return told


def test_without_faults_everything_arrives_once() -> None:
    assert sorted(casts(Faults())) == list(range(200))


def test_casts_are_dropped_and_repeated_as_told() -> None:
    assert casts(Faults(drop=1.0)) == []
    some = casts(Faults(drop=0.3))
    assert 100 < len(some) < 180 and len(set(some)) == len(some)
    twice = casts(Faults(duplicate=1.0))
    assert sorted(twice) == sorted(2 * list(range(200)))


def test_delays_reorder() -> None:
    told = casts(Faults(delay=10.0))
    assert sorted(told) == list(range(200)) and told != list(range(200))


def test_a_seed_replays() -> None:
    faults = Faults(drop=0.2, duplicate=0.2, delay=3.0)
    assert casts(faults, seed=7) == casts(faults, seed=7)
    assert casts(faults, seed=7) != casts(faults, seed=8)


def test_a_lost_call_is_unavailable_whether_or_not_it_was_served() -> None:
    def story(simulation: Simulation) -> tuple[int, int]:
        desk = Desk()
        bus = SimulatedBus(simulation, "cell1", Faults(lose_call=1.0), call_timeout=10)
        bus.serve("conductor", "c1", [desk]).start()
        for number in range(40):
            began = concurrency.monotonic()
            with pytest.raises(errors.Unavailable):
                bus.call(CONTEXT, "conductor", "tell", args={"word": number})
            assert concurrency.monotonic() - began == 10
        return len(desk.told), 40

    served, asked = play(story)[0]
    assert 0 < served < asked


def test_a_broker_that_is_down_refuses() -> None:
    def story(simulation: Simulation) -> None:
        bus = SimulatedBus(simulation, "cell1")
        bus.check()
        bus.faults.down = True
        for action in (lambda: bus.check(), lambda: bus.cast(CONTEXT, "t", "m", args={}),
                       lambda: bus.call(CONTEXT, "t", "m", args={})):
            with pytest.raises(errors.Unavailable):
                action()

    play(story)


def test_a_server_dies_with_its_node_and_its_queue_waits_for_the_next() -> None:
    def story(simulation: Simulation) -> list[Any]:
        old, new = Desk(), Desk()
        caller = SimulatedBus(simulation, "cell1", call_timeout=20)
        with simulation.node("c1"):
            SimulatedBus(simulation, "cell1").serve("conductor", "c1", [old]).start()
        simulation.on_kill = caller.forget
        waiting: list[str] = []

        def ask() -> None:
            try:
                caller.call(CONTEXT, "conductor", "slow", args={})
            except errors.Unavailable:
                waiting.append("unavailable")

        task = concurrency.spawn(ask)
        concurrency.sleep(1)
        simulation.kill("c1")
        caller.cast(CONTEXT, "conductor", "tell", server="c1", args={"word": "kept"})
        assert task.join(60)
        assert waiting == ["unavailable"] and old.told == []
        with simulation.node("c1"):
            SimulatedBus(simulation, "cell1").serve("conductor", "c1", [new]).start()
        concurrency.sleep(1)
        return new.told

    assert play(story)[0] == ["kept"]


def test_a_wiped_broker_forgets_what_it_held() -> None:
    def story(simulation: Simulation) -> list[Any]:
        desk, bus = Desk(), SimulatedBus(simulation, "cell1")
        bus.cast(CONTEXT, "conductor", "tell", args={"word": "lost"})
        concurrency.sleep(1)
        bus.wipe()
        bus.serve("conductor", "c1", [desk]).start()
        concurrency.sleep(1)
        return desk.told

    assert play(story)[0] == []


def test_requests_run_on_the_node_that_serves() -> None:
    def story(simulation: Simulation) -> Any:
        class Where(Endpoint):
            def where(self, context: RequestContext) -> str:
                assert simulation.current is not None
                return simulation.current.node

        bus = SimulatedBus(simulation, "cell1")
        with simulation.node("h1"):
            bus.serve("compute", "h1", [Where()]).start()
        return bus.call(CONTEXT, "compute", "where", server="h1", args={})

    assert play(story)[0] == "h1"


def test_a_crash_may_come_before_and_after_every_send() -> None:
    def story(simulation: Simulation) -> None:
        desk, bus = Desk(), SimulatedBus(simulation, "cell1")
        bus.serve("conductor", "c1", [desk]).start()
        bus.cast(CONTEXT, "conductor", "tell", args={"word": 1})
        bus.call(CONTEXT, "conductor", "tell", args={"word": 1})

    labels = [label for _, _, label in play(story)[1].trace]
    assert labels == ["send:conductor.tell", "sent:conductor.tell"] * 2


@pytest.mark.parametrize(("label", "told"), [("send:conductor.tell", []), ("sent:conductor.tell", [1])])
def test_a_sender_that_dies_has_sent_or_not(label: str, told: list[int]) -> None:
    def story(simulation: Simulation) -> list[Any]:
        desk, bus = Desk(), SimulatedBus(simulation, "cell1")
        bus.serve("conductor", "c1", [desk]).start()
        simulation.crash = lambda at, node: node == "api" and at == label
        survived: list[bool] = []

        def send() -> None:
            bus.cast(CONTEXT, "conductor", "tell", args={"word": 1})
            survived.append(True)

        with simulation.node("api"):
            concurrency.spawn(send)
        concurrency.sleep(10)
        assert survived == []
        return desk.told

    assert play(story)[0] == told
