# SPDX-License-Identifier: Apache-2.0
"""Images of a server's disk: once, or in a rotation of backups."""

from nova.workflow.shape import Shape, StepShape

_REGISTER = StepShape("register", "api", "Have the image's record, queued, and a URL that takes its bytes.", undo=True)
_CAPTURE = StepShape("capture", "host", "Copy the guest's disk into a file, whether it runs or not.", undo=True,
                     event="compute_snapshot_instance")
_UPLOAD = StepShape("upload", "host", "Send the file to the image store, then remove it.", undo=True)

SNAPSHOT = Shape("createImage", "Make an image of a server's disk.", (_REGISTER, _CAPTURE, _UPLOAD), deadline=7200.0,
                 ability="Snapshots")
BACKUP = Shape("createBackup", "Make an image of a server's disk in a rotation.", (
    _REGISTER,
    StepShape("capture", "host", _CAPTURE.doc, undo=True, event="compute_backup_instance"),
    _UPLOAD,
    StepShape("rotate", "api", "Remove the backups that are beyond the rotation.", sure=True),
), deadline=7200.0, ability="Snapshots")
