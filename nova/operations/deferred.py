# SPDX-License-Identifier: Apache-2.0
"""Accepting a soft delete and a restore. What cannot be set aside as it is, is deleted at once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.context import RequestContext
from nova.db.cell.tables import operations as cell_operations
from nova.operations.acceptance import (
    Deps,
    Prepared,
    accept_at_api,
    again,
    check_state,
    held,
    living_host,
    located,
    refuse_locked,
    written,
)
from nova.operations.leftovers import images_of, moves_of, unfinished
from nova.store.beginnings import next_row
from nova.workflow.operations import RESTORE, SOFT_DELETE
from nova.workflow.operations.soft_delete import DELETED_FROM

#: A server in one of these has a guest that can be shut down and started again where it is.
KEPT = frozenset({states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.ERROR, states.RESCUED,
                  states.RESIZED, states.SHELVED})


def soft_delete(deps: Deps, context: RequestContext, uuid: str) -> bool:
    """False: this server is one to delete at once. A running operation is not waited for but ended, as by a delete,
    unless it is between two hosts: then the server is deleted at once too."""
    cell, server = deps.servers.locate(context, uuid)
    refuse_locked(context, server)
    if cell is None:
        return False
    accepted = again(lambda: cell.database.run(lambda conn: _accept(conn, deps, context, uuid)), uuid)
    if accepted is None:
        return False
    row, fresh = accepted
    if row is not None:
        deps.nudge_row(context, cell, row, fresh)
    return True


def _accept(conn: sa.Connection, deps: Deps, context: RequestContext,
            uuid: str) -> tuple[dict[str, Any] | None, dict[str, Any]] | None:
    """The operation and its server; no operation when it was set aside before; None when it cannot be."""
    server = held(conn, uuid)
    open_rows, ended = cell_operations.open_of(conn, uuid), unfinished(conn, server)
    running = {row["action"] for row in open_rows}
    if running & {"delete", "soft_delete"} or (server["vm_state"] == states.SOFT_DELETED and not running):
        return None, server
    if server["vm_state"] not in KEPT or not server["host"] or not server["launched_at"] or any(
            row["level"] != "host" or row["step_data"].get("dest_compute") for row in open_rows):
        return None
    owner = living_host(conn, server["host"], deps.lease)
    inputs = {"from": server["vm_state"]} | images_of(server, ended)
    if server["vm_state"] == states.RESIZED:  # that is confirmed by it: there is nothing left to go back to
        inputs |= moves_of(server, ended)
    row = next_row(context, SOFT_DELETE, server, level="host" if owner else "api",
                   step="set_aside" if owner else "uncharge", inputs=inputs) | {"owner": owner}
    return written(conn, server, row, {"task_state": "soft-deleting"}, open_rows)


def restore(deps: Deps, context: RequestContext, uuid: str) -> None:
    """Raises OverQuota when there is no room for the server any more. The charge itself is the operation's first step,
    so that nothing is charged for what was not accepted."""
    _, server = located(deps, context, uuid)
    refuse_locked(context, server)
    check_state(server, "restore", "restore")
    charge = {"instances": 1, "cores": server["vcpus"], "ram": server["memory_mb"]}
    with deps.api.read() as conn:
        deps.quota.fitting(conn, server["project_id"], charge, 1, 1, user_id=server["user_id"])

    def prepare(conn: sa.Connection, fresh: dict[str, Any]) -> Prepared:
        if living_host(conn, fresh["host"], deps.lease) is None:
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        return {"charge": charge, "user_id": fresh["user_id"],
                "rescued": (fresh["system_metadata"] or {}).get(DELETED_FROM) == states.RESCUED}, {}

    accept_at_api(deps, context, uuid, RESTORE, "restore", "restore", prepare=prepare)
