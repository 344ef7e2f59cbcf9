# SPDX-License-Identifier: Apache-2.0
"""What a host is asked about a server while the user waits; nothing is changed."""

from __future__ import annotations

from typing import Any

from nova import concurrency, errors
from nova.clients.compute import ComputeClient
from nova.context import RequestContext
from nova.db.cell import compute_nodes
from nova.operations.acceptance import Deps, check_state, located
from nova.virt.interfaces import Diagnostics


def console_output(deps: Deps, context: RequestContext, uuid: str, length: int | None) -> str:
    """The end of the guest's serial console log; Conflict while the server has no host."""
    cell, row = located(deps, context, uuid)
    if not row["host"]:
        raise errors.Conflict(f"Instance {uuid} is not ready")
    return ComputeClient(cell.bus).console_output(context, row["host"], uuid, length)


def diagnostics(deps: Deps, context: RequestContext, uuid: str, *, common: bool) -> dict[str, Any]:
    """The counters of a guest: in the form that all drivers share, or in the flat one of old."""
    cell, row = located(deps, context, uuid)
    check_state(row, "diagnostics", "get_diagnostics")
    with cell.database.read() as conn:
        able = Diagnostics.__name__ in compute_nodes.abilities(conn, row["host"])
    if not able:
        raise errors.NotSupported(f"Cannot 'get_diagnostics' instance {uuid}: its host offers no Diagnostics.")
    found = ComputeClient(cell.bus).diagnostics(context, row["host"], uuid, common)
    if not common:
        return found
    uptime = None if row["launched_at"] is None else max(0, int(concurrency.time() - row["launched_at"]))
    return found | {"uptime": uptime, "config_drive": bool(row["config_drive"])}
