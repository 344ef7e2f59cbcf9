# SPDX-License-Identifier: Apache-2.0
"""The shapes of all operations, one file each."""

from nova.workflow.operations.create import CREATE
from nova.workflow.operations.delete import DELETE, DELETE_UNPLACED
from nova.workflow.operations.power import REBOOT, START, STOP

SHAPES = (CREATE, DELETE, DELETE_UNPLACED, START, STOP, REBOOT)

__all__ = ["CREATE", "DELETE", "DELETE_UNPLACED", "REBOOT", "SHAPES", "START", "STOP"]
