# SPDX-License-Identifier: Apache-2.0
"""The API-level steps of operations, one file per operation."""

from nova.conductor.workflows.create import CREATE_AT_API
from nova.conductor.workflows.delete import DELETE_AT_API, WITHDRAW_AT_API
from nova.conductor.workflows.evacuate import EVACUATE_AT_API
from nova.conductor.workflows.interface import ATTACH_INTERFACE_AT_API, DETACH_INTERFACE_AT_API
from nova.conductor.workflows.live_migration import LIVE_MIGRATION_AT_API
from nova.conductor.workflows.rebuild import REBUILD_AT_API
from nova.conductor.workflows.rescue import RESCUE_AT_API
from nova.conductor.workflows.resize import CONFIRM_AT_API, MIGRATE_AT_API, RESIZE_AT_API, REVERT_AT_API
from nova.conductor.workflows.shelve import SHELVE_AT_API, SHELVE_OFFLOAD_AT_API, UNSHELVE_AT_API
from nova.conductor.workflows.snapshot import BACKUP_AT_API, SNAPSHOT_AT_API
from nova.conductor.workflows.soft_delete import RESTORE_AT_API, SOFT_DELETE_AT_API
from nova.workflow import Workflows
from nova.workflow.operations import SHAPES

WORKFLOWS = Workflows([CREATE_AT_API, EVACUATE_AT_API, DELETE_AT_API, WITHDRAW_AT_API, SOFT_DELETE_AT_API,
                       RESTORE_AT_API, REBUILD_AT_API, RESCUE_AT_API, ATTACH_INTERFACE_AT_API, DETACH_INTERFACE_AT_API,
                       RESIZE_AT_API, MIGRATE_AT_API, CONFIRM_AT_API, REVERT_AT_API, LIVE_MIGRATION_AT_API,
                       SNAPSHOT_AT_API, BACKUP_AT_API, SHELVE_AT_API, SHELVE_OFFLOAD_AT_API, UNSHELVE_AT_API,
                       *(s.bind("api", {}) for s in SHAPES if all(step.level == "host" for step in s.steps))])
