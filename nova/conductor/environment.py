# SPDX-License-Identifier: Apache-2.0
"""What the steps at API level work with; the process that builds the object graph fills it in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nova.cells import Cell, Cells
from nova.conductor.errands import Errands
from nova.conductor.scheduling import PatientScheduler
from nova.context import RequestContext
from nova.db.engine import Database
from nova.images.snapshots import Snapshots
from nova.quota import Quota
from nova.store.secrets import Sealer
from nova.workflow import Row


@dataclasses.dataclass(frozen=True)
class Environment:
    """``image_source(context, image_id)`` gives what a build carries, with a signed URL; ``owner`` is the incarnation
    of this process; ``lease`` is after how many seconds of silence an incarnation is over. ``cell`` is set for rows
    that live in a cell. ``shelved_offload_time``: seconds until a shelved server leaves its host, -1 for never.
    ``tidy(cell, host, uuid)`` tells a host that a server is wanted there no more."""

    api: Database
    cells: Cells
    scheduler: PatientScheduler
    image_source: Callable[[RequestContext, str], dict[str, Any]]
    owner: str
    quota: Quota
    snapshots: Snapshots
    errands: Errands
    lease: float = 8.0
    shelved_offload_time: int = 0
    tidy: Callable[[Cell, str, str], None] = lambda cell, host, uuid: None
    cell: Cell | None = None
    sealer: Sealer | None = None

    def at(self, cell: Cell) -> Environment:
        return dataclasses.replace(self, cell=cell)


def actor(row: Row) -> RequestContext:
    """The context of whoever asked for the operation. It carries no token: steps act with the service's rights."""
    return RequestContext.from_dict(row.actor)
