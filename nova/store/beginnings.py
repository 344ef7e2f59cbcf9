# SPDX-License-Identifier: Apache-2.0
"""How an operation begins: its row, and what the transaction that accepts it writes. Whether it may begin is decided
elsewhere, by who accepts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import concurrency
from nova.context import RequestContext
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.store import events, phases
from nova.workflow.shape import Shape


def actor_of(context: RequestContext) -> dict[str, Any]:
    """What the row keeps of the context: never a token."""
    kept = context.to_dict()
    return {k: kept[k] for k in ("user_id", "project_id", "roles", "is_admin", "request_id") if kept[k] is not None}


def new_row(context: RequestContext, shape: Shape, server: Mapping[str, Any], *, seq: int, epoch: int, level: str,
            step: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A fresh operation."""
    now = concurrency.time()
    return {"uuid": concurrency.uuid4(), "instance_uuid": server["uuid"], "project_id": server["project_id"],
            "user_id": context.user_id, "request_id": context.request_id, "seq": seq, "action": shape.action,
            "workflow_version": shape.version, "actor": actor_of(context), "inputs": inputs, "level": level,
            "host": server.get("host") if level == "host" else None, "step": step, "epoch": epoch,
            "created_at": now, "deadline": now + shape.deadline}


def next_row(context: RequestContext, shape: Shape, server: Mapping[str, Any], *, level: str, step: str | None = None,
             inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A fresh operation of a server that a cell has, after all of its others. Without ``step``: from its first one."""
    return new_row(context, shape, server, seq=server["op_seq"] + 1, epoch=server["epoch"] + 1, level=level,
                   step=step or shape.steps[0].name, inputs=inputs)


def begin(conn: sa.Connection, server: dict[str, Any], row: dict[str, Any], changes: Mapping[str, Any], *,
          open_rows: list[dict[str, Any]] | None = None, due_in: float = 2.0, service: str = events.API) -> bool:
    """Write an accepted operation into the cell of ``server``, as it was read in this transaction: under the row's
    epoch, with ``changes`` of the server, and as the end of what was under way (``open_rows``, where they are known).
    False: somebody was faster, and nothing is written."""
    uuid = server["uuid"]
    if not instances.update(conn, uuid, epoch=server["epoch"], raised_to=row["epoch"], op_seq=row["seq"], **changes):
        return False
    cell_operations.supersede(conn, uuid, open_rows)
    cell_operations.insert(conn, [row], due_in=due_in)
    if (was := events.seen(conn, server)) is not None:
        events.after(conn, was, phases.accepted(row, server["host"]), service=service)
    return True


def leave_record(conn: sa.Connection, context: RequestContext, server: Mapping[str, Any],
                 action: str) -> dict[str, Any]:
    """Write an operation that is done with being accepted; the server's ``op_seq`` is the caller's to raise."""
    now = concurrency.time()
    record = {"uuid": concurrency.uuid4(), "instance_uuid": server["uuid"], "project_id": server["project_id"],
              "user_id": context.user_id, "request_id": context.request_id, "seq": server["op_seq"] + 1,
              "action": action, "actor": actor_of(context), "inputs": {}, "state": "done", "level": "api",
              "step": "accepted", "epoch": server["epoch"], "progress": 100, "created_at": now, "finished_at": now,
              "owner": None}
    cell_operations.insert(conn, [record])
    return record
