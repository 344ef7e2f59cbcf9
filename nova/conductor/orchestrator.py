# SPDX-License-Identifier: Apache-2.0
"""Moves operations at API level: takes rows it is told of, runs their steps, and goes on in the cell they moved to."""

from __future__ import annotations

import logging
from typing import Any

from nova import concurrency, errors
from nova.cells import Cell
from nova.clients.compute import ComputeClient
from nova.clients.nudges import Sender
from nova.conductor.environment import Environment
from nova.context import service_context
from nova.store.cell import work_of
from nova.store.handover import Given
from nova.store.journals import DatabaseJournal, Handover, Promise, api_journal, cell_journal, row_of
from nova.workflow import Row, Runner, Workflows

LOG = logging.getLogger(__name__)


class Orchestrator:
    """``look`` is what nudges and the janitor call; ``workers`` rows run side by side, one at a time per server."""

    def __init__(self, environment: Environment, workflows: Workflows, sender: Sender, *, lease: float = 8.0,
                 workers: int = 16, host: str | None = None) -> None:
        self.environment = environment
        self._workflows, self._sender, self._lease, self._host = workflows, sender, lease, host
        self._pool = concurrency.make_pool(workers, "orchestrator")
        self._lock = concurrency.Lock()
        self._running: dict[str, None] = {}
        self._queued: set[tuple[str, int]] = set()
        self._journals: dict[str, DatabaseJournal] = {"": api_journal(environment.api, lease)}

    def stop(self, timeout: float = 30.0) -> None:
        self._pool.drain(timeout)
        self._pool.stop(1)

    @property
    def running(self) -> list[str]:
        """The operations that this process is moving now."""
        with self._lock:
            return list(self._running)

    def look(self, cell_uuid: str | None, operations: list[list[Any]]) -> None:
        """Take each [uuid, epoch] if it is still there, and move it. What waits for a worker is queued once."""
        for uuid, epoch in operations:
            with self._lock:
                if (uuid, epoch) in self._queued:
                    continue
                self._queued.add((uuid, epoch))
            self._pool.submit(self._guarded, uuid, epoch, cell_uuid or "")

    def journal(self, cell: Cell | None) -> DatabaseJournal:
        key = cell.uuid if cell else ""
        if cell is not None and (key not in self._journals or self._journals[key].database is not cell.database):
            self._journals[key] = cell_journal(cell.database, self._lease)
        return self._journals[key]

    # -- one row -------------------------------------------------------------------------------------------------------

    def _guarded(self, uuid: str, epoch: int, cell_uuid: str) -> None:
        with self._lock:
            self._queued.discard((uuid, epoch))
            if uuid in self._running:
                return
            self._running[uuid] = None
        try:
            self._take_and_run(cell_uuid, uuid, epoch)
        except errors.NovaError as e:
            LOG.warning("operation %s will be looked at again: %s", uuid, e.message)
        finally:
            with self._lock:
                self._running.pop(uuid, None)

    def _take_and_run(self, cell_uuid: str, uuid: str, epoch: int) -> None:
        cell = self.environment.cells.get(cell_uuid) if cell_uuid else None
        journal, owner = self.journal(cell), self.environment.owner
        row = journal.prepare(uuid, epoch, owner, level="api")
        if row is None and cell is not None and (waiting := journal.waiting(uuid, epoch)) is not None:
            self._nudge(waiting, cell)  # one host of a move has handed it to the other: they do not speak to each other
            return
        if row is None or not self._lean(row):
            row = journal.take(uuid, epoch, owner, level="api") or journal.retake(uuid, epoch, owner, level="api")
        if row is not None:
            self._run(row, cell)

    def _lean(self, row: Row) -> bool:
        return row.state == "open" and row.action in self._workflows and self._workflows[row.action].step(row.step).lean

    def _between_hosts(self, row: Row) -> bool:
        """Such a row changes hands so often that asking for it each time would be most of what it takes."""
        return row.action in self._workflows and any(step.place for step in self._workflows[row.action].steps)

    def _run(self, row: Row, cell: Cell | None) -> None:
        environment = self.environment.at(cell) if cell else self.environment
        journal = self.journal(cell)
        runner = Runner(Handover(journal) if cell and self._between_hosts(row) else journal, self._workflows,
                        level="api", nudge=lambda r: self._nudge(r, cell), told_as=self._host)
        runner.run(row, environment)
        if row.state == "moved" and cell is None:
            target = self.environment.cells.get(row.step_data["selected"]["cell_uuid"])
            self._go_on(Row(**{f: getattr(row, f) for f in _KEPT}, step="dispatch", state="open"), target)

    def _go_on(self, row: Row, cell: Cell) -> None:
        """In the cell that the row has just moved to. A host that lives begins on the message alone, under our epoch;
        the row stays ours until it reports. One that has not moved by the next scan is handed over in writing."""
        copied = row.carried
        if copied is None or copied.incarnation is None or cell.bus is None:
            row.carried = None
            self._run(row, cell)
            return
        row.step_data = copied.data

        def begin(row: Row) -> None:
            work = work_of(row, copied.server, self.environment.sealer)
            self._sender.send(f"compute.{row.action}", ComputeClient(cell.bus).begin, service_context(), row.host,
                              copied.incarnation, [work])

        Runner(Promise(self.journal(cell)), self._workflows, level="api", nudge=begin, told_as=self._host).run(
            row, self.environment.at(cell))

    def _nudge(self, row: Row, cell: Cell | None) -> None:
        if cell is not None and cell.bus is not None and row.level == "host" and row.host:
            client, label = ComputeClient(cell.bus), f"compute.{row.action}"
            if isinstance(given := row.carried, Given):
                work = work_of(row_of(given.operation), given.server, self.environment.sealer)
                self._sender.send(label, client.begin, service_context(), given.host, given.incarnation, [work])
            else:
                self._sender.send(label, client.look, service_context(), row.host, [[row.uuid, row.epoch]])


_KEPT = ("uuid", "instance_uuid", "action", "level", "epoch", "version", "host", "owner", "inputs", "step_data",
         "actor", "attempt", "project_id", "request_id", "secrets", "carried")
