# SPDX-License-Identifier: Apache-2.0
"""Delete at API level: release what the server holds in the API database, then mark it deleted in its cell."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.cells.directory import CELL0
from nova.conductor import placing
from nova.conductor.environment import Environment
from nova.db.api import cells as mappings
from nova.db.api import quotas, server_groups
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.networks import allocation
from nova.placement import claims
from nova.workflow import Result, Row, Run
from nova.workflow.operations import DELETE, DELETE_UNPLACED


def _release_all(conn: sa.Connection, row: Row) -> None:
    """Ports, claim, quota charge and mapping of a server, in one transaction; repeating it changes nothing."""
    placing.fence(conn, row)
    allocation.release(conn, row.instance_uuid)
    for consumer in (row.instance_uuid, *row.inputs.get("moves", ())):
        claims.release(conn, consumer)
    server_groups.remove_member(conn, row.instance_uuid)
    charge = mappings.settle_deleted(conn, row.instance_uuid)
    if charge:
        quotas.release(conn, row.project_id, charge)


def release(run: Run) -> Result:
    env: Environment = run.env
    row = run.row
    env.api.run(lambda conn: _release_all(conn, row))
    forget_images(env, run.inputs)

    if env.cell is not None:
        for host in row.inputs.get("left", ()):
            env.tidy(env.cell, host, row.instance_uuid)

    def bury(conn: sa.Connection) -> None:
        instances.mark_deleted(conn, row.instance_uuid)

    return Result(effect=bury)


def forget_images(env: Environment, inputs: dict[str, Any]) -> None:
    """Images that the server's end leaves to nobody: those that never got their bytes, and the one of a shelved
    server. The fence has been raised, so none is made any more."""
    for image_id in inputs.get("unfinished", ()):
        env.snapshots.discard(image_id)
    if inputs.get("shelved"):
        env.snapshots.remove(inputs["shelved"])


def withdraw(run: Run) -> Result:
    """The row lives in the API database. A copy that the create made in its chosen cell goes first."""
    env: Environment = run.env
    row = run.row
    with env.api.read() as conn:
        decided = [r["step_data"].get("selected") for r in api_operations.of_instance(conn, row.instance_uuid)]
    for cell_uuid in {CELL0, *(s["cell_uuid"] for s in decided if s)}:
        env.cells.get(cell_uuid).database.run(lambda conn: _remove_copy(conn, row.instance_uuid))

    def gone(conn: sa.Connection) -> None:
        _release_all(conn, row)
        mappings.delete_build_request(conn, row.instance_uuid)

    return Result(effect=gone)


def _remove_copy(conn: sa.Connection, instance_uuid: str) -> None:
    o = cell_operations.operations
    conn.execute(o.delete().where(o.c.instance_uuid == instance_uuid))
    instances.remove_copy(conn, instance_uuid)


DELETE_AT_API = DELETE.bind("api", {"release": release})
WITHDRAW_AT_API = DELETE_UNPLACED.bind("api", {"withdraw": withdraw})
