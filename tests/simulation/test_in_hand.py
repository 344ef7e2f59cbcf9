# SPDX-License-Identifier: Apache-2.0
"""Who dies with a question in hand: it is asked again soon, what was written already is not written twice, and nothing
that comes late is written over what came after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import concurrency
from nova.db.cell.tables import operations
from tests.simulation import matrix
from tests.simulation.chaos import Chaos

#: Seconds after its return within which an operation moves again.
SOON = 5.0


class Dead:
    """``node`` dies at ``where``, its first after ``asked`` was sent, and is back at once; ``moved`` and ``back`` are
    the times of the next steps, and of its return."""

    def __init__(self, chaos: Chaos, node: str, asked: str, where: str) -> None:
        self._chaos, self._node, self._asked, self._where = chaos, node, f"sent:{asked}", where
        self._killed = chaos.sim.on_kill
        self._in_hand = False
        self.back: float | None = None
        self.moved: list[float] = []
        chaos.sim.crash, chaos.sim.on_kill = self._meet, self._die

    def _meet(self, label: str, node: str) -> bool:
        if self.back is not None:
            if label.startswith(("step:", "undo:")):
                self.moved.append(self._chaos.sim.clock)
        elif label == self._asked:
            self._in_hand = True
        elif self._in_hand and (node, label) == (self._node, self._where):
            self.back = self._chaos.sim.clock
            return True
        return False

    def _die(self, node: str) -> None:
        self._killed(node)
        self._chaos.down[node] = self._chaos.sim.clock


def told_once(chaos: Chaos) -> None:
    """No operation has an event twice."""
    for cell in chaos.cloud.cells.all():
        with cell.database.read() as conn:
            rows = conn.execute(operations.steps.select()).mappings().all()
        events = [(row["operation_uuid"], row["event"]) for row in rows]
        assert len(events) == len(set(events)), events


@pytest.mark.parametrize("where", ["write:cell1", "tx:commit:cell1", "committed:cell1"])
@pytest.mark.parametrize("button", ["resize", "live migrate", "shelve"])
def test_a_conductor_with_a_record(button: str, where: str, simulate: Callable[..., object]) -> None:
    def story(chaos: Chaos) -> None:
        chaos.begin()
        uuid = chaos.cloud.boot()[0]
        chaos.cloud.wait_state(uuid, "active")
        dead = Dead(chaos, "conductor-cell1", "conductor.operation_record", where)
        matrix.press(chaos, button, uuid)
        chaos.cloud.wait(lambda: dead.moved, timeout=60)
        assert dead.back is not None and dead.moved[0] - dead.back <= SOON
        chaos.settle()
        told_once(chaos)
        chaos.check([uuid], set())

    simulate(1, story, hosts=3)


def test_a_question_to_the_scheduler_that_is_lost(simulate: Callable[..., object]) -> None:
    """With it, or with its answer: for who asks that is the same as a scheduler that died."""
    def story(chaos: Chaos) -> None:
        chaos.begin()
        sent: list[float] = []
        moved: list[float] = []

        def meet(label: str, node: str) -> bool:
            if label.endswith(":scheduler.select"):
                chaos.faults.lose_call = float(not sent)
                if label.startswith("sent:"):
                    sent.append(chaos.sim.clock)
            elif sent and label == "step:create.schedule:after":
                moved.append(chaos.sim.clock)
            return False

        chaos.sim.crash = meet
        uuid = chaos.cloud.boot()[0]
        chaos.cloud.wait_state(uuid, "active")
        assert len(sent) == 2 and moved[0] - sent[0] <= SOON
        chaos.check([uuid], set())

    simulate(1, story)


@pytest.mark.parametrize("seed", range(1, 4))
def test_answers_that_get_lost(seed: int, simulate: Callable[..., object]) -> None:
    """Of what is asked a good part is lost, or its answer is; messages overtake each other by more than the time after
    which they are said again."""
    def story(chaos: Chaos) -> None:
        chaos.begin()
        servers = chaos.cloud.boot(count=4)
        for uuid in servers:
            chaos.cloud.wait_state(uuid, "active")
        chaos.faults.lose_call, chaos.faults.delay = 0.3, 4.0
        for uuid, button in zip(servers, ("resize", "live migrate", "shelve", "stop"), strict=True):
            matrix.press(chaos, button, uuid)
        concurrency.sleep(120.0)
        chaos.settle()
        told_once(chaos)
        chaos.check(servers, set())

    simulate(seed, story, hosts=3)
