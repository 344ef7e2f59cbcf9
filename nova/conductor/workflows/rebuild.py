# SPDX-License-Identifier: Apache-2.0
"""Rebuild at API level: the image that the host is given, and whether it may run there."""

from __future__ import annotations

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell
from nova.conductor import placing
from nova.conductor.environment import Environment, actor
from nova.db.cell import instances
from nova.workflow import Result, Run
from nova.workflow.operations import REBUILD


def check(run: Run) -> Result:
    """An image with other properties is held against the filters that look at images; the claim stays as it is."""
    env: Environment = run.env
    row, inputs = run.row, run.inputs
    explained = None
    if inputs["check"]:
        with _cell(env).database.read() as conn:
            server = instances.get(conn, row.instance_uuid)
        if server is None:
            raise errors.Stale(f"Server {row.instance_uuid} is gone.")
        with env.api.read() as conn:
            spec = placing.spec_of(conn, server, requested_destination={"host": server["host"]}, rebuild=True)
        explained = placing.explained(placing.choose(env, row, spec))
    image = env.image_source(actor(row).elevated(), inputs["image_id"])
    return Result(data={"image": image}, effect=_task(run, "rebuild_block_device_mapping"), event_data=explained)


def refused(run: Run) -> Result:
    """Nothing was done to the guest: the server's record is what it was."""
    row = run.row

    def write(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, task_state=None, **run.inputs["before"]):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")
        instances.add_fault(conn, row.instance_uuid, row.fault or {})

    return Result(effect=write)


def _task(run: Run, task_state: str) -> object:
    def write(conn: sa.Connection) -> None:
        if not instances.update(conn, run.row.instance_uuid, epoch=run.row.epoch, task_state=task_state):
            raise errors.Stale(f"Server {run.row.instance_uuid} has another owner.")

    return write


def _cell(env: Environment) -> Cell:
    if env.cell is None:
        raise errors.Stale("A rebuild belongs to a cell.")
    return env.cell


REBUILD_AT_API = REBUILD.bind("api", {"check": check}, failed=refused)
