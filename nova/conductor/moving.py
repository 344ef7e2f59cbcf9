# SPDX-License-Identifier: Apache-2.0
"""The claims of a server that moves: the new one is the server's, the old one the operation's until it has ended.

Effects run in the caller's transaction of the API database, under the server's fence, and bear repetition: whether the
operation holds something tells how far an earlier attempt has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell
from nova.conductor import placing
from nova.conductor.environment import Environment
from nova.conductor.placing import Claimed, Spec
from nova.db.cell import compute_nodes, instances
from nova.placement import claims
from nova.workflow import Again, Row, Run


def live_spec(conn: sa.Connection, server: Mapping[str, Any], cell_uuid: str, host: str | None, *, force: bool) -> Spec:
    """What a server that goes elsewhere while it runs asks of the scheduler: the named host, checked unless it is
    forced, or any other of its cell."""
    named = {} if host is None else {"force_host": host} if force else {"requested_destination": {"host": host}}
    return placing.spec_of(conn, server, only_cell=cell_uuid, ignore_hosts=[server["host"]], **named)


def claim(conn: sa.Connection, row: Row, decision: Mapping[str, Any], spec: Spec) -> Claimed:
    """Keep what the server holds under the operation's uuid, and claim the first ranked host that has room for it.
    What an earlier attempt claimed for the server, and did not record, is given up first."""
    placing.fence(conn, row)
    if not claims.move(conn, row.instance_uuid, row.uuid) and _holds(conn, row.uuid):
        claims.release(conn, row.instance_uuid)
    return placing.claim_first(conn, row, decision, spec)


def claim_next(conn: sa.Connection, row: Row, alternates: list[dict[str, Any]], spec: Spec) -> Claimed | None:
    """Give up the host that refused and claim the first of the others that has room; None: there is none."""
    placing.fence(conn, row)
    if _holds(conn, row.uuid):
        claims.release(conn, row.instance_uuid)
    try:
        return placing.claim_first(conn, row, {"ranked": alternates, "max_alternates": len(alternates)}, spec)
    except Again:
        return None


def take_back(conn: sa.Connection, row: Row) -> None:
    """The server holds what it held before, and nothing else."""
    placing.fence(conn, row)
    if _holds(conn, row.uuid):
        claims.release(conn, row.instance_uuid)
        claims.move(conn, row.uuid, row.instance_uuid, consumer_type=claims.INSTANCE)


def give_up(conn: sa.Connection, row: Row) -> None:
    """The server is where it goes: what it held before is free."""
    placing.fence(conn, row)
    claims.release(conn, row.uuid)


def _holds(conn: sa.Connection, consumer: str) -> bool:
    return bool(claims.allocations_of(conn, [consumer]))


def no_host_left(message: str, tried: list[str], details: str = "") -> errors.NoValidHost:
    """Which hosts they were is for administrators: details, not the message that the owner reads."""
    return errors.NoValidHost(f"{message} ({len(tried)} hosts tried)" if len(tried) > 1 else message,
                              details=f"Hosts tried: {', '.join(tried)}\n{details}", retry=False)


def within(run: Run) -> tuple[Environment, Row, Cell]:
    """What a step of a move works with; a row without a cell is none."""
    env: Environment = run.env
    if env.cell is None:
        raise errors.Stale("A move belongs to a cell.")
    return env, run.row, env.cell


def server_of(cell: Cell, row: Row) -> dict[str, Any]:
    """The server as its cell has it; Stale when it is gone."""
    with cell.database.read() as conn:
        server = instances.get(conn, row.instance_uuid)
    if server is None or server["deleted"]:
        raise errors.Stale(f"Server {row.instance_uuid} is gone.")
    return server


def node_of(cell: Cell, uuid: str) -> dict[str, Any]:
    """The compute node of a provider; NoValidHost when the cell has none."""
    with cell.database.read() as conn:
        found = compute_nodes.get(conn, uuid)
    if found is None:
        raise errors.NoValidHost(f"No host of the server's cell has the provider {uuid}.", retry=False)
    return found
