# SPDX-License-Identifier: Apache-2.0
"""Takes servers back that nobody has taken back from their rescue for long enough. How, comes in as a function."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.context import RequestContext
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.workflow.operations import RESCUE

LOG = logging.getLogger(__name__)
_BATCH = 200


class Rescued:
    """Looks every ``interval`` seconds; ``keep`` is for how many seconds servers stay rescued. ``unrescue`` accepts
    what an owner can ask for; Conflict or Invalid: it cannot be done now, and is asked for again."""

    def __init__(self, cells: Cells, unrescue: Callable[[RequestContext, str], Any], *, keep: float,
                 interval: float = 60.0) -> None:
        self._cells, self._unrescue, self._keep = cells, unrescue, keep
        self._periodic = Periodic("rescued", min(interval, keep), self.look)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def look(self) -> list[str]:
        """Accept what is due now; gives the servers."""
        taken_back = []
        for cell in self._cells.with_hosts():
            try:
                taken_back += [server["uuid"] for server in self._due(cell) if self._take_back(server)]
            except errors.Unavailable as e:
                LOG.warning("rescued servers of cell %s are taken back later: %s", cell.name, e.message)
        return taken_back

    def _due(self, cell: Cell) -> list[dict[str, Any]]:
        """No rescue of theirs has ended since."""
        t, o = instances.instances.c, cell_operations.operations.c
        lately = sa.exists().where(o.instance_uuid == t.uuid, o.action == RESCUE.action,
                                   o.finished_at > concurrency.time() - self._keep)
        query = sa.select(t.uuid, t.user_id, t.project_id).where(
            t.deleted.is_(False), t.vm_state == states.RESCUED, t.task_state.is_(None), ~lately)
        with cell.database.read(patient=True) as conn:
            return [dict(row) for row in conn.execute(query.limit(_BATCH)).mappings()]

    def _take_back(self, server: dict[str, Any]) -> bool:
        context = RequestContext(user_id=server["user_id"], project_id=server["project_id"]).elevated()
        try:
            self._unrescue(context, server["uuid"])
        except (errors.Conflict, errors.Invalid, errors.NotFound) as e:
            LOG.info("server %s stays rescued for now: %s", server["uuid"], e.message)
            return False
        LOG.info("server %s was rescued %g s ago and is taken back now", server["uuid"], self._keep)
        return True
