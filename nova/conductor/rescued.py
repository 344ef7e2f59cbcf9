# SPDX-License-Identifier: Apache-2.0
"""Takes servers back that nobody has taken back from their rescue for long enough. How, comes in as a function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell, Cells
from nova.conductor.sweep import Sweep, at_rest
from nova.context import RequestContext
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.workflow.operations import RESCUE

LOG = logging.getLogger(__name__)


def rescued(cells: Cells, unrescue: Callable[[RequestContext, str], Any], *, keep: float,
            interval: float = 60.0) -> Sweep[sa.Row[Any]]:
    """``keep``: for how many seconds servers stay rescued. ``unrescue`` accepts what an owner can ask for; Conflict,
    Invalid or NotFound: it cannot be done now, and is asked for again."""
    t, o = instances.instances.c, cell_operations.operations.c

    def due(cell: Cell) -> Iterator[sa.Row[Any]]:
        lately = sa.exists().where(o.instance_uuid == t.uuid, o.action == RESCUE.action,
                                   o.finished_at > concurrency.time() - keep)
        return at_rest(cell, states.RESCUED, ~lately, columns=(t.user_id, t.project_id))

    def take_back(cell: Cell, server: sa.Row[Any]) -> bool:
        context = RequestContext(user_id=server.user_id, project_id=server.project_id).elevated()
        try:
            unrescue(context, server.uuid)
        except (errors.Conflict, errors.Invalid, errors.NotFound) as e:
            LOG.info("server %s stays rescued for now: %s", server.uuid, e.message)
            return False
        LOG.info("server %s was rescued %g s ago and is taken back now", server.uuid, keep)
        return True

    return Sweep("rescued", cells, due, take_back, interval=min(interval, keep))
