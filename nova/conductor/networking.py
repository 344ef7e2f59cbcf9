# SPDX-License-Identifier: Apache-2.0
"""Looks for changed network records that no cell has heard of: many at once, or left by an API process that died."""

from __future__ import annotations

from nova.cells import Cells
from nova.clients.network import NetworkClient
from nova.clients.nudges import Sender
from nova.concurrency.periodic import Periodic
from nova.context import service_context
from nova.db.engine import Database
from nova.networks.publishing import Publisher


class NetworkChanges:
    """``start()`` looks every ``interval`` seconds, and again at once while there is more."""

    def __init__(self, api: Database, cells: Cells, sender: Sender, *, interval: float = 2.0) -> None:
        self._publisher = Publisher(api, cells)
        self._sender = sender
        self._periodic = Periodic("network-changes", interval, self.scan)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def scan(self) -> None:
        """Bring what is marked now to its cells and nudge the hosts."""
        for cell, host in self._publisher.publish():
            if cell.bus is not None:
                self._sender.send("network", NetworkClient(cell.bus).refresh, service_context(), host)
