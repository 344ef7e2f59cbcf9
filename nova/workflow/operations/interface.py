# SPDX-License-Identifier: Apache-2.0
"""Attach and detach a network interface. Several of one server wait for each other."""

from nova.workflow.shape import Shape, StepShape

ATTACH_INTERFACE = Shape("attach_interface", "Give a server one more network interface.", (
    StepShape("allocate", "api", "Make the port, or take the one that was named, and write it into the server.",
              undo=True, event="conductor_allocate_port"),
    StepShape("plug", "host", "Prepare the network and plug the card into the guest.", undo=True,
              event="compute_attach_interface"),
), ability="Interfaces", deadline=600.0, queues=True)

DETACH_INTERFACE = Shape("detach_interface", "Take a network interface from a server.", (
    StepShape("unplug", "host", "Pull the card out of the guest, then remove what the host had for it.",
              event="compute_detach_interface"),
    StepShape("forget", "api", "Take the port out of the server's record.", sure=True),
    StepShape("release", "api", "Give back the port's addresses; a port that a user made stays.", sure=True,
              event="conductor_release_port"),
), ability="Interfaces", deadline=600.0, queues=True)
