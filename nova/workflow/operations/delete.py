# SPDX-License-Identifier: Apache-2.0
"""Delete: tears down whatever any operation makes; it supersedes what is under way."""

from nova.workflow.shape import Shape, StepShape

DELETE = Shape("delete", "Delete a server that a cell knows.", (
    StepShape("destroy", "host", "Stop the guest, unplug its network and remove its disks.",
              event="compute_terminate_instance"),
    StepShape("release", "api", "Release addresses, claim and quota charge, then mark the server deleted.",
              event="conductor_release", sure=True, lean=True),
))

DELETE_UNPLACED = Shape("delete_unplaced", "Delete a server before any cell was made known.", (
    StepShape("withdraw", "api", "Remove the copy in the chosen cell, if any; release addresses, claim and charge.",
              event="conductor_withdraw", sure=True),
))
