# SPDX-License-Identifier: Apache-2.0
"""Confirms resizes that nobody has confirmed or reverted for long enough: their confirmation is accepted here."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell, Cells
from nova.clients.compute import ComputeClient
from nova.clients.nudges import Sender
from nova.concurrency.periodic import Periodic
from nova.context import service_context
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from nova.store import events, moves, phases
from nova.workflow.operations import CONFIRM

LOG = logging.getLogger(__name__)
_BATCH = 200


class Unconfirmed:
    """Looks every ``interval`` seconds; ``window``: for how many seconds a resized server waits for its owner."""

    def __init__(self, cells: Cells, sender: Sender, *, window: float, lease: float, interval: float = 60.0) -> None:
        self._cells, self._sender, self._window, self._lease = cells, sender, window, lease
        self._periodic = Periodic("unconfirmed", min(interval, window), self.look)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def look(self) -> list[str]:
        """Accept the confirmations that are due now; gives the servers."""
        confirmed = []
        for cell in self._cells.with_hosts():
            try:
                confirmed += self._look_into(cell)
            except errors.Unavailable as e:
                LOG.warning("resized servers of cell %s are confirmed later: %s", cell.name, e.message)
        return confirmed

    def _look_into(self, cell: Cell) -> list[str]:
        t = instances.instances.c
        with cell.database.read(patient=True) as conn:
            due = conn.scalars(sa.select(t.uuid).where(
                t.deleted.is_(False), t.vm_state == states.RESIZED, t.task_state.is_(None),
                t.launched_at <= concurrency.time() - self._window).limit(_BATCH)).all()
        return [uuid for uuid in due if self._confirm(cell, uuid)]

    def _confirm(self, cell: Cell, uuid: str) -> bool:
        row = cell.database.run(lambda conn: self._accept(conn, uuid))
        if row is None:
            return False
        LOG.info("server %s was resized %g s ago and is confirmed now", uuid, self._window)
        if row["level"] == "host" and cell.bus is not None:
            self._sender.send("compute.confirmResize", ComputeClient(cell.bus).look, service_context(), row["host"],
                              [[row["uuid"], row["epoch"]]])
        return True

    def _accept(self, conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
        """None: its owner was faster."""
        server = instances.get_for_update(conn, uuid)
        if (server is None or server["deleted"] or (server["vm_state"], server["task_state"]) != (states.RESIZED, None)
                or cell_operations.open_of(conn, uuid)):
            return None
        kept: dict[str, Any] | None = server["system_metadata"].get("resized_from")
        epoch, seq, now = server["epoch"] + 1, server["op_seq"] + 1, concurrency.time()
        if kept is None or not instances.update(conn, uuid, epoch=server["epoch"], raised_to=epoch, op_seq=seq):
            return None
        request = service_context().to_dict()["request_id"]
        source = kept["source_compute"]
        living = services.living(conn, source, "nova-compute", self._lease)
        row: dict[str, Any] = {
            "uuid": concurrency.uuid4(), "instance_uuid": uuid, "project_id": server["project_id"],
            "user_id": server["user_id"], "request_id": request, "seq": seq, "action": CONFIRM.action,
            "workflow_version": CONFIRM.version, "inputs": {"from": kept}, "level": "host" if living else "api",
            "actor": {"user_id": server["user_id"], "project_id": server["project_id"], "roles": ["admin"],
                      "is_admin": True, "request_id": request},
            "step_data": {"source_compute": source, "dest_compute": kept["dest_compute"]},
            "host": source, "step": "drop" if living else "settle", "epoch": epoch, "created_at": now,
            "deadline": now + CONFIRM.deadline}
        cell_operations.insert(conn, [row], due_in=0.0)
        moves.mark(conn, kept["operation"], "confirming")
        if (was := events.seen(conn, server)) is not None:
            events.after(conn, was, phases.accepted(row, server["host"]), service=events.CONDUCTOR)
        return row
