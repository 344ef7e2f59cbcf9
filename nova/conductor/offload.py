# SPDX-License-Identifier: Apache-2.0
"""Servers that leave their hosts without being told to: at once when they are shelved, or when their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from nova import concurrency, states
from nova.cells import Cell, Cells
from nova.clients.nudges import Sender
from nova.conductor.sweep import Sweep, at_rest, begin, starter
from nova.db.cell import instances
from nova.workflow.operations import SHELVE_OFFLOAD


def offloader(cells: Cells, sender: Sender, *, keep: float, interval: float) -> Sweep[str]:
    """``keep``: for how many seconds shelved servers stay on their hosts."""
    def due(cell: Cell) -> Iterator[str]:
        before = concurrency.time() - keep
        for row in at_rest(cell, states.SHELVED, columns=(instances.instances.c.system_metadata,)):
            if float(row.system_metadata.get("shelved_at", 0)) <= before:
                yield row.uuid

    act = starter(sender, states.SHELVED, offload, f"was shelved {keep:g} s ago and leaves its host")
    return Sweep("offloader", cells, due, act, interval=interval)


def offload(conn: sa.Connection, server: dict[str, Any]) -> dict[str, Any] | None:
    """Accept the offload of a shelved server that is read for it in this transaction. None: it has left already."""
    if not server["host"]:
        return None
    return begin(conn, server, SHELVE_OFFLOAD, level="host", step=SHELVE_OFFLOAD.steps[0].name,
                 task_state="shelving_offloading")
