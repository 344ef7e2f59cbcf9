# SPDX-License-Identifier: Apache-2.0
"""Soft delete and restore at API level: the quota charge goes, and comes back while there is room."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell
from nova.conductor import placing
from nova.conductor.environment import Environment
from nova.conductor.workflows.delete import forget_images
from nova.conductor.workflows.shelve import SHELVED_KEYS
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.cell import instances
from nova.placement import claims
from nova.workflow import Result, Row, Run
from nova.workflow.operations import RESTORE, SOFT_DELETE
from nova.workflow.operations.soft_delete import DELETED_FROM

_PAST = frozenset({"resized_from", DELETED_FROM, *SHELVED_KEYS})
#: States of servers whose records tell more of the past than a soft-deleted one's should.
_WITH_A_PAST = frozenset({states.RESCUED, states.RESIZED, states.SHELVED})


def _release(conn: sa.Connection, row: Row) -> None:
    """The charge stands in the mapping, so it is released once."""
    placing.fence(conn, row)
    for consumer in row.inputs.get("moves", ()):
        claims.release(conn, consumer)
    charge = mappings.uncharge(conn, row.instance_uuid)
    if charge:
        quotas.release(conn, row.project_id, charge)


def uncharge(run: Run) -> Result:
    env: Environment = run.env
    row = run.row
    env.api.run(lambda conn: _release(conn, row))
    forget_images(env, run.inputs)
    changes = _forgotten(run)
    if changes and env.cell is not None:
        _stays(env.cell, row, changes)
        for host in run.inputs.get("left", ()):
            env.tidy(env.cell, host, row.instance_uuid)

    def show(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, vm_state=states.SOFT_DELETED, task_state=None,
                                deleted_at=concurrency.time()):
            raise errors.Stale(f"Server {row.instance_uuid} is gone.")

    return Result(effect=show)


def _forgotten(run: Run) -> dict[str, Any]:
    """What the record of a server says no more once it has been deleted softly: that it could be taken back to another
    host, or made anew from an image. Of one that was rescued it says so, for its restore."""
    env: Environment = run.env
    if env.cell is None or run.inputs.get("from") not in _WITH_A_PAST:
        return {}
    with env.cell.database.read() as conn:
        server = instances.get(conn, run.row.instance_uuid)
    if server is None:
        return {}
    rest = {k: v for k, v in (server["system_metadata"] or {}).items() if k not in _PAST}
    if run.inputs["from"] == states.RESCUED:
        rest[DELETED_FROM] = states.RESCUED
    return {"vm_state": states.STOPPED, "system_metadata": rest}


def _stays(cell: Cell, row: Row, changes: dict[str, Any]) -> None:
    """Before anybody is told to look: what a former host has is only then wanted no more."""
    def write(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **changes):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")

    cell.database.run(write)


def charge(run: Run) -> Result:
    """Raises OverQuota when others have taken the room since."""
    env: Environment = run.env
    row = run.row
    if env.quota is None:
        raise errors.Unavailable("This process keeps no quota.")
    quota, amounts = env.quota, run.inputs["charge"]

    def take(conn: sa.Connection) -> None:
        placing.fence(conn, row)
        if mappings.recharge(conn, row.instance_uuid, amounts):
            quota.charge(conn, row.project_id, amounts, user_id=run.inputs["user_id"])

    env.api.run(take)
    return Result()


def give_back(run: Run) -> None:
    env: Environment = run.env
    env.api.run(lambda conn: _release(conn, run.row))


def failed(run: Run) -> Result:
    """It stays what it was, and the time until it is reclaimed runs on."""
    row = run.row

    def show(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, vm_state=states.SOFT_DELETED,
                                task_state=None):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")
        instances.add_fault(conn, row.instance_uuid, row.fault or {})

    return Result(effect=show)


SOFT_DELETE_AT_API = SOFT_DELETE.bind("api", {"uncharge": uncharge})
RESTORE_AT_API = RESTORE.bind("api", {"charge": charge}, {"charge": give_back}, failed=failed)
