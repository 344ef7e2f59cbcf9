# SPDX-License-Identifier: Apache-2.0
"""The steps of operations that run on a host, one file per operation."""

from nova.compute.workflows.create import CREATE_ON_HOST
from nova.compute.workflows.delete import DELETE_ON_HOST
from nova.compute.workflows.evacuate import EVACUATE_ON_HOST
from nova.compute.workflows.guest import CHANGE_PASSWORD_ON_HOST, TRIGGER_CRASH_DUMP_ON_HOST
from nova.compute.workflows.interface import ATTACH_INTERFACE_ON_HOST, DETACH_INTERFACE_ON_HOST
from nova.compute.workflows.live_migration import LIVE_MIGRATION_ON_HOST
from nova.compute.workflows.pause import PAUSE_ON_HOST, UNPAUSE_ON_HOST
from nova.compute.workflows.power import REBOOT_ON_HOST, START_ON_HOST, STOP_ON_HOST
from nova.compute.workflows.rebuild import REBUILD_ON_HOST
from nova.compute.workflows.rescue import RESCUE_ON_HOST, UNRESCUE_ON_HOST
from nova.compute.workflows.resize import CONFIRM_ON_HOST, MIGRATE_ON_HOST, RESIZE_ON_HOST, REVERT_ON_HOST
from nova.compute.workflows.shelve import SHELVE_OFFLOAD_ON_HOST, SHELVE_ON_HOST, UNSHELVE_ON_HOST
from nova.compute.workflows.snapshot import BACKUP_ON_HOST, SNAPSHOT_ON_HOST
from nova.compute.workflows.soft_delete import RESTORE_ON_HOST, SOFT_DELETE_ON_HOST
from nova.compute.workflows.suspend import RESUME_ON_HOST, SUSPEND_ON_HOST
from nova.workflow import Workflows

WORKFLOWS = Workflows([
    CHANGE_PASSWORD_ON_HOST, TRIGGER_CRASH_DUMP_ON_HOST, ATTACH_INTERFACE_ON_HOST, DETACH_INTERFACE_ON_HOST,
    CREATE_ON_HOST, DELETE_ON_HOST, START_ON_HOST, STOP_ON_HOST, REBOOT_ON_HOST, PAUSE_ON_HOST,
                       UNPAUSE_ON_HOST, SUSPEND_ON_HOST, RESUME_ON_HOST,
                       SOFT_DELETE_ON_HOST, RESTORE_ON_HOST,
                       SNAPSHOT_ON_HOST, BACKUP_ON_HOST, SHELVE_ON_HOST, SHELVE_OFFLOAD_ON_HOST, UNSHELVE_ON_HOST,
                       RESIZE_ON_HOST, MIGRATE_ON_HOST, CONFIRM_ON_HOST, REVERT_ON_HOST, LIVE_MIGRATION_ON_HOST,
                       EVACUATE_ON_HOST, REBUILD_ON_HOST, RESCUE_ON_HOST, UNRESCUE_ON_HOST])
