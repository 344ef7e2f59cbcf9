# SPDX-License-Identifier: Apache-2.0
"""Rescue at API level: the image that the host is to boot from."""

from __future__ import annotations

import sqlalchemy as sa

from nova import errors
from nova.conductor.environment import Environment, actor
from nova.db.cell import instances
from nova.workflow import Result, Run
from nova.workflow.operations import RESCUE


def image(run: Run) -> Result:
    env: Environment = run.env
    source = env.image_source(actor(run.row).elevated(), run.inputs["image_ref"])
    return Result(data={"image": source}, host=run.inputs["host"])


def failed(run: Run) -> Result:
    """There is no such image any more: the server is as it was."""
    row = run.row

    def tell(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, task_state=None):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")
        instances.add_fault(conn, row.instance_uuid, row.fault or {})

    return Result(effect=tell)


RESCUE_AT_API = RESCUE.bind("api", {"image": image}, failed=failed)
