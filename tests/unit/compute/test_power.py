# SPDX-License-Identifier: Apache-2.0
"""Every vm state against every power state."""

from __future__ import annotations

import pytest

from nova import states
from nova.compute.power import Verdict, judge, vm_state_of

POWERS = (states.NOSTATE, states.RUNNING, states.PAUSED_POWER, states.SHUTDOWN, states.CRASHED, states.SUSPENDED_POWER)
#: By power state in the order of POWERS: what the server becomes, "cut" for a guest that is stopped, "-" for nothing.
TABLE = {
    states.ACTIVE: ("stopped", "-", "paused", "stopped", "stopped", "suspended"),
    states.PAUSED: ("stopped", "active", "-", "stopped", "stopped", "suspended"),
    states.SUSPENDED: ("stopped", "active", "paused", "stopped", "stopped", "-"),
    states.STOPPED: ("-", "cut", "cut", "-", "-", "-"),
    states.SOFT_DELETED: ("-", "cut", "cut", "-", "-", "-"),
    states.SHELVED: ("-", "cut", "cut", "-", "-", "-"),
    **{state: ("-",) * 6 for state in (states.BUILDING, states.RESCUED, states.RESIZED, states.ERROR, states.DELETED,
                                       states.SHELVED_OFFLOADED)},
}


@pytest.mark.parametrize("vm_state", TABLE)
def test_what_follows_from_what_is_found(vm_state: str) -> None:
    found = []
    for power in POWERS:
        verdict = judge(vm_state, power)
        found.append({Verdict.FINE: "-", Verdict.CUT: "cut", Verdict.FOLLOW: vm_state_of(power)}[verdict])
    assert tuple(found) == TABLE[vm_state]


def test_what_is_followed_is_fine_afterwards() -> None:
    for vm_state in TABLE:
        for power in POWERS:
            if judge(vm_state, power) is Verdict.FOLLOW:
                assert judge(vm_state_of(power), power) is Verdict.FINE
