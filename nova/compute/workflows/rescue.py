# SPDX-License-Identifier: Apache-2.0
"""Rescue and unrescue on a host."""

from __future__ import annotations

from nova import errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.compute.workflows.settling import failed, settled
from nova.virt.interfaces import Rescue
from nova.workflow import Result, Run
from nova.workflow.operations import RESCUE, UNRESCUE


def rescue(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Rescue)
    guest = guest_of(env.work)
    if guest.image is None:
        raise errors.HostFailure("The rescue came without an image.", retry=False)
    env.driver.rescue(guest, guest.image, env.shutdown_timeout, env.progress)
    return Result(effect=settled(env, states.RESCUED))


def back(run: Run) -> None:
    """Undo: the guest has its own disk first again, and runs if it did."""
    env: HostEnvironment = run.env
    env.driver.unrescue(guest_of(env.work), power_on=run.inputs["from"] == states.ACTIVE)


def unrescue(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Rescue)
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    env.driver.unrescue(guest_of(env.work), power_on=True)
    return Result(effect=settled(env, states.ACTIVE))


def still_rescued(run: Run) -> Result:
    """The guest could not be taken back: it is what it was, and may be asked again."""
    found = failed(run)
    if found.effect["vm_state"] != states.ERROR:
        found.effect["vm_state"] = states.RESCUED
    return found


RESCUE_ON_HOST = RESCUE.bind("host", {"rescue": rescue}, {"rescue": back}, failed=failed)
UNRESCUE_ON_HOST = UNRESCUE.bind("host", {"unrescue": unrescue}, failed=still_rescued)
