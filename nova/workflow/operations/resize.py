# SPDX-License-Identifier: Apache-2.0
"""Resize and cold migration, and what ends them: a stopped server leaves its host and arrives, its disks with it."""

from nova.workflow.shape import Shape, StepShape


def _moving(action: str, doc: str) -> Shape:
    return Shape(action, doc, (
        StepShape("claim", "api", "Choose a host and claim it for the server; what it held goes under the operation.",
                  undo=True, event="conductor_migrate_server"),
        StepShape("elsewhere", "api", "The chosen host refused: give its claim back, then choose another.", branch=True,
                  event="conductor_migrate_elsewhere"),
        StepShape("prep", "host", "Look whether the guest can come here.", otherwise="elsewhere",
                  event="compute_prep_resize", place="dest_compute"),
        StepShape("leave", "host", "Stop the guest and put its disks aside.", undo=True,
                  event="compute_resize_instance", place="source_compute"),
        StepShape("move", "api", "Addresses, record and flavor are the new host's.", undo=True),
        StepShape("arrive", "host", "Bring the disks, resize them and start the guest.", undo=True,
                  event="compute_finish_resize", place="dest_compute"),
    ), ability="Resize")


RESIZE = _moving("resize", "Give a server another flavor, here or on another host.")
MIGRATE = _moving("migrate", "Move a server to another host while it is stopped.")

CONFIRM = Shape("confirmResize", "Keep a server as it was resized or moved.", (
    StepShape("drop", "host", "Remove the disks that were put aside.", event="compute_confirm_resize",
              place="source_compute"),
    StepShape("settle", "api", "Release the former claim and what is charged too much.", sure=True, lean=True),
), ability="Resize")

REVERT = Shape("revertResize", "Take a server back to its former host and flavor.", (
    StepShape("withdraw", "host", "Remove the guest that had arrived.", event="compute_revert_resize", sure=True,
              place="dest_compute"),
    StepShape("back", "api", "Addresses, record, claim and charge are the former ones again.", sure=True),
    StepShape("restore", "host", "Take the disks that were put aside and start the guest.",
              event="compute_finish_revert_resize", place="source_compute"),
), ability="Resize")
