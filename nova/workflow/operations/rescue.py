# SPDX-License-Identifier: Apache-2.0
"""Rescue and unrescue: a server boots from another image, its own disks beside it, and goes back."""

from nova.workflow.shape import Shape, StepShape

RESCUE = Shape("rescue", "Boot a server from a rescue image, with its own disks beside it.", (
    StepShape("image", "api", "Have the image ready for the host.", event="conductor_rescue_image"),
    StepShape("rescue", "host", "Stop the guest, give it a disk from the image and boot from that.", undo=True,
              event="compute_rescue_instance"),
), ability="Rescue")
UNRESCUE = Shape("unrescue", "Boot a rescued server from its own disk again.", (
    StepShape("unrescue", "host", "Stop the guest, take the rescue disk away and boot from its own.",
              event="compute_unrescue_instance"),), ability="Rescue")
