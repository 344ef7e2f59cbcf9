# SPDX-License-Identifier: Apache-2.0
"""Shelving: an image is kept and the guest is off; later its host is free, and any host brings it back."""

from nova.workflow.shape import Shape, StepShape

SHELVE = Shape("shelve", "Keep an image of a server and stop it.", (
    StepShape("register", "api", "Have the image's record, queued, and a URL that takes its bytes.", undo=True),
    StepShape("halt", "host", "Stop the guest.", undo=True, event="compute_shelve_instance"),
    StepShape("capture", "host", "Copy the guest's disk into a file.", undo=True),
    StepShape("upload", "host", "Send the file to the image store, then remove it.", undo=True),
    StepShape("keep", "api", "The server is shelved; where it is not to keep its host, it begins to leave it.",
              sure=True),
), deadline=7200.0, ability="Snapshots")

SHELVE_OFFLOAD = Shape("shelveOffload", "Free the host of a shelved server.", (
    StepShape("vacate", "host", "Remove guest, disks and network from the host.", sure=True,
              event="compute_shelve_offload_instance"),
    StepShape("leave", "api", "The server has no host: free what it held there, keep addresses and charge.",
              sure=True),
))

UNSHELVE = Shape("unshelve", "Bring a shelved server back.", (
    StepShape("schedule", "api", "Choose a host, claim its resources and bind the addresses there, unless the server "
              "has one.", undo=True, event="conductor_unshelve_instance"),
    StepShape("start", "host", "Start the guest where it is.", branch=True, event="compute_unshelve_instance"),
    StepShape("spawn", "host", "Plug the network, make the disk of the image and start the guest.", undo=True,
              event="compute_unshelve_instance"),
    StepShape("tidy", "api", "Remove the image.", sure=True),
))
