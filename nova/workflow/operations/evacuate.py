# SPDX-License-Identifier: Apache-2.0
"""Evacuate: a server whose host is down is built anew on another. What the former host has left is a stranger there."""

from nova.workflow.shape import Shape, StepShape

EVACUATE = Shape("evacuate", "Build a server anew on another host, because its own is down.", (
    StepShape("claim", "api", "Choose a host and claim it for the server; what it held goes under the operation.",
              undo=True, event="conductor_evacuate_server"),
    StepShape("move", "api", "Addresses and record are the new host's, unless the former one is back.", undo=True),
    StepShape("elsewhere", "api", "The host failed: take the server's record back, then choose another.", branch=True,
              event="conductor_evacuate_elsewhere"),
    StepShape("fence", "api", "Tell the former host, should it hear, that the server is no longer its own.", sure=True,
              lean=True),
    StepShape("rebuild", "host", "Build the guest from the disks that are found, or else from its image.", undo=True,
              otherwise="elsewhere", event="compute_rebuild_instance", place="dest_compute"),
    StepShape("settle", "api", "Release what the server held on its former host.", sure=True,
              event="conductor_evacuate_settle"),
))
