# SPDX-License-Identifier: Apache-2.0
"""The declared shape of an operation: its steps by name, level and event, without the code behind them.

Levels bind functions to the steps that are theirs. Documentation, the crash matrix and the simulation read the shape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova import errors
from nova.workflow.model import Act, Result, Run, Step, Workflow

#: Where the steps of an operation over several hosts run: entries of its step data, decided by the API level.
PLACES = ("source_compute", "dest_compute")


@dataclasses.dataclass(frozen=True, slots=True)
class StepShape:
    """``undo`` says that the step can be undone; the level that binds ``act`` must then bind an undo too. ``sure``: the
    step makes good what others left, so nothing could make good its own failure; it is tried until it works.
    ``lean``: nothing it does before its record minds being done twice, so the row is taken by the record. ``place``:
    the entry of the step data (one of :data:`PLACES`) that names the host of this step; without it a host step runs on
    the host that the row is bound to. ``errand``: the API level may also ask the host for it by a call and record what
    came of it with a step of its own; it is undone by nothing, and may be done at any time under its epoch."""

    name: str
    level: str
    doc: str
    undo: bool = False
    otherwise: str | None = None
    event: str | None = None
    branch: bool = False
    sure: bool = False
    lean: bool = False
    place: str | None = None
    errand: bool = False

    def __post_init__(self) -> None:
        if self.place is not None and (self.level != "host" or self.place not in PLACES):
            raise TypeError(f"step {self.name}: place must be one of {PLACES}, and the step a host's")
        if self.errand and (self.place is None or self.undo):
            raise TypeError(f"step {self.name}: an errand says on which host it runs, and has no undo")


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """``ability``: the interface of :mod:`nova.virt.interfaces` that the server's host must offer, by name. ``queues``:
    several of one server wait for each other, and whatever else is asked for meanwhile is refused."""

    action: str
    doc: str
    steps: tuple[StepShape, ...]
    version: int = 1
    deadline: float = 1800.0
    ability: str | None = None
    queues: bool = False

    def step(self, name: str) -> StepShape:
        return next(step for step in self.steps if step.name == name)

    def bind(self, level: str, acts: Mapping[str, Act], undos: Mapping[str, Act] | None = None,
             failed: Act | None = None) -> Workflow:
        """The workflow as ``level`` runs it. Every step of the level needs its act, and its undo where declared."""
        undos = undos or {}
        mine = {s.name for s in self.steps if s.level == level}
        if mine != set(acts) or {s.name for s in self.steps if s.level == level and s.undo} != set(undos):
            raise TypeError(f"operation {self.action}: level {level} has steps {sorted(mine)}, bound {sorted(acts)}")
        steps = tuple(Step(s.name, s.level, acts.get(s.name, _elsewhere),
                           undos.get(s.name, _elsewhere) if s.undo else None, s.otherwise, s.event, s.branch, s.sure,
                           s.lean, s.place, s.errand)
                      for s in self.steps)
        return Workflow(self.action, steps, failed, version=self.version, deadline=self.deadline)


def _elsewhere(run: Run) -> Result:
    raise errors.Stale(f"step {run.row.step} of {run.row.action} belongs to level {run.row.level}")
