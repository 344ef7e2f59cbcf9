# SPDX-License-Identifier: Apache-2.0
"""Finds what nobody moves: rows whose time has come, rows whose owner is gone, rows past their deadline.

With every message dropped, this alone brings everything to an end. A janitor that has not itself had database and
broker for a whole lease judges nobody, nor does it when more than a fifth of the owners seem to vanish at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell
from nova.clients.compute import ComputeClient
from nova.clients.nudges import Sender
from nova.concurrency.periodic import Periodic
from nova.conductor import silence
from nova.conductor.judgement import Judgement
from nova.conductor.orchestrator import Orchestrator
from nova.context import service_context
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.api.tables import services as api_services
from nova.db.cell import instances, signals
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database
from nova.db.operations import OperationTables
from nova.db.services import ServiceTables
from nova.store import events, idempotency, phases, queueing

LOG = logging.getLogger(__name__)
#: Seconds between two nudges of a janitor for the same row of a host.
_NUDGE_AGAIN = 5.0
#: Operations that do not wait for a dead host: their step at API level, with which they go on.
_WITHOUT_HOST = {"delete": "release", "soft_delete": "uncharge"}


class Janitor:
    """One scan of the API database and of every cell each ``interval`` seconds."""

    def __init__(self, orchestrator: Orchestrator, sender: Sender, *, interval: float = 2.0, lease: float = 8.0,
                 down_after: float = 60.0, retention: float = 30 * 86400.0) -> None:
        self._orchestrator, self._sender = orchestrator, sender
        self._retention = retention
        self.judgement = Judgement(lease, down_after)
        self._nudged: dict[tuple[str, int], float] = {}
        self._purged_at = 0.0
        # The first scan at once: what a former self had in hand waits for nothing else.
        self._periodic = Periodic("janitor", interval, self.scan, at_once=True)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def scan(self) -> None:
        """Look once, everywhere."""
        env = self._orchestrator.environment
        self._guarded("api", lambda: self._scan_rows(env.api, api_operations, api_services, None))
        try:
            cells = env.cells.all()
        except errors.Unavailable:
            return
        for cell in cells:
            self._guarded(cell.uuid, lambda cell=cell: self._scan_cell(cell))
        if concurrency.time() - self._purged_at > 3600:
            self._purged_at = concurrency.time()
            self._purge(env.api, cells)

    def _guarded(self, where: str, scan: Any) -> None:
        try:
            self.judgement.reach(where, scan)
        except errors.Unavailable as e:
            LOG.warning("the janitor could not look into %s: %s", where, e.message)

    # -- rows at API level -------------------------------------------------------------------------------------------

    def _scan_rows(self, database: Database, tables: OperationTables, services: ServiceTables,
                   cell: Cell | None) -> None:
        running = self._orchestrator.running
        owner = self._orchestrator.environment.owner
        where = cell.uuid if cell else "api"
        with database.read() as conn:
            if not tables.any_open(conn):
                return
            lease = self.judgement.limit(services.list(conn))
            due = tables.abandoned(conn, level="api", lease=lease)
            due += tables.lost(conn, owner=owner, running=running)
            late = tables.overdue(conn) if cell is None else []
        for row in late:
            self._bury(database, row)
        rows = [r for r in due if r["uuid"] not in running]
        if not self.judgement.may(where):
            rows = [r for r in rows if r["owner"] in (None, owner) or r["orphaned"]]
        if rows:
            self._orchestrator.look(cell.uuid if cell else None, [[r["uuid"], r["epoch"]] for r in rows])

    def _bury(self, api: Database, row: dict[str, Any]) -> None:
        """A create that found no scheduler, or no way into its cell, before its deadline ends in cell0 and says so."""
        if row["level"] != "api" or row["state"] != "open" or row["step"] not in ("schedule", "record"):
            return
        fault = {"code": 500, "message": "The server was not scheduled before the operation's deadline.",
                 "retry": False, "host": None, "details": ""}
        epoch = row["epoch"] + 1

        def pull(conn: sa.Connection) -> bool:
            data = row["step_data"] | {"fault": fault}
            return api_operations.advance(conn, row["uuid"], row["epoch"], step="bury", step_data=data, owner=None,
                                          epoch=epoch, due_in=0.0) and _fenced(
                mappings.raise_fence(conn, row["instance_uuid"], epoch), row)

        if _unless_stale(lambda: api.run(pull)):
            self._orchestrator.look(None, [[row["uuid"], epoch]])

    # -- rows of hosts -----------------------------------------------------------------------------------------------

    def _scan_cell(self, cell: Cell) -> None:
        self._scan_rows(cell.database, cell_operations, cell_services, cell)
        if cell.bus is None:
            return
        with cell.database.read() as conn:
            computes = cell_services.list(conn, binary="nova-compute")
            if not cell_operations.any_open(conn):
                self._hearing(cell, computes)
                return
            lease = self.judgement.limit(computes)
            down = {s["host"] for s in computes if s["age"] > lease}
            dead = {s["host"] for s in computes if self.judgement.is_down(s)}
            due = cell_operations.abandoned(conn, level="host", lease=lease)
            deletes = {step: cell_operations.abandoned(conn, level="host", lease=lease, action=action)
                       for action, step in _WITHOUT_HOST.items()} if down else {}
            creates = cell_operations.abandoned(conn, level="host", lease=lease, action="create") if dead else []
            overdue = cell_operations.overdue(conn)
        self._nudge_hosts(cell, [r for r in due if r["host"] not in down])
        if self.judgement.may(cell.uuid, self._hearing(cell, computes)):
            for step, rows in deletes.items():
                self._take_back(cell, [r for r in rows if r["host"] in down], step)
            self._send_elsewhere(cell, [r for r in creates if r["host"] in dead])
            for row in due:
                if row["host"] in down:
                    self._go_on_without(cell, row, silence.DEAD if row["host"] in dead else silence.DOWN)
            for row in overdue:
                if not self._go_on_without(cell, row, silence.LATE):
                    self._expire(cell, row)

    def _hearing(self, cell: Cell, computes: list[dict[str, Any]]) -> str:
        """Hosts speak through the cell's broker. It is asked when none of them was heard lately."""
        broker = f"broker of {cell.uuid}"
        ask = (lambda: None) if not computes or self.judgement.heard(computes) else cell.bus.check
        try:
            self.judgement.reach(broker, ask)
        except errors.Unavailable as e:
            LOG.warning("nobody of cell %s is judged now: %s", cell.name, e.message)
        return broker

    def _nudge_hosts(self, cell: Cell, rows: list[dict[str, Any]]) -> None:
        """Each row once in a while; its host looks by itself too, so ``due_at`` stays as it is."""
        client, now = ComputeClient(cell.bus), concurrency.monotonic()
        self._nudged = {key: at for key, at in self._nudged.items() if now - at < _NUDGE_AGAIN}
        for row in rows:
            key = (row["uuid"], row["epoch"])
            if key not in self._nudged:
                self._nudged[key] = now
                self._sender.send(f"compute.{row['action']}", client.look, service_context(), row["host"], [list(key)])

    def _take_back(self, cell: Cell, rows: list[dict[str, Any]], step: str) -> None:
        """A delete does not wait for a dead host: the API level does its part, the host's copy goes when it starts."""
        for row in rows:
            if _pulled(cell, row, step, None):
                self._orchestrator.look(cell.uuid, [[row["uuid"], row["epoch"] + 1]])

    def _send_elsewhere(self, cell: Cell, rows: list[dict[str, Any]]) -> None:
        """A build does not wait for a host that is shown as down while there is another. What the first one has, or
        makes yet, is a stranger there: its report comes too late, and its check removes the guest."""
        for row in rows:
            if row["state"] == "open" and row["step"] == "build" and row["step_data"].get("alternates"):
                fault = {"code": 500, "message": "The host went down while the server was built.", "retry": True,
                         "host": row["host"], "details": f"Host {row['host']} is down."}
                if _pulled(cell, row, "reschedule", row["step_data"] | {"fault": fault}):
                    self._orchestrator.look(cell.uuid, [[row["uuid"], row["epoch"] + 1]])

    def _go_on_without(self, cell: Cell, row: dict[str, Any], sure: int) -> bool:
        """A move or an unshelve goes on without a host that says nothing, if there is a way."""
        way = silence.way_out(row, sure)
        if way is None:
            return False

        def pull(conn: sa.Connection) -> bool:
            return cell_operations.advance(conn, row["uuid"], row["epoch"], **silence.values(row, way)) and _fenced(
                instances.raise_epoch(conn, row["instance_uuid"], row["epoch"]), row)

        if _unless_stale(lambda: cell.database.run(pull)):
            self._orchestrator.look(cell.uuid, [[row["uuid"], row["epoch"] + 1]])
        return True

    def _expire(self, cell: Cell, row: dict[str, Any]) -> None:
        """Past its deadline on a host, gone or hanging: a create is given up, other operations fail with a reason. What
        the host does yet comes too late; a guest that it makes yet is a stranger there."""
        if row["level"] != "host":
            return
        fault = {"code": 500, "message": f"Host {row['host']} did not finish before the operation's deadline.",
                 "retry": False, "host": row["host"], "details": ""}
        if row["action"] == "create":
            data = row["step_data"] | {"fault": fault}
            if _pulled(cell, row, "abandon", data):
                self._orchestrator.look(cell.uuid, [[row["uuid"], row["epoch"] + 1]])
            return
        cell.database.run(lambda conn: _fail(conn, row, fault))

    def _purge(self, api: Database, cells: list[Cell]) -> None:
        api.run(lambda conn: api_operations.purge(conn, self._retention))
        idempotency.purge_keys(api)
        for cell in cells:
            self._guarded(cell.uuid, lambda cell=cell: self._purge_cell(cell.database))

    def _purge_cell(self, database: Database) -> None:
        database.run(lambda conn: cell_operations.purge(conn, self._retention))
        database.run(signals.purge)
        idempotency.purge_marks(database)


def _pulled(cell: Cell, row: dict[str, Any], step: str, data: dict[str, Any] | None) -> bool:
    return _unless_stale(lambda: cell.database.run(lambda conn: _pull(conn, row, step, data)))


def _unless_stale(work: Callable[[], bool]) -> bool:
    try:
        return work()
    except errors.Stale:
        return False


def _fenced(raised: bool, row: dict[str, Any]) -> bool:
    """The row's epoch and its server's rise together or not at all."""
    if not raised:
        raise errors.Stale(f"Server {row['instance_uuid']} has another owner.")
    return True


def _pull(conn: sa.Connection, row: dict[str, Any], step: str, data: dict[str, Any] | None) -> bool:
    """Bring a host's row to API level under a new epoch, so that the host's own writes come too late."""
    values: dict[str, Any] = {"level": "api", "step": step, "owner": None, "epoch": row["epoch"] + 1, "due_in": 0.0}
    if data is not None:
        values["step_data"] = data
    return cell_operations.advance(conn, row["uuid"], row["epoch"], **values) and _fenced(
        instances.raise_epoch(conn, row["instance_uuid"], row["epoch"]), row)


def _fail(conn: sa.Connection, row: dict[str, Any], fault: dict[str, Any]) -> None:
    was = events.before(conn, row["instance_uuid"])
    if cell_operations.advance(conn, row["uuid"], row["epoch"], state="failed", fault=fault):
        instances.update(conn, row["instance_uuid"], task_state=None, vm_state=states.ERROR)
        instances.add_fault(conn, row["instance_uuid"], fault)
        queueing.go_on(conn, row["action"], row["instance_uuid"])
        if was is not None:
            events.after(conn, was, phases.given_up(row, fault), service=events.CONDUCTOR)
