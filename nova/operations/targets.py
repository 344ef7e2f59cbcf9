# SPDX-License-Identifier: Apache-2.0
"""The host that a request names for a server: whether the server may go there at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.cells import Cell
from nova.db.api import cells as mappings
from nova.operations.acceptance import Deps, host_is_down


def check(deps: Deps, cell: Cell, server: Mapping[str, Any], host: str) -> None:
    """Raises Invalid for the server's own host, an unknown one, one of another cell, and one that is down."""
    if host == server["host"]:
        raise errors.Invalid("The target host can't be the same one.")
    with deps.api.read() as conn:
        found = mappings.list_hosts(conn, [host])
    if not found:
        raise errors.Invalid(f"Compute host {host} could not be found.")
    if found[0]["cell_uuid"] != cell.uuid:
        raise errors.Invalid(f"Compute host {host} is in another cell; servers stay in theirs.")
    with cell.database.read() as conn:
        if host_is_down(conn, host, deps.lease):
            raise errors.Invalid(f"Compute host {host} is down.")
