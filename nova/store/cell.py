# SPDX-License-Identifier: Apache-2.0
"""The Store on a cell's database: what the cell's conductor does for its hosts.

``host`` names the host on whose behalf the store acts; what belongs to another host is not found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.db.cell import compute_nodes, instances, signals
from nova.db.cell.tables import operations, services
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES
from nova.objects.compute_node import ComputeNode
from nova.objects.instance import Instance
from nova.objects.operation import Operation
from nova.objects.service import Service
from nova.objects.work import Work
from nova.store import events, handover, journals, phases, queueing, record_events, sayings
from nova.store.secrets import Sealer, opened
from nova.virt.migration import WORDS
from nova.workflow import Row
from nova.workflow.shape import PLACES

#: Columns of a server that its host may change.
HOST_MAY_CHANGE = frozenset({"vm_state", "task_state", "power_state", "launched_at", "terminated_at", "progress",
                             "root_device_name", "node", "system_metadata"})


class CellStore:
    """Implements :class:`nova.objects.store.Store`. ``begin(host, incarnation, work)`` tells a host of what another
    host has handed to it; without it such a row is nobody's until the host looks."""

    def __init__(self, database: Database, *, lease: float, host: str | None = None, sealer: Sealer | None = None,
                 begin: Callable[[str, str, Work], None] | None = None) -> None:
        self._db, self._lease, self._host, self._sealer, self._begin = database, lease, host, sealer, begin
        self._journal = journals.cell_journal(database, lease)

    def on_behalf_of(self, host: str) -> CellStore:
        return CellStore(self._db, lease=self._lease, host=host, sealer=self._sealer, begin=self._begin)

    # -- services and inventory ------------------------------------------------------------------------------------

    def service_register(self, service: Service) -> Service:
        self._mine(service.host)
        row = self._db.run(lambda conn: record_events.registered(
            conn, services, service.host, service.binary, lambda: services.register(
                conn, uuid=service.uuid, host=service.host, binary=service.binary, topic=service.topic,
                version=service.version, incarnation=service.incarnation or service.uuid)))
        return Service.hydrate(row)

    def service_heartbeat(self, service_uuid: str, incarnation: str) -> None:
        host = self._host
        self._db.run(lambda conn: services.heartbeat(conn, [incarnation]) if host is None
                     else services.heartbeat_of(conn, [(host, incarnation)]))

    def compute_node_report(self, node: ComputeNode) -> ComputeNode:
        self._mine(node.host)
        row = self._db.run(lambda conn: compute_nodes.report(conn, node.uuid, node.host, node.hypervisor_hostname,
                                                             node.as_dict()))
        return ComputeNode.hydrate({k: row[k] for k in row if k in ComputeNode.fields})

    # -- servers -----------------------------------------------------------------------------------------------------

    def instances_on_host(self, host: str) -> list[Instance]:
        self._mine(host)
        with self._db.read() as conn:
            return [instance_of(row) for row in instances.on_host(conn, host)]

    def instance_get(self, uuid: str) -> Instance:
        with self._db.read() as conn:
            row = instances.get(conn, uuid)
        if row is None or row["deleted"] or (self._host is not None and row["host"] != self._host):
            raise errors.NotFound(f"Server {uuid} is not on this host.")
        return instance_of(row)

    def instance_save(self, uuid: str, changes: dict[str, Any], epoch: int | None = None) -> Instance:
        self.instance_get(uuid)

        def save(conn: sa.Connection) -> None:
            mine = {} if self._host is None else {"host": self._host}
            was = events.before(conn, uuid)
            if not instances.update(conn, uuid, epoch=epoch, expected=mine, **self._allowed(changes)):
                raise errors.Stale(f"Server {uuid} has another owner or is gone.")
            events.after(conn, was, service=events.COMPUTE)

        self._db.run(save)
        return self.instance_get(uuid)

    def instance_power_states(self, host: str, states: dict[str, int]) -> None:
        self._mine(host)

        def save(conn: sa.Connection) -> None:
            t = instances.instances
            for uuid, state in states.items():
                was = events.before(conn, uuid)
                conn.execute(t.update().where(t.c.uuid == uuid, t.c.host == host, t.c.deleted.is_(False))
                             .values(power_state=state))
                events.after(conn, was, service=events.COMPUTE)

        if states:
            self._db.run(save)

    def servers_moving(self, host: str) -> list[str]:
        self._mine(host)
        with self._db.read() as conn:
            rows = operations.open_moves(conn)
        return [uuid for uuid, data in rows if host in (data.get(place) for place in PLACES)]

    def copies_wanted(self, host: str, uuids: list[str]) -> list[str]:
        """Those of servers on their way, of resized ones that came from the host, of those that are the host's by their
        record (a move was given up while it was away), and of any in error: whoever mends one wants its disks."""
        moving = set(self.servers_moving(host))
        with self._db.read() as conn:
            found = [row for row in (instances.get(conn, uuid) for uuid in uuids) if row is not None]
        return [row["uuid"] for row in found if row["uuid"] in moving or _may_come_back(row, host)]

    # -- operations ----------------------------------------------------------------------------------------------------

    def operations_due(self, host: str, incarnation: str, running: list[str]) -> list[Work]:
        self._mine(host)
        with self._db.read() as conn:
            due = operations.abandoned(conn, level="host", host=host, lease=self._lease)
            due += operations.lost(conn, owner=incarnation, running=running)
        works = []
        for record in due:
            if record["uuid"] in running:
                continue
            take = self._journal.retake if record["owner"] == incarnation else self._journal.take
            row = take(record["uuid"], record["epoch"], incarnation, level="host", host=host)
            if row is not None and (work := self._work(row)) is not None:
                works.append(work)
        return works

    def operation_take(self, operation_uuid: str, epoch: int, incarnation: str) -> Work | None:
        row = self._journal.take(operation_uuid, epoch, incarnation, level="host", host=self._host)
        return None if row is None else self._work(row)

    def _work(self, row: Row) -> Work | None:
        with self._db.read() as conn:
            server = instances.get(conn, row.instance_uuid)
        if server is None:
            raise errors.NotFound(f"Operation {row.uuid} is for a server that is not there.")
        return work_of(row, server, self._sealer)

    def operation_record(self, operation_uuid: str, epoch: int, record: dict[str, Any]) -> None:
        changes = self._allowed(record.get("changes") or {})
        over = record["kind"] == "hand" and record["level"] == "host" and self._begin is not None

        said = sayings.Saying.of(record.get("said"))

        def write(conn: sa.Connection) -> handover.Given | None:
            row = self._of_host(conn, operation_uuid, said)
            if said is not None and said.written(row["recorded"]):
                return handover.given(conn, row, record["host"]) if over else None
            values = _recorded(record, row["step_data"])
            if said is not None:
                values["recorded"] = said.after(row["recorded"])
            was = events.before(conn, row["instance_uuid"])
            if not operations.advance(conn, operation_uuid, epoch, **values):
                raise errors.Stale(f"Operation {operation_uuid} has another owner.")
            if record.get("event"):
                operations.add_event(conn, operation_uuid, record["event"])
            if changes and not instances.update(conn, row["instance_uuid"], epoch=epoch, **changes):
                raise errors.Stale(f"Server {row['instance_uuid']} has another owner or is gone.")
            if record["kind"] == "finish":
                queueing.go_on(conn, row["action"], row["instance_uuid"])
            if record["kind"] == "finish" and record.get("state") == "failed" and record.get("fault"):
                instances.add_fault(conn, row["instance_uuid"], record["fault"])
            if was is not None:
                events.after(conn, was, phases.written(journals.row_of(row), values, record.get("event"), at_host=True),
                             service=events.COMPUTE)
            return handover.give(conn, operation_uuid, record["host"], self._lease) if over else None

        given = self._db.run(write)
        if given is not None and self._begin is not None:
            work = work_of(journals.row_of(given.operation), given.server, self._sealer)
            self._begin(given.host, given.incarnation, work)

    def operation_progress(self, operation_uuid: str, epoch: int, progress: int,
                           counters: dict[str, int] | None = None) -> None:
        def write(conn: sa.Connection) -> None:
            row = self._of_host(conn, operation_uuid)
            values: dict[str, Any] = {"progress": max(0, min(100, progress))}
            if counters is not None:
                known = {k: int(v) for k, v in counters.items() if k in WORDS}
                values["step_data"] = row["step_data"] | {"progress": known}
            if not operations.advance(conn, operation_uuid, epoch, **values):
                raise errors.Stale(f"Operation {operation_uuid} has another owner.")

        self._db.run(write)

    def operation_signals(self, operation_uuid: str, epoch: int) -> list[str]:
        with self._db.read() as conn:
            row = self._of_host(conn, operation_uuid)
            if row["epoch"] != epoch or row["state"] not in OPEN_STATES:
                raise errors.Stale(f"Operation {operation_uuid} has another owner.")
            kinds = signals.of(conn, operation_uuid)
        if kinds:
            self._db.run(lambda conn: signals.hear(conn, operation_uuid))
        return kinds

    def _of_host(self, conn: sa.Connection, operation_uuid: str,
                 said: sayings.Saying | None = None) -> dict[str, Any]:
        """Of two that say the same at once the second waits, and sees what the first did."""
        row = operations.get(conn, operation_uuid, lock=said is not None)
        if row is not None and said is not None and said.written(row["recorded"]):
            return row
        if row is None or (self._host is not None and row["host"] != self._host):
            raise errors.Stale(f"Operation {operation_uuid} is not for this host.")
        return row

    # -- networks ------------------------------------------------------------------------------------------------------

    def network_documents(self, host: str, since_version: int) -> list[dict[str, Any]]:
        """One document per server of the host whose row changed since the version; a version is microseconds. Servers
        that are on their way to the host count among its own: what they need is there before they are."""
        self._mine(host)
        t = instances.instances
        with self._db.read() as conn:
            coming = [uuid for uuid, data in operations.open_moves(conn) if data.get("dest_compute") == host]
            rows = conn.execute(
                sa.select(t.c.uuid, t.c.network_info, t.c.deleted, t.c.created_at, t.c.updated_at)
                .where(sa.or_(t.c.host == host, t.c.uuid.in_(coming)),
                       sa.func.coalesce(t.c.updated_at, t.c.created_at) * 1e6 >= since_version + 1)).all()
        return [{"instance_uuid": r.uuid, "vifs": r.network_info, "deleted": r.deleted,
                 "version": int((r.updated_at or r.created_at) * 1e6)} for r in rows if since_version or not r.deleted]

    def lease(self, host: str, mac: str, address: str, event: str) -> None:
        self._mine(host)

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _mine(self, host: str) -> None:
        if self._host is not None and host != self._host:
            raise errors.Forbidden(f"Host {self._host} may not act for host {host}.")

    @staticmethod
    def _allowed(changes: dict[str, Any]) -> dict[str, Any]:
        unknown = set(changes) - HOST_MAY_CHANGE
        if unknown:
            raise errors.Forbidden(f"A host may not change {', '.join(sorted(unknown))} of a server.")
        return changes


def _may_come_back(server: dict[str, Any], host: str) -> bool:
    if server["deleted"] or server["task_state"] == "deleting":
        return False
    came_from = (server["system_metadata"].get("resized_from") or {}).get("source_compute")
    if server["vm_state"] == states.RESIZED:
        return bool(came_from == host)
    return server["host"] == host or (server["vm_state"] == states.ERROR and came_from == host)


def _recorded(record: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The columns that a record of a host's runner sets. What other levels decided stays as they decided it: a host
    adds to the step data, and it hands over to the API level or nobody."""
    kind = record["kind"]
    if kind == "release":
        return {"owner": None, "due_in": float(record.get("delay", 2.0))}
    decided = {k: v for k, v in known.items() if k != "fault"}
    values: dict[str, Any] = {"step_data": record["data"] | decided, "state": record.get("state", "open")}
    if record.get("fault"):
        values["fault"] = record["fault"]
    if kind in ("advance", "hand"):
        values["step"] = record["step"]
    if kind == "hand":
        if record["level"] == "host" and record.get("host") not in {known.get(place) for place in PLACES} - {None}:
            raise errors.Forbidden("A host hands an operation to the API level, or to the other host that it names.")
        values |= {"level": record["level"], "owner": None, "due_in": 2.0}
        if record["level"] == "host":
            values["host"] = record["host"]
    if kind == "finish":
        values["progress"] = 100
    return values


def work_of(row: Row, server: dict[str, Any], sealer: Sealer | None = None) -> Work:
    """What a host is given to run an operation: the row and the server as the cell's tables have them, and the row's
    secrets in clear."""
    operation = Operation.new(
        uuid=row.uuid, instance_uuid=row.instance_uuid, project_id=row.project_id, seq=0, action=row.action,
        workflow_version=row.version, request_id=row.request_id, actor=row.actor, inputs=row.inputs, state=row.state,
        level=row.level, step=row.step, step_data=row.step_data, attempt=row.attempt, owner=row.owner, epoch=row.epoch,
        fault=row.fault)
    return Work.new(operation=operation, instance=instance_of(server | {"epoch": row.epoch}),
                    image=row.step_data.get("image"), secrets=opened(sealer, row.uuid, row.secrets))


def instance_of(row: dict[str, Any]) -> Instance:
    """The object of a table row. The guest's name on its hypervisor follows from the row's id unless it is given."""
    values = {name: row[name] for name in Instance.fields if name in row}
    values |= {"name": instances.guest_name(row["id"], row["name"]), "block_devices": row.get("block_devices") or [],
               "image_properties": row["image_properties"] or {}}
    return Instance.hydrate(values)
