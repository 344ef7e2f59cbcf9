# SPDX-License-Identifier: Apache-2.0
"""The shapes of all operations, one file each."""

from nova.workflow.operations.create import CREATE
from nova.workflow.operations.delete import DELETE, DELETE_UNPLACED
from nova.workflow.operations.pause import PAUSE, UNPAUSE
from nova.workflow.operations.power import REBOOT, START, STOP
from nova.workflow.operations.suspend import RESUME, SUSPEND

SHAPES = (CREATE, DELETE, DELETE_UNPLACED, START, STOP, REBOOT, PAUSE, UNPAUSE, SUSPEND, RESUME)

__all__ = ["CREATE", "DELETE", "DELETE_UNPLACED", "PAUSE", "REBOOT", "RESUME", "SHAPES", "START", "STOP", "SUSPEND",
           "UNPAUSE"]
