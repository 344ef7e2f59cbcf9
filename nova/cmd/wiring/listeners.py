# SPDX-License-Identifier: Apache-2.0
"""The ends of the API level on the buses of the cells: they follow the cells as these come, move and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.rpc.endpoint import Endpoint


class CellListeners:
    """One server of ``topic`` on each bus: on the API level's with ``own`` endpoints, on a cell's with ``of_cell``'s.

    A cell that shares a bus shares its server. The mappings are looked at every ``interval`` seconds.
    """

    def __init__(self, bus: Any, cells: Cells, own: Sequence[Endpoint], of_cell: Callable[[Cell], Endpoint], *,
                 topic: str, host: str, workers: int, interval: float = 5.0) -> None:
        self._bus, self._cells, self._own, self._of_cell = bus, cells, own, of_cell
        self._topic, self._host, self._workers = topic, host, workers
        self._servers: dict[int, tuple[frozenset[str], Any]] = {}
        self._periodic = Periodic(f"listeners-{topic}", interval, self.follow)

    def start(self) -> None:
        self.follow()
        self._periodic.start()

    def stop(self) -> None:
        self._periodic.stop()
        servers = [server for _, server in self._servers.values()]
        for server in servers:
            server.stop()
        for server in servers:
            server.wait()
        self._servers.clear()

    def follow(self) -> None:
        """Serve each bus for exactly the cells that are on it now."""
        wanted: dict[int, tuple[Any, list[Cell]]] = {id(self._bus): (self._bus, [])}
        for cell in self._cells.with_hosts():
            if cell.bus is not None:
                wanted.setdefault(id(cell.bus), (cell.bus, []))[1].append(cell)
        for key, (served, server) in list(self._servers.items()):
            if key not in wanted or served != frozenset(c.uuid for c in wanted[key][1]):
                del self._servers[key]
                server.stop()
                server.wait()
        for key, (bus, cells) in wanted.items():
            if key not in self._servers:
                endpoints = [*(self._own if bus is self._bus else ()), *map(self._of_cell, cells)]
                server = bus.serve(self._topic, self._host, endpoints, workers=self._workers)
                server.start()
                self._servers[key] = (frozenset(c.uuid for c in cells), server)
