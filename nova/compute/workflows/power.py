# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot on a host. A failure leaves the server in the state that the hypervisor reports."""

from __future__ import annotations

from nova import errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.compute.workflows.settling import failed, settled
from nova.virt.interfaces import Resize
from nova.workflow import Result, Run
from nova.workflow.operations import REBOOT, START, STOP


def power_on(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    try:
        env.driver.power_on(env.server.uuid)
    except errors.NotFound:
        _again(env)
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
        _again(env)
    return Result(effect=settled(env, states.ACTIVE))


def _again(env: HostEnvironment) -> None:
    """A guest that the hypervisor does not know; a move that was given up may have put its disks aside."""
    guest = guest_of(env.work)
    if env.driver.supports(Resize) and guest.uuid in env.driver.list_aside():
        env.driver.take_back(guest, power_on=True)
    else:
        env.driver.recreate(guest)


START_ON_HOST = START.bind("host", {"power_on": power_on}, failed=failed)
STOP_ON_HOST = STOP.bind("host", {"power_off": power_off}, failed=failed)
REBOOT_ON_HOST = REBOOT.bind("host", {"reboot": reboot}, failed=failed)
