# SPDX-License-Identifier: Apache-2.0
"""Runs the usage audit of each host once per period. Which servers are told of is in :mod:`nova.store.usage_audit`."""

from __future__ import annotations

import logging

from sqlalchemy import exc

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.db.cell import task_log
from nova.db.cell.tables import services
from nova.store import usage_audit

LOG = logging.getLogger(__name__)
#: Seconds for which the log of audits is kept.
_KEEP = 400 * 86400.0


class UsageAudits:
    """Looks every ``interval`` seconds whether a period is over; several orchestrators may do so at once."""

    def __init__(self, cells: Cells, *, period: str, interval: float = 60.0) -> None:
        self._cells, self._period = cells, period
        self._periodic = Periodic("usage-audits", interval, self.look, at_once=True)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def look(self) -> int:
        """Audit the hosts that have none of the last period; gives how many were done."""
        beginning, ending = usage_audit.last_period(self._period, concurrency.time())
        done = 0
        for cell in self._cells.with_hosts():
            try:
                done += sum(self._audit(cell, host, beginning, ending) for host in self._due(cell, beginning, ending))
            except errors.Unavailable as e:
                LOG.warning("the usage audit of cell %s waits: %s", cell.name, e.message)
        return done

    def _due(self, cell: Cell, beginning: float, ending: float) -> list[str]:
        with cell.database.read() as conn:
            done = task_log.of_period(conn, usage_audit.TASK, beginning, ending)
            hosts = [row["host"] for row in services.list(conn, binary="nova-compute")]
        return [host for host in hosts if host not in done]

    def _audit(self, cell: Cell, host: str, beginning: float, ending: float) -> bool:
        try:
            count = cell.database.run(lambda conn: usage_audit.audit(conn, host, beginning, ending))
        except exc.IntegrityError:
            return False  # another orchestrator was faster
        LOG.info("usage audit of host %s: %d servers", host, count)
        cell.database.run(lambda conn: task_log.purge(conn, ending - _KEEP))
        return True
