# SPDX-License-Identifier: Apache-2.0
"""Builds that take too long are given up, as if an operator had cancelled them."""

from __future__ import annotations

import logging

from nova import errors
from nova.cells import Cells
from nova.concurrency.periodic import Periodic
from nova.conductor import intervene
from nova.db.engine import Database
from nova.store.operation_search import OperationSearch, Wanted

LOG = logging.getLogger(__name__)


class StaleBuilds:
    """``timeout``: seconds from the acceptance of a create."""

    def __init__(self, api: Database, cells: Cells, *, timeout: float, interval: float = 60.0) -> None:
        self._api, self._search, self._timeout = api, OperationSearch(api, cells), timeout
        self._periodic = Periodic("stale-builds", min(interval, timeout), self.look)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def look(self) -> list[str]:
        """Give up what is too old now; gives the servers."""
        given_up = []
        for found in self._search.find(Wanted(states=("open",), action="create", older_than=self._timeout)):
            try:
                told = intervene.cancel(self._api, found, by=f"the limit of {self._timeout:g} s for building a server")
            except errors.Conflict as e:
                LOG.debug("the build of server %s is left alone: %s", found.row["instance_uuid"], e.message)
                continue
            LOG.warning("server %s took longer than %g s to build: %s", found.row["instance_uuid"], self._timeout, told)
            given_up.append(found.row["instance_uuid"])
        return given_up
