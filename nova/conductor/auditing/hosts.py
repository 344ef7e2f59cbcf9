# SPDX-License-Identifier: Apache-2.0
"""What hosts have and nobody owns: guests of no server, disks of a way back that is closed. Each host looks itself.

A host removes them by itself in time, as its options say; this asks all hosts at once, and has them look sooner.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.clients.compute import ComputeClient
from nova.conductor.auditing.leak import Leak
from nova.context import service_context
from nova.db.cell.tables import services

#: Every class of leak of a host, in words.
HOST_KINDS = {
    "guest": "a guest, or its disks, of a server that is deleted or elsewhere",
    "disks": "disks that were set aside for a way back that is closed",
}
_NAMES = {"guests": "guest", "disks": "disks"}


class HostAudit:
    """``silent`` names hosts that did not answer the last scan, with why."""

    def __init__(self, cells: Cells, *, lease: float, timeout: float = 30.0, workers: int = 16) -> None:
        self._cells, self._lease, self._timeout, self._workers = cells, lease, timeout, workers
        self.silent: dict[str, str] = {}

    def scan(self) -> list[Leak]:
        """Ask every host of every cell."""
        self.silent = {}
        found: list[Leak] = []
        lock = concurrency.Lock()

        def ask(cell: Cell, host: str) -> None:
            try:
                leaks = self._of_host(cell, host)
            except errors.NovaError as e:
                with lock:
                    self.silent[host] = e.message
                return
            with lock:
                found.extend(leaks)

        self._each(ask)
        return sorted(found)

    def _each(self, ask: Callable[[Cell, str], None]) -> None:
        pool = concurrency.make_pool(self._workers, "host-audit")
        try:
            for cell in self._cells.with_hosts():
                with cell.database.read() as conn:
                    computes = services.list(conn, binary="nova-compute")
                for service in computes:
                    if service["age"] > self._lease or cell.bus is None:
                        self.silent[service["host"]] = "it is down"
                    else:
                        pool.submit(ask, cell, service["host"])
            pool.drain(self._timeout * 2)
        finally:
            pool.stop(1)

    def _of_host(self, cell: Cell, host: str) -> list[Leak]:
        client = ComputeClient(cell.bus, timeout=self._timeout)
        answer = client.strangers(service_context(), host)
        fix = functools.partial(client.tidy, service_context(), host)
        return [Leak(_NAMES[name], f"{uuid}@{host}", HOST_KINDS[_NAMES[name]], functools.partial(fix, [uuid]), uuid)
                for name, uuids in answer.items() if name in _NAMES for uuid in uuids]

    def repair(self, leaks: list[Leak]) -> int:
        """Have their hosts look at once; each judges for itself. Returns how many were told of."""
        for leak in leaks:
            leak.fix()
        return len(leaks)
