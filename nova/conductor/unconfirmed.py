# SPDX-License-Identifier: Apache-2.0
"""Confirms resizes that nobody has confirmed or reverted for long enough: their confirmation is accepted here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from nova import concurrency, states
from nova.cells import Cell, Cells
from nova.clients.nudges import Sender
from nova.conductor.sweep import Sweep, at_rest, begin, starter
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from nova.store import moves
from nova.workflow.operations import CONFIRM


def unconfirmed(cells: Cells, sender: Sender, *, window: float, lease: float, interval: float = 60.0) -> Sweep[str]:
    """``window``: for how many seconds a resized server waits for its owner."""
    def due(cell: Cell) -> Iterator[str]:
        since = instances.instances.c.launched_at
        return (row.uuid for row in at_rest(cell, states.RESIZED, since <= concurrency.time() - window))

    def confirm(conn: sa.Connection, server: dict[str, Any]) -> dict[str, Any] | None:
        kept = server["system_metadata"].get("resized_from")
        if kept is None or cell_operations.open_of(conn, server["uuid"]):
            return None
        source = kept["source_compute"]
        living = services.living(conn, source, "nova-compute", lease)
        row = begin(conn, server, CONFIRM, level="host" if living else "api", step="drop" if living else "settle",
                    inputs={"from": kept}, more={"host": source, "step_data": {
                        "source_compute": source, "dest_compute": kept["dest_compute"]}})
        if row is not None:
            moves.mark(conn, kept["operation"], "confirming")
        return row

    act = starter(sender, states.RESIZED, confirm, f"was resized {window:g} s ago and is confirmed now")
    return Sweep("unconfirmed", cells, due, act, interval=min(interval, window))
