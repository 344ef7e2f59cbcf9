# SPDX-License-Identifier: Apache-2.0
"""The state machine of servers, as one table, and the words for states.

Facts of the Compute API: which vm states and task states allow an operation, which task state it shows while it runs,
and where it ends. ``status`` is what clients read.
"""

from __future__ import annotations

import dataclasses

ACTIVE, BUILDING, PAUSED, SUSPENDED, STOPPED = "active", "building", "paused", "suspended", "stopped"
RESCUED, RESIZED, SOFT_DELETED, DELETED, ERROR = "rescued", "resized", "soft-delete", "deleted", "error"
SHELVED, SHELVED_OFFLOADED = "shelved", "shelved_offloaded"

NOSTATE, RUNNING, PAUSED_POWER, SHUTDOWN, CRASHED, SUSPENDED_POWER = 0, 1, 3, 4, 6, 7

ANY = None


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """``vm_states``/``task_states`` of None mean any. ``after`` None keeps the vm state; ``restart`` says what a host
    that comes back does with an operation it had begun: ``resume`` it, or ``undo`` it."""

    vm_states: frozenset[str] | None
    task_states: frozenset[str | None] | None
    running: str | None
    after: str | None
    failure: str | None = None
    locked: bool = True
    needs_host: bool = False
    restart: str = "resume"


def _vm(*states: str) -> frozenset[str]:
    return frozenset(states)


_NONE: frozenset[str | None] = frozenset({None})
_HARD = frozenset({None, "rebooting", "reboot_pending", "reboot_started", "rebooting_hard", "reboot_pending_hard",
                   "reboot_started_hard", "resuming", "unpausing", "pausing", "suspending"})

TRANSITIONS: dict[str, Transition] = {
    "create": Transition(_vm(BUILDING), ANY, "scheduling", ACTIVE, ERROR, locked=False),
    "delete": Transition(ANY, ANY, "deleting", DELETED, ERROR),
    "stop": Transition(_vm(ACTIVE, ERROR), _NONE, "powering-off", STOPPED, needs_host=True),
    "start": Transition(_vm(STOPPED), _NONE, "powering-on", ACTIVE, needs_host=True),
    "reboot_soft": Transition(_vm(ACTIVE), _NONE, "rebooting", ACTIVE, needs_host=True),
    "reboot_hard": Transition(_vm(ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR), _HARD, "rebooting_hard", ACTIVE, ERROR,
                              needs_host=True),
    "metadata": Transition(_vm(ACTIVE, PAUSED, SUSPENDED, STOPPED), _NONE, None, None),
}

_BY_STATE: dict[str, dict[str | None, str]] = {
    ACTIVE: {None: "ACTIVE", "rebooting": "REBOOT", "reboot_pending": "REBOOT", "reboot_started": "REBOOT",
             "rebooting_hard": "HARD_REBOOT", "reboot_pending_hard": "HARD_REBOOT",
             "reboot_started_hard": "HARD_REBOOT", "updating_password": "PASSWORD", "rebuilding": "REBUILD",
             "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD", "migrating": "MIGRATING",
             "resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE",
             "resize_finish": "RESIZE"},
    BUILDING: {None: "BUILD"},
    STOPPED: {None: "SHUTOFF", "resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE",
              "resize_finish": "RESIZE", "rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD",
              "rebuild_spawning": "REBUILD"},
    RESIZED: {None: "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
    PAUSED: {None: "PAUSED", "migrating": "MIGRATING"},
    SUSPENDED: {None: "SUSPENDED"},
    RESCUED: {None: "RESCUE"},
    ERROR: {None: "ERROR", "rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD",
            "rebuild_spawning": "REBUILD"},
    DELETED: {None: "DELETED"},
    SOFT_DELETED: {None: "SOFT_DELETED"},
    SHELVED: {None: "SHELVED"},
    SHELVED_OFFLOADED: {None: "SHELVED_OFFLOADED"},
}

STATUSES: frozenset[str] = frozenset(s for by in _BY_STATE.values() for s in by.values()) | {"UNKNOWN"}


def status(vm_state: str, task_state: str | None) -> str:
    """The status that clients see."""
    by = _BY_STATE.get(vm_state)
    return "UNKNOWN" if by is None else by.get(task_state, by[None])


def states_of(wanted: str) -> list[tuple[str, frozenset[str | None] | None]]:
    """The (vm state, task states) pairs that show as ``wanted``; None for task states means any but those named
    otherwise. An unknown status gives an empty list."""
    pairs: list[tuple[str, frozenset[str | None] | None]] = []
    for vm_state, by in _BY_STATE.items():
        tasks = frozenset(t for t, s in by.items() if s == wanted)
        if not tasks:
            continue
        pairs.append((vm_state, None if None in tasks else tasks))
    return pairs


def tasks_shown_otherwise(vm_state: str) -> frozenset[str]:
    """Task states under which a server in ``vm_state`` does not show that state's ordinary status."""
    by = _BY_STATE[vm_state]
    return frozenset(t for t, s in by.items() if t is not None and s != by[None])
