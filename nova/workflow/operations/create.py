# SPDX-License-Identifier: Apache-2.0
"""Create: from an accepted request to a running guest, or to an error that says why."""

from nova.workflow.shape import Shape, StepShape

CREATE = Shape("create", "Boot a server.", (
    StepShape("schedule", "api", "Choose a host, claim its resources and allocate addresses, in one transaction.",
              otherwise="bury", event="conductor_schedule", lean=True),
    StepShape("bury", "api", "No host, or no way to build there: record the server in cell0 with the reason.",
              branch=True, event="conductor_bury", sure=True),
    StepShape("record", "api", "Write the server into its cell, then make the cell known.", otherwise="bury"),
    StepShape("dispatch", "api", "Hand the build to the host.", sure=True),
    StepShape("build", "host", "Plug the network, prepare the disk and start the guest.", undo=True,
              otherwise="reschedule", event="compute__do_build_and_run_instance"),
    StepShape("reschedule", "api", "The build failed: claim the next host and move the server there.", branch=True,
              otherwise="abandon", event="conductor_reschedule"),
    StepShape("relieve", "api", "Release the claim on the host that failed, then hand the build to the next.",
              branch=True, sure=True),
    StepShape("abandon", "api", "No host is left: release everything but the quota charge, show the fault.",
              branch=True, event="conductor_abandon", sure=True),
))
