# SPDX-License-Identifier: Apache-2.0
"""What follows when a guest is found in another power state than its server's vm state means: one table, no acts."""

from __future__ import annotations

import enum

from nova import states

#: What a server is when its guest does this and nobody asked for it; in any other power state it is stopped.
VM_STATES = {states.RUNNING: states.ACTIVE, states.PAUSED_POWER: states.PAUSED,
             states.SUSPENDED_POWER: states.SUSPENDED}
#: Vm states that follow the guest.
FOLLOWING = frozenset({states.ACTIVE, states.PAUSED, states.SUSPENDED})
#: Vm states in which a guest is off, whatever it thinks: nobody may use what he is not allowed to start.
OFF = frozenset({states.STOPPED, states.SOFT_DELETED, states.SHELVED})
#: Power states that cost processors or memory.
AWAKE = frozenset({states.RUNNING, states.PAUSED_POWER})


class Verdict(enum.Enum):
    """``FOLLOW``: the record takes the vm state of :func:`vm_state_of`. ``CUT``: the guest is to be stopped."""

    FINE = "fine"
    FOLLOW = "follow"
    CUT = "cut"


def vm_state_of(power: int) -> str:
    return VM_STATES.get(power, states.STOPPED)


def judge(vm_state: str, power: int) -> Verdict:
    """Servers in error, rescued, resized or building are judged by the operations that end those states."""
    if vm_state in FOLLOWING and vm_state_of(power) != vm_state:
        return Verdict.FOLLOW
    return Verdict.CUT if vm_state in OFF and power in AWAKE else Verdict.FINE
