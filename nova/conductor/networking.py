# SPDX-License-Identifier: Apache-2.0
"""Looks for changed network records that no cell has heard of: many at once, or left by an API process that died."""

from __future__ import annotations

import logging

from nova import concurrency, errors
from nova.cells import Cells
from nova.clients.network import NetworkClient
from nova.clients.nudges import Sender
from nova.context import service_context
from nova.db.engine import Database
from nova.networks.publishing import Publisher

LOG = logging.getLogger(__name__)


class NetworkChanges:
    """``start()`` looks every ``interval`` seconds, and again at once while there is more."""

    def __init__(self, api: Database, cells: Cells, sender: Sender, *, interval: float = 2.0) -> None:
        self._publisher = Publisher(api, cells)
        self._sender, self._interval = sender, interval
        self._stop = concurrency.Event()
        self._task: concurrency.Task | None = None

    def start(self) -> None:
        self._task = concurrency.spawn(self._run, name="network-changes")

    def stop(self) -> None:
        self._stop.set()
        if self._task is not None:
            self._task.join(5)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self.scan()
            except errors.Unavailable as e:
                LOG.warning("changed networks reach a cell later: %s", e.message)
            except Exception:
                LOG.exception("a look for changed networks ended by an error")

    def scan(self) -> None:
        """Bring what is marked now to its cells and nudge the hosts."""
        for cell, host in self._publisher.publish():
            if cell.bus is not None:
                self._sender.send("network", NetworkClient(cell.bus).refresh, service_context(), host)
