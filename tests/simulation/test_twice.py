# SPDX-License-Identifier: Apache-2.0
"""Each step of each operation runs twice, and is undone twice: the second time changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nova.workflow import Result, Run, Workflow, Workflows
from nova.workflow.model import Act
from tests.functional import truth
from tests.simulation import matrix
from tests.simulation.buttons import FIRST
from tests.simulation.chaos import Chaos
from tests.simulation.run import play

#: Operation → the method of the fake driver that fails on every host, so that all is undone.
FAILS = {"create": "spawn", "resize": "bring_in", "migrate": "bring_in", "live migrate": "migrate", "unshelve": "spawn",
         "rescue": "rescue", "create image": "snapshot", "shelve": "snapshot", "attach interface": "attach_interface",
         "evacuate": "spawn"}


def _twice(act: Act | None) -> Act | None:
    if act is None:
        return None

    def both(run: Run) -> Result | None:
        first = act(run)
        second = act(run)
        return second if second is not None else first

    return both


def doubled(workflows: Workflows) -> Workflows:
    """The same workflows with each act and each undo done twice before it is recorded."""
    def of(workflow: Workflow) -> Workflow:
        steps = tuple(dataclasses.replace(step, act=_twice(step.act), undo=_twice(step.undo))
                      for step in workflow.steps)
        return dataclasses.replace(workflow, steps=steps)

    return Workflows(of(workflow) for workflow in workflows)


def _play(chaos: Chaos, operation: str, fails: str | None) -> None:
    cloud = chaos.cloud
    cloud.bound = doubled  # type: ignore[method-assign]
    chaos.begin()
    if operation == matrix.CREATE:
        if fails:
            chaos.refuse(fails)
        uuid = cloud.boot()[0]
    else:
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")
        for name in FIRST.get(operation, ()):
            matrix.press(chaos, name, uuid)
            chaos.settle()
        if fails:
            chaos.refuse(fails)
        if operation == matrix.DELETE:
            cloud.operations.delete(cloud.context(), uuid)
        else:
            matrix.press(chaos, operation, uuid)
    chaos.settle()
    if operation not in (matrix.CREATE, matrix.DELETE):
        ended = truth.actions(cloud, uuid)[-1][1]
        assert ended == ("failed" if fails else "done"), truth.actions(cloud, uuid)
    chaos.check([uuid], {uuid} if operation == matrix.DELETE else set())


@pytest.mark.parametrize("operation", matrix.OPERATIONS)
def test_each_step_twice_is_as_once(operation: str, tmp_path: Path) -> None:
    play(3, tmp_path, lambda chaos: _play(chaos, operation, None), hosts=3)


@pytest.mark.parametrize("operation", sorted(FAILS))
def test_each_undo_twice_is_as_once(operation: str, tmp_path: Path) -> None:
    play(3, tmp_path, lambda chaos: _play(chaos, operation, FAILS[operation]), hosts=3)
