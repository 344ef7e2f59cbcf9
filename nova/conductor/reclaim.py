# SPDX-License-Identifier: Apache-2.0
"""Reclaims what was deleted softly: when a server has been kept for long enough, its delete is accepted here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from nova import concurrency, states
from nova.cells import Cell, Cells
from nova.clients.nudges import Sender
from nova.conductor.sweep import Sweep, at_rest, begin, starter
from nova.db.cell import instances
from nova.db.cell.tables import services
from nova.workflow.operations import DELETE


def reclaimer(cells: Cells, sender: Sender, *, keep: float, lease: float, interval: float = 60.0) -> Sweep[str]:
    """``keep``: for how many seconds deleted servers are kept."""
    def due(cell: Cell) -> Iterator[str]:
        since = instances.instances.c.deleted_at
        return (row.uuid for row in at_rest(cell, states.SOFT_DELETED, since <= concurrency.time() - keep))

    def delete(conn: sa.Connection, server: dict[str, Any]) -> dict[str, Any] | None:
        living = server["host"] and services.living(conn, server["host"], "nova-compute", lease)
        return begin(conn, server, DELETE, level="host" if living else "api", step="destroy" if living else "release",
                     task_state="deleting")

    act = starter(sender, states.SOFT_DELETED, delete, f"was kept for {keep:g} s after its delete and is deleted now")
    return Sweep("reclaimer", cells, due, act, interval=min(interval, keep))
