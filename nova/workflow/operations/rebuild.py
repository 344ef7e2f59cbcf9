# SPDX-License-Identifier: Apache-2.0
"""Rebuild: a server's disks are made anew from an image, on the host where it is."""

from nova.workflow.shape import Shape, StepShape

REBUILD = Shape("rebuild", "Make a server's disks anew from an image.", (
    StepShape("check", "api", "Look whether the image may run on the server's host.", event="conductor_rebuild_server"),
    StepShape("replace", "host", "Stop the guest and make its disks anew.", event="compute_rebuild_disks"),
    StepShape("spawn", "host", "Start the guest, unless it was stopped.", event="compute_rebuild_instance"),
), ability="Rebuild")
