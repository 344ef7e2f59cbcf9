# SPDX-License-Identifier: Apache-2.0
"""Brings what hosts reported to placement and to the host mappings. Only nodes whose report changed are looked at."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova import errors
from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.db.api import cells as mappings
from nova.db.cell import compute_nodes
from nova.db.engine import Database
from nova.placement import inventory

LOG = logging.getLogger(__name__)


class Inventories:
    """``apply()`` is idempotent; it runs when a host says that something changed, and every ``interval`` seconds."""

    def __init__(self, api: Database, cells: Cells, *, interval: float = 10.0) -> None:
        self._api, self._cells = api, cells
        self._periodic = Periodic("inventories", interval, self.apply, at_once=True)
        self.start, self.stop, self.changed = self._periodic.start, self._periodic.stop, self._periodic.wake

    def apply(self) -> int:
        """Apply every report that placement has not seen; returns how many nodes there were."""
        count = 0
        try:
            cells = self._cells.with_hosts()
        except errors.Unavailable as e:
            LOG.warning("inventories wait: %s", e.message)
            return 0
        for cell in cells:
            try:
                count += self._apply(cell)
            except errors.Unavailable as e:
                LOG.warning("inventories of cell %s wait: %s", cell.name, e.message)
        return count

    def _apply(self, cell: Cell) -> int:
        with cell.database.read() as conn:
            nodes = compute_nodes.unapplied(conn)
        for node in nodes:
            def write(conn: sa.Connection, node: dict[str, Any] = node) -> None:
                mappings.map_host(conn, node["host"], cell.uuid)
                inventory.apply_report(conn, node["uuid"], node["hypervisor_hostname"], node["inventory"],
                                       node["traits"])

            try:
                self._api.run(write)
            except exc.IntegrityError:  # another orchestrator applied the same report at this moment
                self._api.run(write)
            cell.database.run(lambda conn, node=node: compute_nodes.mark_applied(  # type: ignore[misc]
                conn, node["uuid"], node["report_version"]))
        return len(nodes)
