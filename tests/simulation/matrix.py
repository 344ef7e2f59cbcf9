# SPDX-License-Identifier: Apache-2.0
"""Every operation, stopped at every point of its way: whoever passes there dies, or another does, or broker or database
are away for a while. The points are those of the same seed without a fault; so the cases follow from the workflows."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from nova import concurrency, errors
from tests.functional import truth
from tests.simulation.buttons import BUTTONS, FIRST, Press
from tests.simulation.chaos import Chaos
from tests.simulation.run import play

SEED = 11
HOSTS = 3
#: Seconds that a broker or a database is away.
AWAY = 12.0
BROKER, DATABASE = "broker", "database"
WHOEVER = "who passes"
VICTIMS = (WHOEVER, "scheduler", "orchestrator", "conductor-cell1", "source host", "target host", BROKER, DATABASE)
#: What everybody does all the time.
_USUAL = ("service_heartbeat", "operations_due", "compute_node_report", "service_register", "fake.list", "fake.info",
          "fake.inventory", "instances_on_host", "servers_moving")
CREATE, DELETE = "create", "delete"
OPERATIONS = (CREATE, DELETE, *sorted(BUTTONS))


@dataclasses.dataclass(frozen=True)
class Case:
    operation: str
    point: int
    victim: str

    def __str__(self) -> str:
        return f"{self.operation}, point {self.point}, {self.victim}"


@dataclasses.dataclass
class Way:
    """The labels that an operation passed, and the trap that may stand on it."""

    chaos: Chaos
    case: Case | None
    passed: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    back_at: float = 0.0
    hosts: dict[str, str] = dataclasses.field(default_factory=dict)

    def meet(self, label: str, node: str) -> bool:
        """What the simulation asks at each checkpoint: does the node die here?"""
        if self.chaos.sim.clock < self.back_at and label.startswith("write:"):
            raise errors.Unavailable("The database is away.")
        if node == "main" or any(word in label for word in _USUAL):
            return False
        self.passed.append((node, label))
        here = self.case is not None and len(self.passed) == self.case.point + 1
        return here and self._strike(self.case.victim, node)  # type: ignore[union-attr]

    def _strike(self, victim: str, node: str) -> bool:
        chaos = self.chaos
        victim = self.hosts.get(victim, victim)
        if victim in (WHOEVER, node):
            return True
        if victim == BROKER:
            chaos.faults.down = True
            concurrency.spawn(self._mend, name="mend-broker")
        elif victim == DATABASE:
            self.back_at = chaos.sim.clock + AWAY
        elif victim not in chaos.down:
            chaos.sim.kill(victim)
        return False

    def _mend(self) -> None:
        concurrency.sleep(AWAY)
        self.chaos.faults.down = False


def run(case: Case | None, operation: str) -> list[tuple[str, str]]:
    """Play the operation, with a trap if there is a case; what was passed. AssertionError says what is not right."""
    found: list[tuple[str, str]] = []

    def story(chaos: Chaos) -> None:
        found.extend(_story(chaos, case, operation))

    with tempfile.TemporaryDirectory(prefix="nova-matrix-") as directory:
        try:
            play(SEED, Path(directory), story, f"matrix.run(Case{dataclasses.astuple(case)!r}, …)" if case else "",
                 hosts=HOSTS)
        except BaseException as e:
            e.add_note(f"case: {case or operation}")
            raise
    return found


def _story(chaos: Chaos, case: Case | None, operation: str) -> list[tuple[str, str]]:
    cloud = chaos.cloud
    chaos.begin()
    way = Way(chaos, case)
    if operation == CREATE:
        chaos.sim.crash = way.meet
        uuid = cloud.boot()[0]
        way.hosts = {"source host": "host1", "target host": "host2"}
    else:
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")
        for name in FIRST.get(operation, ()):
            press(chaos, name, uuid)
            chaos.settle()
        source = cloud.server(uuid)["host"] or "host1"  # type: ignore[index]
        way.hosts = {"source host": source, "target host": next(h for h in sorted(cloud.hosts) if h != source)}
        chaos.sim.crash = way.meet
        if operation == DELETE:
            cloud.operations.delete(cloud.context(), uuid)
        else:
            press(chaos, operation, uuid)
    chaos.settle()
    chaos.sim.crash = lambda label, node: False
    chaos.faults.down, way.back_at = False, 0.0
    chaos.check([uuid], {uuid} if operation == DELETE else set())
    if case is None and operation not in (CREATE, DELETE):
        assert truth.actions(cloud, uuid)[-1][1] == "done", truth.actions(cloud, uuid)
    return way.passed


def press(chaos: Chaos, name: str, uuid: str) -> None:
    cloud = chaos.cloud
    BUTTONS[name](Press(cloud.operations, cloud.context(), cloud.context(admin=True), uuid, chaos.sim.rng))


def cases(operation: str, points: int, victims: tuple[str, ...] = VICTIMS) -> list[Case]:
    return [Case(operation, point, victim) for point in range(points) for victim in victims]


def sample(every: list[Case], count: int) -> list[Case]:
    """So many of them, the same each time, those in which who passes dies first."""
    draw = random.Random(SEED)
    mine = [case for case in every if case.victim == WHOEVER]
    others = [case for case in every if case.victim != WHOEVER]
    half = min(len(mine), (count + 1) // 2)
    return draw.sample(mine, half) + draw.sample(others, min(len(others), count - half))


def shown(passed: list[tuple[str, str]], tell: Callable[[str], object] = print) -> None:
    for number, (node, label) in enumerate(passed):
        tell(f"{number:4} {node:16} {label}")
