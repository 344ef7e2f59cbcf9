# SPDX-License-Identifier: Apache-2.0
"""Steps of a host that the API level has done by a call, within a step of its own: two messages in place of two records
and three messages. The row stays here, and what came of it is recorded here. Who is not answered goes the long way.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.cells import Cell
from nova.clients.compute import ComputeClient
from nova.concurrency.together import together
from nova.context import service_context
from nova.db.cell import instances
from nova.db.cell.tables import operations, services
from nova.store.cell import HOST_MAY_CHANGE, work_of
from nova.workflow import Row
from nova.workflow.shape import StepShape

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What came of an errand: ``data`` for the row, ``changes`` of the server, and the event of the step."""

    data: dict[str, Any]
    changes: dict[str, Any]
    event: dict[str, Any]

    def record(self, conn: sa.Connection, row: Row) -> None:
        """In the transaction that records the step whose errand it was."""
        operations.add_event(conn, row.uuid, self.event)
        if self.changes and not instances.update(conn, row.instance_uuid, epoch=row.epoch, **self.changes):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")


class Errands:
    """So many are ``waiting`` for hosts at a time: hosts that do not answer hold some of the workers here, never all.
    ``lease``: a host that was not heard for so long is not asked."""

    def __init__(self, *, waiting: int, lease: float) -> None:
        self._lock = concurrency.Lock()
        self._free, self._lease = max(1, waiting), lease

    def ask(self, cell: Cell, row: Row, *steps: StepShape) -> list[Done | None]:
        """Have the hosts of these steps do them now, all at once. None: a host has not said that it did, and may have
        done it or not."""
        with cell.database.read() as conn:
            server = instances.get(conn, row.instance_uuid)
            heard = {step.place for step in steps if services.living(
                conn, row.step_data.get(step.place or "", ""), "nova-compute", self._lease) is not None}
        if server is None or cell.bus is None:
            return [None for _ in steps]
        client = ComputeClient(cell.bus)
        return together(*(functools.partial(self._ask, client, row, server, step) if step.place in heard
                          else _nothing for step in steps))

    def _ask(self, client: ComputeClient, row: Row, server: dict[str, Any], step: StepShape) -> Done | None:
        host = row.step_data[step.place or ""]
        if not self._enter():
            return None
        try:
            return _told(client, row, server, step, host)
        except errors.NovaError as e:
            LOG.info("operation %s: host %s does step %s by itself later: %s", row.uuid, host, step.name, e.message)
            return None
        finally:
            with self._lock:
                self._free += 1

    def _enter(self) -> bool:
        with self._lock:
            if not self._free:
                return False
            self._free -= 1
            return True


def _nothing() -> None:
    return None


def _told(client: ComputeClient, row: Row, server: dict[str, Any], step: StepShape, host: str) -> Done:
    work = work_of(dataclasses.replace(row, step=step.name, level="host", host=host, secrets=None), server)
    answer = client.errand(service_context(), host, work)
    if unknown := set(answer["changes"]) - HOST_MAY_CHANGE:
        raise errors.Forbidden(f"A host may not change {', '.join(sorted(unknown))} of a server.")
    event = {"event": step.event or step.name, "started_at": answer["started_at"],
             "finished_at": answer["finished_at"], "result": "Success", "host": host}
    return Done({k: v for k, v in answer["data"].items() if k not in row.step_data}, answer["changes"], event)
