# SPDX-License-Identifier: Apache-2.0
"""The state table: complete, consistent, and the same read both ways."""

from __future__ import annotations

import pytest

from nova import states

VM_STATES = (states.ACTIVE, states.BUILDING, states.PAUSED, states.SUSPENDED, states.STOPPED, states.RESCUED,
             states.RESIZED, states.SOFT_DELETED, states.DELETED, states.ERROR, states.SHELVED,
             states.SHELVED_OFFLOADED)

#: What clients know of the wire.
STATUSES = {"ACTIVE", "BUILD", "DELETED", "ERROR", "HARD_REBOOT", "MIGRATING", "PASSWORD", "PAUSED", "REBOOT",
            "REBUILD", "RESCUE", "RESIZE", "REVERT_RESIZE", "SHELVED", "SHELVED_OFFLOADED", "SHUTOFF", "SOFT_DELETED",
            "SUSPENDED", "UNKNOWN", "VERIFY_RESIZE"}


def test_the_statuses_are_those_of_the_wire() -> None:
    assert states.STATUSES == STATUSES


@pytest.mark.parametrize("vm_state", VM_STATES)
def test_every_vm_state_has_a_status(vm_state: str) -> None:
    plain = states.status(vm_state, None)
    assert plain in STATUSES - {"UNKNOWN"}
    assert states.status(vm_state, "a task that nobody knows") == plain


def test_an_unknown_vm_state_is_unknown() -> None:
    assert states.status("melted", None) == "UNKNOWN"


@pytest.mark.parametrize(("vm_state", "task_state", "shown"), [
    ("active", None, "ACTIVE"), ("active", "rebooting", "REBOOT"), ("active", "rebooting_hard", "HARD_REBOOT"),
    ("active", "deleting", "ACTIVE"), ("active", "powering-off", "ACTIVE"), ("building", "spawning", "BUILD"),
    ("stopped", "powering-on", "SHUTOFF"), ("stopped", "resize_migrating", "RESIZE"), ("resized", None,
                                                                                       "VERIFY_RESIZE"),
    ("resized", "resize_reverting", "REVERT_RESIZE"), ("error", "rebuilding", "REBUILD"), ("error", None, "ERROR"),
    ("paused", "migrating", "MIGRATING"), ("soft-delete", None, "SOFT_DELETED")])
def test_what_clients_see(vm_state: str, task_state: str | None, shown: str) -> None:
    assert states.status(vm_state, task_state) == shown


@pytest.mark.parametrize("shown", sorted(STATUSES - {"UNKNOWN"}))
def test_a_status_leads_back_to_exactly_its_states(shown: str) -> None:
    pairs = states.states_of(shown)
    assert pairs
    tasks = {t for by in states._BY_STATE.values() for t in by} | {"deleting", "spawning"}
    for vm_state in VM_STATES:
        for task in tasks:
            listed = any(vm == vm_state and (
                task in wanted if wanted is not None else task not in states.tasks_shown_otherwise(vm))
                for vm, wanted in pairs)
            assert listed == (states.status(vm_state, task) == shown), (vm_state, task)


def test_no_states_for_an_unknown_status() -> None:
    assert states.states_of("MELTED") == [] and states.states_of("UNKNOWN") == []


#: What shows no task while it runs.
QUIET = {"attach_interface", "attach_share", "change_network", "confirm_resize", "console", "crash_dump", "diagnostics",
         "swap_volume"}


@pytest.mark.parametrize("name", states.TRANSITIONS)
def test_transitions_lead_to_known_states(name: str) -> None:
    rule = states.TRANSITIONS[name]
    for known in (rule.vm_states or frozenset()) | {s for s in (rule.after, rule.failure) if s}:
        assert known in VM_STATES
    assert rule.restart in ("resume", "undo")
    if rule.needs_host and name not in QUIET:
        assert rule.running is not None


@pytest.mark.parametrize(("name", "allowed"), [
    ("stop", {"active", "error"}), ("start", {"stopped"}), ("reboot_soft", {"active"}),
    ("reboot_hard", {"active", "stopped", "paused", "suspended", "error"}),
    ("metadata", {"active", "paused", "suspended", "stopped"}), ("rescue", {"active", "stopped", "error"}),
    ("unshelve", {"shelved", "shelved_offloaded"}), ("resize", {"active", "stopped"}), ("pause", {"active"}),
    ("live_migrate", {"active", "paused"}), ("crash_dump", {"active", "paused", "rescued", "resized", "error"})])
def test_where_an_operation_is_allowed(name: str, allowed: set[str]) -> None:
    assert set(states.TRANSITIONS[name].vm_states or ()) == allowed


def test_only_a_hard_reboot_overtakes() -> None:
    overtaking = {name for name, rule in states.TRANSITIONS.items()
                  if rule.running is not None and rule.task_states != frozenset({None})}
    of_a_migration = {"abort_live_migration", "force_complete"}
    assert overtaking - of_a_migration == {"create", "delete", "evacuate", "reboot_hard", "soft_delete"}
    tasks = states.TRANSITIONS["reboot_hard"].task_states
    assert tasks is not None and "rebooting" in tasks and "deleting" not in tasks and "powering-off" not in tasks
