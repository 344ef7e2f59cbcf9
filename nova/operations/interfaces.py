# SPDX-License-Identifier: Apache-2.0
"""Accepting interfaces: what a request means is checked against the network records, then it waits for its turn."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.cell.tables import operations as cell_operations
from nova.networks import allocation
from nova.operations.acceptance import Deps, Tell, accept_in_turn, located
from nova.operations.refusals import check
from nova.store import queueing
from nova.workflow.operations import ATTACH_INTERFACE, DETACH_INTERFACE

#: Seconds between two looks at an operation that is waited for.
_LOOK = 0.05


def attach(deps: Deps, context: RequestContext, uuid: str, *, network: str | None = None, port: str | None = None,
           fixed_ip: str | None = None, tag: str | None = None, tell: Tell = lambda row: None) -> dict[str, Any]:
    """The accepted operation; ``tell`` is called with it in the transaction. Without a network or a port: the project's
    first network. Raises NotFound for what is not
    there, Conflict for what is in use, Invalid for what cannot be."""
    wanted = {"port": port} if port else {"uuid": network, "fixed_ip": fixed_ip} if network else None
    server = check(deps, context, uuid, "attach_interface", "attach_interface")
    with deps.api.read() as conn:
        allocation.check_attach(conn, server["project_id"], wanted)
    inputs = {"port_id": port or concurrency.uuid4(), "wanted": wanted, "tag": tag}
    return accept_in_turn(deps, context, uuid, ATTACH_INTERFACE, "attach_interface", "attach_interface",
                          lambda conn, fresh: inputs, tell=tell)


def detach(deps: Deps, context: RequestContext, uuid: str, port: str) -> dict[str, Any]:
    """Raises NotFound for a port that the server does not have."""
    def find(conn: sa.Connection, server: dict[str, Any]) -> dict[str, Any]:
        for vif in server["network_info"] or ():
            if vif["id"] == port:
                return {"port_id": port, "vif": vif}
        raise errors.NotFound(f"Instance {uuid} does not have a port with id {port}")

    return accept_in_turn(deps, context, uuid, DETACH_INTERFACE, "attach_interface", "detach_interface", find)


def outcome(deps: Deps, context: RequestContext, uuid: str, operation_uuid: str, patience: float) -> dict[str, Any]:
    """The operation once it has ended, or as it is after ``patience`` seconds."""
    end = concurrency.monotonic() + patience
    while True:
        rows = deps.servers.operations(context, uuid)
        row = next(r for r in rows if r["uuid"] == operation_uuid)
        if row["state"] not in ("open", "undoing") or concurrency.monotonic() >= end:
            return row
        concurrency.sleep(_LOOK)


def withdraw(deps: Deps, context: RequestContext, uuid: str, operation: dict[str, Any]) -> bool:
    """Take back what nobody has begun yet; False when somebody has."""
    cell, _ = located(deps, context, uuid)

    def close(conn: sa.Connection) -> bool:
        if operation["owner"] is not None or not cell_operations.advance(
                conn, operation["uuid"], operation["epoch"], state="superseded"):
            return False
        queueing.go_on(conn, operation["action"], uuid)
        return True

    return cell.database.run(close)
