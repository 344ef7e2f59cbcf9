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
_MIGRATING: frozenset[str | None] = frozenset({"migrating"})
#: The guest is there and stays where it is.
_SETTLED: frozenset[str | None] = frozenset({
    None, "image_snapshot", "image_snapshot_pending", "image_pending_upload", "image_uploading", "image_backup",
    "updating_password", "rebooting", "reboot_pending", "reboot_started", "rebooting_hard", "reboot_pending_hard",
    "reboot_started_hard", "powering-on", "powering-off", "pausing", "unpausing", "suspending", "resuming", "rescuing",
    "unrescuing", "rebuilding", "rebuild_block_device_mapping", "rebuild_spawning", "spawning"})
_HARD = frozenset({None, "rebooting", "reboot_pending", "reboot_started", "rebooting_hard", "reboot_pending_hard",
                   "reboot_started_hard", "resuming", "unpausing", "pausing", "suspending"})

TRANSITIONS: dict[str, Transition] = {
    "create": Transition(_vm(BUILDING), ANY, "scheduling", ACTIVE, ERROR, locked=False),
    "delete": Transition(ANY, ANY, "deleting", DELETED, ERROR),
    "soft_delete": Transition(ANY, ANY, "soft-deleting", SOFT_DELETED),
    "stop": Transition(_vm(ACTIVE, ERROR), _NONE, "powering-off", STOPPED, needs_host=True),
    "start": Transition(_vm(STOPPED), _NONE, "powering-on", ACTIVE, needs_host=True),
    "reboot_soft": Transition(_vm(ACTIVE), _NONE, "rebooting", ACTIVE, needs_host=True),
    "reboot_hard": Transition(_vm(ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR), _HARD, "rebooting_hard", ACTIVE, ERROR,
                              needs_host=True),
    "metadata": Transition(_vm(ACTIVE, PAUSED, SUSPENDED, STOPPED), _NONE, None, None),
    "pause": Transition(_vm(ACTIVE), _NONE, "pausing", PAUSED, needs_host=True),
    "unpause": Transition(_vm(PAUSED), _NONE, "unpausing", ACTIVE, needs_host=True),
    "suspend": Transition(_vm(ACTIVE), _NONE, "suspending", SUSPENDED, needs_host=True),
    "resume": Transition(_vm(SUSPENDED), _NONE, "resuming", ACTIVE, needs_host=True),
    "rescue": Transition(_vm(ACTIVE, STOPPED, ERROR), _NONE, "rescuing", RESCUED, needs_host=True),
    "unrescue": Transition(_vm(RESCUED), _NONE, "unrescuing", ACTIVE, needs_host=True),
    "shelve": Transition(_vm(ACTIVE, STOPPED, PAUSED, SUSPENDED), _NONE, "shelving", SHELVED, needs_host=True),
    "shelve_offload": Transition(_vm(SHELVED), _NONE, "shelving_offloading", SHELVED_OFFLOADED, needs_host=True),
    "unshelve": Transition(_vm(SHELVED, SHELVED_OFFLOADED), _NONE, "unshelving", ACTIVE),
    "rebuild": Transition(_vm(ACTIVE, STOPPED, ERROR), _NONE, "rebuilding", ACTIVE, ERROR, needs_host=True),
    "evacuate": Transition(_vm(ACTIVE, STOPPED, ERROR), ANY, "rebuilding", STOPPED, ERROR, locked=False,
                           needs_host=True),
    "resize": Transition(_vm(ACTIVE, STOPPED), _NONE, "resize_prep", RESIZED, needs_host=True),
    "confirm_resize": Transition(_vm(RESIZED), _NONE, None, ACTIVE, needs_host=True),
    "revert_resize": Transition(_vm(RESIZED), _NONE, "resize_reverting", ACTIVE, needs_host=True),
    "live_migrate": Transition(_vm(ACTIVE, PAUSED), _NONE, "migrating", None, needs_host=True),
    "force_complete": Transition(_vm(ACTIVE), _MIGRATING, "migrating", None, needs_host=True),
    "abort_live_migration": Transition(ANY, _MIGRATING, "migrating", None, needs_host=True),
    "snapshot": Transition(_vm(ACTIVE, STOPPED, PAUSED, SUSPENDED), _NONE, "image_snapshot_pending", None,
                           locked=False, needs_host=True),
    "backup": Transition(_vm(ACTIVE, STOPPED, PAUSED, SUSPENDED), _NONE, "image_backup", None, locked=False,
                         needs_host=True),
    "change_password": Transition(_vm(ACTIVE), _NONE, "updating_password", ACTIVE, ERROR, needs_host=True),
    "crash_dump": Transition(_vm(ACTIVE, PAUSED, RESCUED, RESIZED, ERROR), _NONE, None, None, needs_host=True),
    "restore": Transition(_vm(SOFT_DELETED), _NONE, "restoring", ACTIVE, needs_host=True),
    "attach_volume": Transition(_vm(ACTIVE, PAUSED, STOPPED, RESIZED, SOFT_DELETED, SHELVED, SHELVED_OFFLOADED), ANY,
                                None, None),
    "swap_volume": Transition(_vm(ACTIVE, PAUSED, RESIZED), ANY, None, None, needs_host=True),
    "attach_interface": Transition(_vm(ACTIVE, PAUSED, STOPPED), _NONE, None, None, needs_host=True),
    "attach_share": Transition(_vm(STOPPED), _NONE, None, None, needs_host=True),
    "diagnostics": Transition(_vm(ACTIVE, PAUSED), ANY, None, None, locked=False, needs_host=True),
    "console": Transition(ANY, _SETTLED, None, None, locked=False, needs_host=True),
    "change_network": Transition(ANY, ANY, None, None, needs_host=True),
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
