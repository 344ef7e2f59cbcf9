# SPDX-License-Identifier: Apache-2.0
"""Snapshot and backup on a host: the guest goes on as it was."""

from __future__ import annotations

from nova.compute.workflows.copying import copy, drop, send
from nova.workflow import Result, Run
from nova.workflow.operations import BACKUP, SNAPSHOT


def capture(run: Run) -> Result:
    copy(run)
    return Result(effect={"task_state": "image_uploading"})


def upload(run: Run) -> Result:
    send(run)
    return Result(effect={"task_state": None})


def upload_backup(run: Run) -> Result:
    """The task is over when the rotation is."""
    send(run)
    return Result()


SNAPSHOT_ON_HOST = SNAPSHOT.bind("host", {"capture": capture, "upload": upload}, {"capture": drop, "upload": drop})
BACKUP_ON_HOST = BACKUP.bind("host", {"capture": capture, "upload": upload_backup}, {"capture": drop, "upload": drop})
