# SPDX-License-Identifier: Apache-2.0
"""What a host is asked about a server, or told, while the user waits; no record changes."""

from __future__ import annotations

from typing import Any

from nova import concurrency, errors
from nova.clients.compute import ComputeClient
from nova.context import RequestContext
from nova.operations.acceptance import Deps, able, check_state, located
from nova.virt.interfaces import Diagnostics, Injection


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
        able(conn, row, Diagnostics.__name__, "get_diagnostics", errors.NotSupported)
    found = ComputeClient(cell.bus).diagnostics(context, row["host"], uuid, common)
    if not common:
        return found
    uptime = None if row["launched_at"] is None else max(0, int(concurrency.time() - row["launched_at"]))
    return found | {"uptime": uptime, "config_drive": bool(row["config_drive"])}


def inject_network_info(deps: Deps, context: RequestContext, uuid: str) -> None:
    """Write into the guest which cards and addresses its server has; Conflict when its host cannot."""
    cell, row = located(deps, context, uuid)
    check_state(row, "change_network", "injectNetworkInfo")
    with cell.database.read() as conn:
        able(conn, row, Injection.__name__, "injectNetworkInfo")
    try:
        ComputeClient(cell.bus).inject_network_info(context, row["host"], uuid, row["network_info"] or [])
    except errors.HostFailure as e:
        raise errors.Conflict(f"Cannot 'injectNetworkInfo' instance {uuid}: {e.message}") from e
