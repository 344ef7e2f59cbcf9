# SPDX-License-Identifier: Apache-2.0
"""Accepting a delete: it closes whatever is open, raises the epoch, and is repeated without harm."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.cell.tables import operations as cell_operations
from nova.operations.acceptance import Deps, LostRaceError, again, held, living_host, refuse_locked, written
from nova.operations.leftovers import images_of, moves_of, unfinished
from nova.store import events, phases
from nova.store.beginnings import new_row, next_row
from nova.workflow.operations import DELETE, DELETE_UNPLACED


def delete(deps: Deps, context: RequestContext, uuid: str) -> None:
    """Raises NotFound, and Conflict for a locked server."""
    again(lambda: _delete(deps, context, uuid), uuid)


def _delete(deps: Deps, context: RequestContext, uuid: str) -> None:
    cell, server = deps.servers.locate(context, uuid)
    refuse_locked(context, server)
    if cell is None:
        row = deps.api.run(lambda conn: _accept_unplaced(conn, context, server))
        deps.nudge_api(context, [[row["uuid"], row["epoch"]]])
        return
    accepted = cell.database.run(lambda conn: _accept(conn, deps, context, uuid))
    if accepted is not None:
        deps.nudge_row(context, cell, *accepted)


def _accept_unplaced(conn: sa.Connection, context: RequestContext, server: dict[str, Any]) -> dict[str, Any]:
    """Before T5: the mapping is marked under a new fence; a create that comes too late finds that out."""
    epoch = mappings.queue_delete(conn, server["uuid"])
    if epoch is None:
        raise LostRaceError  # placed a moment ago: look again, it is in its cell now
    closed = api_operations.supersede(conn, server["uuid"])
    seq = max((r["seq"] for r in closed), default=0) + 1
    row = new_row(context, DELETE_UNPLACED, server, seq=seq, epoch=epoch, level="api", step="withdraw", inputs={})
    api_operations.insert(conn, [row])
    if (was := events.before(conn, server["uuid"])) is not None:
        events.after(conn, was, phases.accepted(row))
    return row


def _accept(conn: sa.Connection, deps: Deps, context: RequestContext,
            uuid: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The operation and its server. A living host owns it from the start; without one the API level does its part."""
    server = held(conn, uuid)
    open_rows = cell_operations.open_of(conn, uuid)
    if any(r["action"] == "delete" for r in open_rows):
        return None  # already under way: the same answer
    ended = unfinished(conn, server)
    owner = living_host(conn, server["host"], deps.lease)
    row = next_row(context, DELETE, server, level="host" if owner else "api", step="destroy" if owner else "release",
                   inputs=images_of(server, ended) | moves_of(server, ended)) | {"owner": owner}
    return written(conn, server, row, {"task_state": "deleting"}, open_rows)
