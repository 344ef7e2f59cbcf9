# SPDX-License-Identifier: Apache-2.0
"""The shapes of all operations, one file each."""

from nova.workflow.operations.create import CREATE
from nova.workflow.operations.delete import DELETE, DELETE_UNPLACED
from nova.workflow.operations.evacuate import EVACUATE
from nova.workflow.operations.guest import CHANGE_PASSWORD, TRIGGER_CRASH_DUMP
from nova.workflow.operations.interface import ATTACH_INTERFACE, DETACH_INTERFACE
from nova.workflow.operations.live_migration import LIVE_MIGRATION
from nova.workflow.operations.pause import PAUSE, UNPAUSE
from nova.workflow.operations.power import REBOOT, START, STOP
from nova.workflow.operations.rebuild import REBUILD
from nova.workflow.operations.rescue import RESCUE, UNRESCUE
from nova.workflow.operations.resize import CONFIRM, MIGRATE, RESIZE, REVERT
from nova.workflow.operations.shelve import SHELVE, SHELVE_OFFLOAD, UNSHELVE
from nova.workflow.operations.snapshot import BACKUP, SNAPSHOT
from nova.workflow.operations.soft_delete import RESTORE, SOFT_DELETE
from nova.workflow.operations.suspend import RESUME, SUSPEND

SHAPES = (CHANGE_PASSWORD, TRIGGER_CRASH_DUMP, ATTACH_INTERFACE, DETACH_INTERFACE,
          CREATE, DELETE, DELETE_UNPLACED, START, STOP, REBOOT, PAUSE, UNPAUSE, SUSPEND, RESUME, SOFT_DELETE,
          RESTORE, RESIZE, MIGRATE, CONFIRM, REVERT, LIVE_MIGRATION,
          SNAPSHOT, BACKUP, SHELVE, SHELVE_OFFLOAD, UNSHELVE, EVACUATE, REBUILD, RESCUE, UNRESCUE)

__all__ = [
    "ATTACH_INTERFACE",
    "BACKUP",
    "CHANGE_PASSWORD",
    "CONFIRM",
    "CREATE",
    "DELETE",
    "DELETE_UNPLACED",
    "DETACH_INTERFACE",
    "EVACUATE",
    "LIVE_MIGRATION",
    "MIGRATE",
    "PAUSE",
    "REBOOT",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "RESTORE",
    "RESUME",
    "REVERT",
    "SHAPES",
    "SHELVE",
    "SHELVE_OFFLOAD",
    "SNAPSHOT",
    "SOFT_DELETE",
    "START",
    "STOP",
    "SUSPEND",
    "TRIGGER_CRASH_DUMP",
    "UNPAUSE",
    "UNRESCUE",
    "UNSHELVE",
]
