# SPDX-License-Identifier: Apache-2.0
"""Soft delete and restore: a server that is deleted is kept for a while, off and at no charge, and can be had back."""

from nova.workflow.shape import Shape, StepShape

#: Key of a soft-deleted server's system metadata: the vm state that it had.
DELETED_FROM = "deleted_from"

SOFT_DELETE = Shape("soft_delete", "Set a server aside for a while before it is deleted.", (
    StepShape("set_aside", "host", "Shut the guest down; its disks stay.", event="compute_soft_delete_instance"),
    StepShape("uncharge", "api", "Release the quota charge, then show the server as soft-deleted.",
              event="conductor_soft_delete", sure=True, lean=True),
))

RESTORE = Shape("restore", "Bring a soft-deleted server back.", (
    StepShape("charge", "api", "Charge the quota anew.", undo=True, event="conductor_restore"),
    StepShape("power_on", "host", "Start the guest.", event="compute_restore_instance"),
))
