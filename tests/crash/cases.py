# SPDX-License-Identifier: Apache-2.0
"""The cases: every step of create and delete, before and after it, times every process, from the workflow tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nova.workflow.operations import CREATE, DELETE, DELETE_UNPLACED
from nova.workflow.shape import Shape, StepShape

SHAPES = (CREATE, DELETE, DELETE_UNPLACED)
PROCESSES = ("api", "scheduler", "orchestrator", "conductor", "compute")
#: All of them in one.
STANDALONE = "standalone"
MOMENTS = ("before", "after")
#: Which process runs the steps of a level.
RUNS = {"api": "orchestrator", "host": "compute"}

RESTARTED, TAKEN_OVER, EXPIRED = "restarted", "taken over", "expired"
ACTIVE, ERROR, GONE = "active", "error", "gone"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How a step is reached, and how its operation ends when nobody dies."""

    name: str
    ends: str
    doc: str


BOOT = Scenario("boot", ACTIVE, "a server is created")
NO_HOST = Scenario("no host", ERROR, "the flavor fits no host")
SECOND_HOST = Scenario("second host", ACTIVE, "the first host fails")
NO_HOST_BUILDS = Scenario("no host builds", ERROR, "every host fails")
REMOVE = Scenario("remove", GONE, "a running server is deleted")
WITHDRAW = Scenario("withdraw", GONE, "a server is deleted before it has a cell")

#: action.step → scenario. A step that is not here fails the suite.
SCENARIOS = {
    "create.schedule": BOOT, "create.record": BOOT, "create.dispatch": BOOT, "create.build": BOOT,
    "create.bury": NO_HOST, "create.reschedule": SECOND_HOST, "create.relieve": SECOND_HOST,
    "create.abandon": NO_HOST_BUILDS, "delete.destroy": REMOVE, "delete.release": REMOVE,
    "delete_unplaced.withdraw": WITHDRAW,
}
#: The same for the undo of a step.
UNDOS = {"create.build": SECOND_HOST}


@dataclasses.dataclass(frozen=True)
class Case:
    """``victim`` dies at ``kind``:``step`` ``moment``; ``then`` says whether it comes back at once."""

    victim: str
    kind: str
    step: str
    moment: str
    then: str
    level: str
    scenario: Scenario

    @property
    def label(self) -> str:
        return f"{self.kind}:{self.step}:{self.moment}"

    @property
    def name(self) -> str:
        return f"{self.victim} {self.label} {self.then}"

    @property
    def runs_the_step(self) -> bool:
        return self.victim in (STANDALONE, RUNS[self.level])

    @property
    def ends(self) -> str:
        return ERROR if self.then == EXPIRED else self.scenario.ends

    def row(self) -> dict[str, str]:
        """For the table."""
        action, step = self.step.split(".")
        return {"process": self.victim, "operation": action, "step": step if self.kind == "step" else f"undo {step}",
                "moment": self.moment, "then": self.then, "story": self.scenario.doc, "outcome": self.ends}


def points(shape: Shape) -> Iterator[tuple[str, str, StepShape, Scenario]]:
    """(kind, action.step, step, scenario). KeyError for a step that has none."""
    for step in shape.steps:
        name = f"{shape.action}.{step.name}"
        yield "step", name, step, SCENARIOS[name]
        if step.undo:
            yield "undo", name, step, UNDOS[name]


def cases() -> list[Case]:
    """All of daemons, in the order of the workflows."""
    found = []
    for shape in SHAPES:
        for kind, name, step, scenario in points(shape):
            for moment in MOMENTS:
                for victim in PROCESSES:
                    found += [Case(victim, kind, name, moment, then, step.level, scenario)
                              for then in _endings(victim, kind, name, step.level, moment)]
    return found


def standalone_cases() -> list[Case]:
    """The same steps with everything in one process."""
    return [Case(STANDALONE, kind, name, moment, RESTARTED, step.level, scenario)
            for shape in SHAPES for kind, name, step, scenario in points(shape) for moment in MOMENTS]


def one_per_step(every: list[Case]) -> list[Case]:
    """Of the cases whose victim runs the step and comes back: one of each step, by turns before and after it."""
    mine = [case for case in every if case.runs_the_step and case.then == RESTARTED]
    steps = list(dict.fromkeys((case.kind, case.step) for case in mine))
    return [case for case in mine if case.moment == MOMENTS[steps.index((case.kind, case.step)) % 2]]


def short(every: list[Case], share: int = 8) -> list[Case]:
    """All cases whose victim runs the step, and one in ``share`` of those in which somebody else dies meanwhile."""
    others = [case for case in every if not case.runs_the_step]
    chosen = set(map(id, others[::share]))
    return [case for case in every if case.runs_the_step or id(case) in chosen]


def _endings(victim: str, kind: str, name: str, level: str, moment: str) -> list[str]:
    """What follows the kill. A host's work is only done by others where the protocol says so: a delete goes on without
    the host, a create that it never finishes ends at its deadline."""
    endings = [RESTARTED]
    if victim == RUNS[level] == "orchestrator" or (victim, name) == ("compute", "delete.destroy"):
        endings.append(TAKEN_OVER)
    if (victim, kind, name, moment) == ("compute", "step", "create.build", "before"):
        endings.append(EXPIRED)
    return endings
