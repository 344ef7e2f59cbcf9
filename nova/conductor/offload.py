# SPDX-License-Identifier: Apache-2.0
"""Servers that leave their hosts without being told to: at once when they are shelved, or when their time is over."""

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
from nova.store import events, phases
from nova.workflow.operations import SHELVE_OFFLOAD

LOG = logging.getLogger(__name__)
_BATCH = 200


class Offloader:
    """Looks every ``interval`` seconds; ``keep`` is for how many seconds shelved servers stay on their hosts."""

    def __init__(self, cells: Cells, sender: Sender, *, keep: float, interval: float) -> None:
        self._cells, self._sender, self._keep = cells, sender, keep
        self._periodic = Periodic("offloader", interval, self.look)

    def start(self) -> None:
        self._periodic.start()

    def stop(self) -> None:
        self._periodic.stop()

    def look(self) -> list[str]:
        """Accept the offloads that are due now; gives the servers."""
        offloaded = []
        for cell in self._cells.with_hosts():
            try:
                offloaded += [uuid for uuid in self._due(cell) if self._offload(cell, uuid)]
            except errors.Unavailable as e:
                LOG.warning("shelved servers of cell %s are offloaded later: %s", cell.name, e.message)
        return offloaded

    def _due(self, cell: Cell) -> list[str]:
        t = instances.instances.c
        with cell.database.read(patient=True) as conn:
            rows = conn.execute(sa.select(t.uuid, t.system_metadata).where(
                t.deleted.is_(False), t.vm_state == states.SHELVED, t.task_state.is_(None)).limit(_BATCH)).all()
        before = concurrency.time() - self._keep
        return [row.uuid for row in rows if float(row.system_metadata.get("shelved_at", 0)) <= before]

    def _offload(self, cell: Cell, uuid: str) -> bool:
        row = cell.database.run(lambda conn: self._accept(conn, uuid))
        if row is None:
            return False
        LOG.info("server %s was shelved %g s ago and leaves its host", uuid, self._keep)
        if cell.bus is not None:
            self._sender.send("compute.shelveOffload", ComputeClient(cell.bus).look, service_context(), row["host"],
                              [[row["uuid"], row["epoch"]]])
        return True

    @staticmethod
    def _accept(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
        server = instances.get_for_update(conn, uuid)
        return None if server is None else begin(conn, server)


def begin(conn: sa.Connection, server: dict[str, Any]) -> dict[str, Any] | None:
    """Accept the offload of a server that is read for it in this transaction. None: somebody was faster."""
    if server["deleted"] or not server["host"] or (server["vm_state"], server["task_state"]) != (states.SHELVED, None):
        return None
    uuid, epoch, seq, now = server["uuid"], server["epoch"] + 1, server["op_seq"] + 1, concurrency.time()
    if not instances.update(conn, uuid, epoch=server["epoch"], raised_to=epoch, op_seq=seq,
                            task_state="shelving_offloading"):
        return None
    request_id = service_context().to_dict()["request_id"]
    row: dict[str, Any] = {
        "uuid": concurrency.uuid4(), "instance_uuid": uuid, "project_id": server["project_id"],
        "user_id": server["user_id"], "request_id": request_id, "seq": seq, "action": SHELVE_OFFLOAD.action,
        "workflow_version": SHELVE_OFFLOAD.version, "inputs": {}, "level": "host", "host": server["host"],
        "actor": {"user_id": server["user_id"], "project_id": server["project_id"], "roles": ["admin"],
                  "is_admin": True, "request_id": request_id},
        "step": SHELVE_OFFLOAD.steps[0].name, "epoch": epoch, "created_at": now,
        "deadline": now + SHELVE_OFFLOAD.deadline}
    cell_operations.insert(conn, [row], due_in=0.0)
    if (was := events.seen(conn, server)) is not None:
        events.after(conn, was, phases.accepted(row, server["host"]), service=events.CONDUCTOR)
    return row
