# SPDX-License-Identifier: Apache-2.0
"""Every operation in every state that does not allow it, from the state table: 409, and the state is named."""

from __future__ import annotations

from typing import Any

import pytest

from nova import states
from nova.db.cell.tables import services
from tests.api.compute.conftest import IMAGE, Api

#: transition → (method, path under the server's, body, microversion).
REQUESTS: dict[str, tuple[str, str, Any, str]] = {
    "stop": ("POST", "/action", {"os-stop": None}, "2.1"),
    "start": ("POST", "/action", {"os-start": None}, "2.1"),
    "reboot_soft": ("POST", "/action", {"reboot": {"type": "SOFT"}}, "2.1"),
    "reboot_hard": ("POST", "/action", {"reboot": {"type": "HARD"}}, "2.1"),
    "pause": ("POST", "/action", {"pause": None}, "2.1"),
    "unpause": ("POST", "/action", {"unpause": None}, "2.1"),
    "suspend": ("POST", "/action", {"suspend": None}, "2.1"),
    "resume": ("POST", "/action", {"resume": None}, "2.1"),
    "rescue": ("POST", "/action", {"rescue": None}, "2.1"),
    "unrescue": ("POST", "/action", {"unrescue": None}, "2.1"),
    "shelve": ("POST", "/action", {"shelve": None}, "2.1"),
    "shelve_offload": ("POST", "/action", {"shelveOffload": None}, "2.1"),
    "unshelve": ("POST", "/action", {"unshelve": None}, "2.1"),
    "rebuild": ("POST", "/action", {"rebuild": {"imageRef": IMAGE}}, "2.1"),
    "evacuate": ("POST", "/action", {"evacuate": {}}, "2.104"),
    "resize": ("POST", "/action", {"resize": {"flavorRef": "2"}}, "2.1"),
    "confirm_resize": ("POST", "/action", {"confirmResize": None}, "2.1"),
    "revert_resize": ("POST", "/action", {"revertResize": None}, "2.1"),
    "live_migrate": ("POST", "/action", {"os-migrateLive": {"host": None, "block_migration": "auto"}}, "2.25"),
    "snapshot": ("POST", "/action", {"createImage": {"name": "i"}}, "2.1"),
    "backup": ("POST", "/action", {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}, "2.1"),
    "change_password": ("POST", "/action", {"changePassword": {"adminPass": "x"}}, "2.1"),
    "crash_dump": ("POST", "/action", {"trigger_crash_dump": None}, "2.17"),
    "restore": ("POST", "/action", {"restore": None}, "2.1"),
    "attach_interface": ("POST", "/os-interface", {"interfaceAttachment": {}}, "2.1"),
    "diagnostics": ("GET", "/diagnostics", None, "2.1"),
    "metadata": ("POST", "/metadata", {"metadata": {"a": "b"}}, "2.1"),
}
#: What is not asked as a request of its own, or of a service that is not there.
ELSEWHERE = {"create", "delete", "soft_delete", "force_complete", "abort_live_migration", "attach_volume",
             "swap_volume", "attach_share", "console", "change_network"}

VM_STATES = (states.ACTIVE, states.BUILDING, states.PAUSED, states.SUSPENDED, states.STOPPED, states.RESCUED,
             states.RESIZED, states.SOFT_DELETED, states.ERROR, states.SHELVED, states.SHELVED_OFFLOADED)
TASK_STATES: tuple[str, ...] = tuple(sorted(
    {t for rule in states.TRANSITIONS.values() for t in (rule.running, *(rule.task_states or ())) if t}))


def wrong(rule: states.Transition) -> list[tuple[str, str | None, str]]:
    """(vm state, task state, the words that name what is in the way)."""
    found: list[tuple[str, str | None, str]] = []
    good = next((s for s in VM_STATES if rule.vm_states is None or s in rule.vm_states), states.ACTIVE)
    for vm_state in VM_STATES:
        if rule.vm_states is not None and vm_state not in rule.vm_states:
            found += [(vm_state, task, f"vm_state {vm_state}") for task in (None, "deleting")]
    if rule.task_states is not None:
        found += [(good, task, f"task_state {task}") for task in TASK_STATES if task not in rule.task_states]
    return found


def test_every_transition_has_its_request() -> None:
    assert set(REQUESTS) | ELSEWHERE == set(states.TRANSITIONS)
    assert not set(REQUESTS) & ELSEWHERE


@pytest.mark.parametrize("transition", sorted(REQUESTS))
def test_the_state_that_is_in_the_way_is_named(api: Api, transition: str) -> None:
    method, path, body, version = REQUESTS[transition]
    if transition == "evacuate":
        with api.cell.write() as conn:
            uuid = next(row["uuid"] for row in services.list(conn) if row["host"] == "host1")
            services.update(conn, uuid, forced_down=True)
    cases = wrong(states.TRANSITIONS[transition])
    assert cases or states.TRANSITIONS[transition].vm_states is None
    for vm_state, task_state, named in cases:
        server = api.server(vm_state=vm_state, task_state=task_state)
        answer = api(method, f"/servers/{server}{path}", body, who="admin", version=version)
        assert (answer.status, named in str(answer.body)) == (409, True), (vm_state, task_state, answer)
        shown = api("GET", f"/servers/{server}", who="admin").body["server"]
        assert (shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]) == (vm_state, task_state)
