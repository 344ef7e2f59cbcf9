# SPDX-License-Identifier: Apache-2.0
"""Reclaims what was deleted softly: when a server has been kept for long enough, its delete is accepted here."""

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
from nova.store import events, phases
from nova.workflow.operations import DELETE

LOG = logging.getLogger(__name__)
_BATCH = 200


class Reclaimer:
    """Looks every ``interval`` seconds; ``keep`` is for how many seconds deleted servers are kept."""

    def __init__(self, cells: Cells, sender: Sender, *, keep: float, lease: float, interval: float = 60.0) -> None:
        self._cells, self._sender, self._keep, self._lease = cells, sender, keep, lease
        self._periodic = Periodic("reclaimer", min(interval, keep), self.look)

    def start(self) -> None:
        self._periodic.start()

    def stop(self) -> None:
        self._periodic.stop()

    def look(self) -> list[str]:
        """Accept the deletes that are due now; gives the servers."""
        reclaimed = []
        for cell in self._cells.with_hosts():
            try:
                reclaimed += self._look_into(cell)
            except errors.Unavailable as e:
                LOG.warning("soft-deleted servers of cell %s are reclaimed later: %s", cell.name, e.message)
        return reclaimed

    def _look_into(self, cell: Cell) -> list[str]:
        t = instances.instances.c
        with cell.database.read(patient=True) as conn:
            due = conn.scalars(sa.select(t.uuid).where(
                t.deleted.is_(False), t.vm_state == states.SOFT_DELETED, t.task_state.is_(None),
                t.deleted_at <= concurrency.time() - self._keep).limit(_BATCH)).all()
        return [uuid for uuid in due if self._reclaim(cell, uuid)]

    def _reclaim(self, cell: Cell, uuid: str) -> bool:
        row = cell.database.run(lambda conn: self._accept(conn, uuid))
        if row is None:
            return False
        LOG.info("server %s was kept for %g s after its delete and is deleted now", uuid, self._keep)
        if row["level"] == "host" and cell.bus is not None:
            self._sender.send("compute.delete", ComputeClient(cell.bus).look, service_context(), row["host"],
                              [[row["uuid"], row["epoch"]]])
        return True

    def _accept(self, conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
        """None: its owner was faster."""
        server = instances.get_for_update(conn, uuid)
        if server is None or server["deleted"] or (server["vm_state"], server["task_state"]) != (
                states.SOFT_DELETED, None):
            return None
        epoch, seq, now = server["epoch"] + 1, server["op_seq"] + 1, concurrency.time()
        if not instances.update(conn, uuid, epoch=server["epoch"], raised_to=epoch, task_state="deleting", op_seq=seq):
            return None
        actor = service_context().to_dict()
        living = server["host"] and services.living(conn, server["host"], "nova-compute", self._lease)
        row: dict[str, Any] = {
            "uuid": concurrency.uuid4(), "instance_uuid": uuid, "project_id": server["project_id"],
            "user_id": server["user_id"], "request_id": actor["request_id"], "seq": seq, "action": DELETE.action,
            "workflow_version": DELETE.version, "inputs": {}, "level": "host" if living else "api",
            "actor": {"user_id": server["user_id"], "project_id": server["project_id"], "roles": ["admin"],
                      "is_admin": True, "request_id": actor["request_id"]},
            "host": server["host"] if living else None, "step": "destroy" if living else "release", "epoch": epoch,
            "created_at": now, "deadline": now + DELETE.deadline}
        cell_operations.insert(conn, [row], due_in=0.0)
        if (was := events.seen(conn, server)) is not None:
            events.after(conn, was, phases.accepted(row, server["host"]), service=events.CONDUCTOR)
        return row
