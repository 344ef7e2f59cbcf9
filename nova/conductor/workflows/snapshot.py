# SPDX-License-Identifier: Apache-2.0
"""Snapshot and backup at API level: the image's record before the host begins, the rotation after it has ended."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.conductor import placing
from nova.conductor.environment import Environment
from nova.db.cell import instances
from nova.workflow import Result, Row, Run
from nova.workflow.operations import BACKUP, SNAPSHOT


def register(run: Run) -> Result:
    return Result(data=have_record(run), host=run.inputs["host"],
                  effect=lambda conn: show(conn, run.row, task_state="image_pending_upload"))


def have_record(run: Run) -> dict[str, str]:
    """The record, unless a newer owner of the server does without it; what the host needs to fill it."""
    env: Environment = run.env
    row, image = run.row, run.inputs["image"]

    def insert(conn: sa.Connection) -> None:
        placing.fence(conn, row)
        env.snapshots.register(conn, image)

    env.api.run(insert)
    return {"upload_url": env.snapshots.upload_url(image["id"])}


def discard(run: Run) -> None:
    env: Environment = run.env
    env.snapshots.discard(run.inputs["image"]["id"])


def rotate(run: Run) -> Result:
    env: Environment = run.env
    row = run.row
    env.snapshots.rotate(row.instance_uuid, run.inputs["backup_type"], run.inputs["rotation"])
    return Result(effect=lambda conn: show(conn, row, task_state=None))


def show(conn: sa.Connection, row: Row, **values: Any) -> None:
    if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **values):
        raise errors.Stale(f"Server {row.instance_uuid} has another owner.")


def failed(run: Run) -> Result:
    """The server is what it was; why there is no image stands in its fault."""
    row = run.row

    def tell(conn: sa.Connection) -> None:
        show(conn, row, task_state=None)
        instances.add_fault(conn, row.instance_uuid, row.fault or {})

    return Result(effect=tell)


SNAPSHOT_AT_API = SNAPSHOT.bind("api", {"register": register}, {"register": discard}, failed=failed)
BACKUP_AT_API = BACKUP.bind("api", {"register": register, "rotate": rotate}, {"register": discard}, failed=failed)
