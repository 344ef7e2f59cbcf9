# SPDX-License-Identifier: Apache-2.0
"""What acceptance decides without a database: states, locks, lost races."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from nova import errors, states
from nova.context import RequestContext
from nova.operations import acceptance

UUID = "0e0e0e0e-0000-4000-8000-000000000001"
VM_STATES = (states.ACTIVE, states.BUILDING, states.STOPPED, states.PAUSED, states.SUSPENDED, states.RESCUED,
             states.RESIZED, states.SOFT_DELETED, states.DELETED, states.ERROR, states.SHELVED,
             states.SHELVED_OFFLOADED)
TASK_STATES = (None, "scheduling", "spawning", "deleting", "powering-off", "rebooting", "rebooting_hard", "migrating")


def server(vm_state: str = states.ACTIVE, task_state: str | None = None, **values: Any) -> dict[str, Any]:
    return {"uuid": UUID, "project_id": "p", "vm_state": vm_state, "task_state": task_state, "host": "host1",
            "locked_by": None} | values


@pytest.mark.parametrize("name", sorted(states.TRANSITIONS))
def test_the_table_alone_decides_what_is_allowed(name: str) -> None:
    rule = states.TRANSITIONS[name]
    for vm_state, task_state, host in itertools.product(VM_STATES, TASK_STATES, ("host1", None)):
        allowed = ((rule.vm_states is None or vm_state in rule.vm_states)
                   and (rule.task_states is None or task_state in rule.task_states)
                   and (host is not None or not rule.needs_host))
        row = server(vm_state, task_state, host=host)
        if allowed:
            assert acceptance.check_state(row, name, "x") is rule
        else:
            with pytest.raises(errors.Conflict):
                acceptance.check_state(row, name, "x")


@pytest.mark.parametrize(("row", "told"), [
    (server(states.STOPPED), f"Cannot 'stop' instance {UUID} while it is in vm_state stopped"),
    (server(task_state="deleting"), f"Cannot 'stop' instance {UUID} while it is in task_state deleting"),
    (server(host=None), f"Instance {UUID} is not ready")])
def test_a_refusal_says_what_is_in_the_way(row: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.Conflict) as caught:
        acceptance.check_state(row, "stop", "stop")
    assert caught.value.message == told


def test_a_lock_is_for_everybody_but_administrators() -> None:
    user, admin = RequestContext(user_id="u"), RequestContext(user_id="a", is_admin=True)
    acceptance.refuse_locked(user, server())
    acceptance.refuse_locked(admin, server(locked_by="owner"))
    for by in ("owner", "admin"):
        with pytest.raises(errors.Conflict, match="is locked"):
            acceptance.refuse_locked(user, server(locked_by=by))


def test_a_race_that_was_lost_is_run_again() -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise acceptance.LostRaceError
        return "done"

    assert acceptance.again(work, UUID) == "done" and len(tries) == 3


def test_who_loses_every_race_is_told_to_try_again() -> None:
    def work() -> str:
        raise acceptance.LostRaceError

    with pytest.raises(errors.Conflict, match="is being changed by others; try again"):
        acceptance.again(work, UUID)


def test_other_errors_leave_at_once() -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        raise errors.NotFound("gone")

    with pytest.raises(errors.NotFound):
        acceptance.again(work, UUID)
    assert len(tries) == 1
