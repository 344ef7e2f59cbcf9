# SPDX-License-Identifier: Apache-2.0
"""How an operation on a guest that stays where it is ends on its host: the record says what the guest does now."""

from __future__ import annotations

from typing import Any

from nova import errors, states
from nova.compute.environment import HostEnvironment
from nova.compute.power import vm_state_of
from nova.workflow import Result, Run


def settled(env: HostEnvironment, vm_state: str) -> dict[str, Any]:
    """Changes of the server once its guest is as it was asked to be."""
    info = env.driver.info(env.server.uuid)
    return {"vm_state": vm_state, "task_state": None, "power_state": int(info.power_state)}


def failed(run: Run) -> Result:
    """The task is over; the vm state follows what the guest does now."""
    env: HostEnvironment = run.env
    try:
        power = int(env.driver.info(env.server.uuid).power_state)
    except errors.NovaError:
        return Result(effect={"vm_state": states.ERROR, "task_state": None, "power_state": states.NOSTATE})
    return Result(effect={"vm_state": vm_state_of(power), "task_state": None, "power_state": power})
