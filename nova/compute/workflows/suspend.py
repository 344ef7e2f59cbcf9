# SPDX-License-Identifier: Apache-2.0
"""Suspend and resume on a host."""

from __future__ import annotations

from nova import states
from nova.compute.environment import HostEnvironment
from nova.compute.workflows.settling import failed, settled
from nova.virt.interfaces import Suspend
from nova.workflow import Result, Run
from nova.workflow.operations import RESUME, SUSPEND


def suspend(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Suspend)
    env.driver.suspend(env.server.uuid)
    return Result(effect=settled(env, states.SUSPENDED))


def resume(run: Run) -> Result:
    """The host may have been restarted meanwhile, so its network is made first."""
    env: HostEnvironment = run.env
    env.driver.require(Suspend)
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    env.driver.resume(env.server.uuid)
    return Result(effect=settled(env, states.ACTIVE))


SUSPEND_ON_HOST = SUSPEND.bind("host", {"suspend": suspend}, failed=failed)
RESUME_ON_HOST = RESUME.bind("host", {"resume": resume}, failed=failed)
