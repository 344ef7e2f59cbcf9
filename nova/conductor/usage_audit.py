# SPDX-License-Identifier: Apache-2.0
"""Runs the usage audit of each host once per period. Which servers are told of is in :mod:`nova.store.usage_audit`."""

from __future__ import annotations

import logging
from typing import NamedTuple

from sqlalchemy import exc

from nova import concurrency
from nova.cells import Cell, Cells
from nova.conductor.sweep import Sweep
from nova.db.cell import task_log
from nova.db.cell.tables import services
from nova.store import usage_audit

LOG = logging.getLogger(__name__)
#: Seconds for which the log of audits is kept.
_KEEP = 400 * 86400.0


class Due(NamedTuple):
    """A host and the period of which it is to be audited."""

    host: str
    beginning: float
    ending: float


def usage_audits(cells: Cells, *, period: str, interval: float = 60.0) -> Sweep[Due]:
    """Looks every ``interval`` seconds whether a ``period`` is over; several orchestrators may do so at once."""
    return Sweep("usage-audits", cells, lambda cell: _due(cell, period), _audit, interval=interval, at_once=True)


def _due(cell: Cell, period: str) -> list[Due]:
    """The hosts that have no audit of the last period."""
    beginning, ending = usage_audit.last_period(period, concurrency.time())
    with cell.database.read() as conn:
        done = task_log.of_period(conn, usage_audit.TASK, beginning, ending)
        hosts = [row["host"] for row in services.list(conn, binary="nova-compute")]
    return [Due(host, beginning, ending) for host in hosts if host not in done]


def _audit(cell: Cell, due: Due) -> bool:
    try:
        count = cell.database.run(lambda conn: usage_audit.audit(conn, due.host, due.beginning, due.ending))
    except exc.IntegrityError:
        return False  # another orchestrator was faster
    LOG.info("usage audit of host %s: %d servers", due.host, count)
    cell.database.run(lambda conn: task_log.purge(conn, due.ending - _KEEP))
    return True
