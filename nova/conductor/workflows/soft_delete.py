# SPDX-License-Identifier: Apache-2.0
"""Soft delete and restore at API level: the quota charge goes, and comes back while there is room."""

from __future__ import annotations

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.conductor.environment import Environment
from nova.conductor.workflows.delete import forget_images
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.cell import instances
from nova.workflow import Result, Row, Run
from nova.workflow.operations import RESTORE, SOFT_DELETE


def _fence(conn: sa.Connection, row: Row) -> None:
    if not mappings.raise_fence(conn, row.instance_uuid, row.epoch):
        raise errors.Stale(f"Server {row.instance_uuid} has another owner.")


def _release(conn: sa.Connection, row: Row) -> None:
    """The charge stands in the mapping, so it is released once."""
    _fence(conn, row)
    charge = mappings.uncharge(conn, row.instance_uuid)
    if charge:
        quotas.release(conn, row.project_id, charge)


def uncharge(run: Run) -> Result:
    env: Environment = run.env
    row = run.row
    env.api.run(lambda conn: _release(conn, row))
    forget_images(env, run.inputs)

    def show(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, vm_state=states.SOFT_DELETED, task_state=None,
                                deleted_at=concurrency.time()):
            raise errors.Stale(f"Server {row.instance_uuid} is gone.")

    return Result(effect=show)


def charge(run: Run) -> Result:
    """Raises OverQuota when others have taken the room since."""
    env: Environment = run.env
    row = run.row
    if env.quota is None:
        raise errors.Unavailable("This process keeps no quota.")
    quota, amounts = env.quota, run.inputs["charge"]

    def take(conn: sa.Connection) -> None:
        _fence(conn, row)
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
