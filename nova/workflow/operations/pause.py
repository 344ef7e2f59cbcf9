# SPDX-License-Identifier: Apache-2.0
"""Pause and unpause: one step on the host each."""

from nova.workflow.shape import Shape, StepShape

PAUSE = Shape("pause", "Freeze the processors of a server; its memory stays where it is.", (
    StepShape("pause", "host", "Freeze the guest.", event="compute_pause_instance"),), ability="Pause")
UNPAUSE = Shape("unpause", "Let a paused server go on.", (
    StepShape("unpause", "host", "Thaw the guest.", event="compute_unpause_instance"),), ability="Pause")
