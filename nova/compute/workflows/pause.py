# SPDX-License-Identifier: Apache-2.0
"""Pause and unpause on a host."""

from __future__ import annotations

from nova import states
from nova.compute.environment import HostEnvironment
from nova.compute.workflows.settling import failed, settled
from nova.virt.interfaces import Pause
from nova.workflow import Result, Run
from nova.workflow.operations import PAUSE, UNPAUSE


def pause(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Pause)
    env.driver.pause(env.server.uuid)
    return Result(effect=settled(env, states.PAUSED))


def unpause(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Pause)
    env.driver.unpause(env.server.uuid)
    return Result(effect=settled(env, states.ACTIVE))


PAUSE_ON_HOST = PAUSE.bind("host", {"pause": pause}, failed=failed)
UNPAUSE_ON_HOST = UNPAUSE.bind("host", {"unpause": unpause}, failed=failed)
