# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot on a host. A failure leaves the server in the state that the hypervisor reports."""

from __future__ import annotations

from typing import Any

from nova import errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.workflow import Result, Run
from nova.workflow.operations import REBOOT, START, STOP


def power_on(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    try:
        env.driver.power_on(env.server.uuid)
    except errors.NotFound:
        env.driver.recreate(guest_of(env.work))
    return Result(effect=_settled(env, states.ACTIVE))


def power_off(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.power_off(env.server.uuid, timeout=env.shutdown_timeout)
    return Result(effect=_settled(env, states.STOPPED))


def reboot(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    try:
        env.driver.reboot(env.server.uuid, run.inputs.get("type", "SOFT"))
    except errors.NotFound:
        env.driver.recreate(guest_of(env.work))
    return Result(effect=_settled(env, states.ACTIVE))


def _settled(env: HostEnvironment, vm_state: str) -> dict[str, Any]:
    info = env.driver.info(env.server.uuid)
    return {"vm_state": vm_state, "task_state": None, "power_state": int(info.power_state)}


def failed(run: Run) -> Result:
    """The task is over; the vm state follows what the guest does now."""
    env: HostEnvironment = run.env
    try:
        power = int(env.driver.info(env.server.uuid).power_state)
    except errors.NovaError:
        return Result(effect={"vm_state": states.ERROR, "task_state": None, "power_state": states.NOSTATE})
    vm_state = states.ACTIVE if power == states.RUNNING else states.STOPPED
    return Result(effect={"vm_state": vm_state, "task_state": None, "power_state": power})


START_ON_HOST = START.bind("host", {"power_on": power_on}, failed=failed)
STOP_ON_HOST = STOP.bind("host", {"power_off": power_off}, failed=failed)
REBOOT_ON_HOST = REBOOT.bind("host", {"reboot": reboot}, failed=failed)
