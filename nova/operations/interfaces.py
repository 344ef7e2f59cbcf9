# SPDX-License-Identifier: Apache-2.0
"""Accepting interfaces: what a request means is checked against the network records, then it waits for its turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.cell.tables import operations as cell_operations
from nova.networks import allocation
from nova.operations.acceptance import Deps, Tell, accept_in_turn, living_host, located
from nova.operations.refusals import check
from nova.store import queueing
from nova.store.beginnings import new_row
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


def take_back(conn: sa.Connection, context: RequestContext, server: Mapping[str, Any],
              superseded: Iterable[Mapping[str, Any]], *, lease: float) -> list[dict[str, Any]]:
    """Detachments, written one after the other, of the ports whose coming or going was ended halfway: nobody else knows
    whether the record, the guest and the network still agree on them. ``server`` is as it is from now on; its
    ``op_seq`` is the caller's to raise. What was waiting to come has nothing yet. A host that is down, or was never
    told of the port, is not asked."""
    left = {row["inputs"]["port_id"]: row for row in superseded if row["action"] == DETACH_INTERFACE.action
            or (row["action"] == ATTACH_INTERFACE.action and (row["owner"], row["due_at"]) != (None, None))}
    rows: list[dict[str, Any]] = []
    for seq, (port, was) in enumerate(left.items(), server["op_seq"] + 1):
        vif = was["inputs"].get("vif") or was["step_data"].get("vif")
        known = vif is not None and living_host(conn, server["host"], lease) is not None
        step = next(s for s in DETACH_INTERFACE.steps if s.level == ("host" if known else "api"))
        row = new_row(context, DETACH_INTERFACE, server, seq=seq, epoch=server["epoch"], level=step.level,
                      step=step.name, inputs={"port_id": port, "vif": vif}) | {"owner": None, "host": server["host"]}
        if rows:
            cell_operations.insert_waiting(conn, row)
        else:
            cell_operations.insert(conn, [row])
        rows.append(row)
    return rows


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
