# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot on a host. A failure leaves the server in the state that the hypervisor reports."""

from __future__ import annotations

from nova import errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.compute.workflows.settling import failed, settled
from nova.workflow import Result, Run
from nova.workflow.operations import REBOOT, START, STOP


def power_on(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    try:
        env.driver.power_on(env.server.uuid)
    except errors.NotFound:
        env.driver.recreate(guest_of(env.work))
    return Result(effect=settled(env, states.ACTIVE))


def power_off(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.power_off(env.server.uuid, timeout=env.shutdown_timeout)
    return Result(effect=settled(env, states.STOPPED))


def reboot(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    try:
        env.driver.reboot(env.server.uuid, run.inputs.get("type", "SOFT"))
    except errors.NotFound:
        env.driver.recreate(guest_of(env.work))
    return Result(effect=settled(env, states.ACTIVE))


START_ON_HOST = START.bind("host", {"power_on": power_on}, failed=failed)
STOP_ON_HOST = STOP.bind("host", {"power_off": power_off}, failed=failed)
REBOOT_ON_HOST = REBOOT.bind("host", {"reboot": reboot}, failed=failed)
