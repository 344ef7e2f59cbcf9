# SPDX-License-Identifier: Apache-2.0
"""Rebuild on a host."""

from __future__ import annotations

from nova import concurrency, errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.compute.workflows.settling import settled
from nova.virt.interfaces import Rebuild
from nova.workflow import Result, Run
from nova.workflow.operations import REBUILD


def replace(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Rebuild)
    env.driver.rebuild(guest_of(env.work), preserve_ephemeral=run.inputs["preserve_ephemeral"], progress=env.progress)
    return Result(effect={"task_state": "rebuild_spawning", "power_state": states.SHUTDOWN})


def spawn(run: Run) -> Result:
    env: HostEnvironment = run.env
    server, vm_state = env.server, states.STOPPED
    env.networking.plug(server.uuid, server.network_info or [])
    if run.inputs["power_on"]:
        vm_state = states.ACTIVE
        env.driver.power_on(server.uuid)
    return Result(effect=settled(env, vm_state) | {"launched_at": concurrency.time()})


def spoilt(run: Run) -> Result:
    """What the disks hold is not known: the server is in error, where it is."""
    env: HostEnvironment = run.env
    try:
        power = int(env.driver.info(env.server.uuid).power_state)
    except errors.NovaError:
        power = states.NOSTATE
    return Result(effect={"vm_state": states.ERROR, "task_state": None, "power_state": power})


REBUILD_ON_HOST = REBUILD.bind("host", {"replace": replace, "spawn": spawn}, failed=spoilt)
