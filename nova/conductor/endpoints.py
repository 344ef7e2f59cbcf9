# SPDX-License-Identifier: Apache-2.0
"""What nova-conductor offers over the bus: the Store to hosts, and the orchestrator to whoever moved a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from nova import concurrency
from nova.clients import objects as objects_client
from nova.clients import orchestrator as client
from nova.clients import store as store_client
from nova.concurrency.periodic import Periodic
from nova.conductor.inventory import Inventories
from nova.conductor.orchestrator import Orchestrator
from nova.context import RequestContext
from nova.db.cell.tables import operations, services
from nova.db.engine import Database
from nova.objects import backport
from nova.objects.compute_node import ComputeNode
from nova.objects.instance import Instance
from nova.objects.service import Service
from nova.objects.work import Work
from nova.rpc.endpoint import Endpoint
from nova.store.cell import CellStore


class Heartbeats:
    """Collects heartbeats and writes them in one statement a second; a second one for those of trusted services.

    A host's heartbeat counts only for services of that host.
    """

    def __init__(self, database: Database, *, interval: float = 1.0) -> None:
        self._db = database
        self._lock, self._writing = concurrency.Lock(), concurrency.Lock()
        self._beats: dict[tuple[str | None, str], None] = {}
        self._periodic = Periodic("heartbeats", interval, self.flush)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def add(self, incarnation: str, host: str | None) -> None:
        """``host`` is who sent it; None: a service that is believed."""
        with self._lock:
            self._beats[(host, incarnation)] = None

    def flush(self) -> None:
        """When it returns, all that was added before is written, whoever writes it."""
        with self._writing:
            with self._lock:
                beats, self._beats = list(self._beats), {}
            of_hosts = [(host, incarnation) for host, incarnation in beats if host is not None]
            trusted = [incarnation for host, incarnation in beats if host is None]
            if of_hosts:
                self._db.run(lambda conn: services.heartbeat_of(conn, of_hosts))
            if trusted:
                self._db.run(lambda conn: services.heartbeat(conn, trusted))


class DueHosts:
    """Which hosts have rows to look at: one index scan for the whole cell at most every ``interval`` seconds, so that
    hosts may ask often."""

    def __init__(self, database: Database, *, lease: float, interval: float = 1.0) -> None:
        self._db, self._lease, self._interval = database, lease, interval
        self._lock = concurrency.Lock()
        self._read_at: float | None = None
        self._hosts: frozenset[str] = frozenset()

    def __contains__(self, host: str) -> bool:
        with self._lock:
            now = concurrency.monotonic()
            if self._read_at is None or now - self._read_at >= self._interval:
                with self._db.read() as conn:
                    self._hosts = operations.hosts_to_look_at(conn, lease=self._lease, settled=self._interval)
                self._read_at = now
            return host in self._hosts


class StoreEndpoint(Endpoint):
    """The Store for hosts. ``sender()`` names the host whose message is being served (None: a trusted service)."""

    namespace = store_client.NAMESPACE
    version = "1.0"

    def __init__(self, store: CellStore, heartbeats: Heartbeats, due: DueHosts, *, sender: Callable[[], str | None],
                 inventory_changed: Callable[[], None]) -> None:
        self._store, self._heartbeats, self._due = store, heartbeats, due
        self._sender, self._inventory_changed = sender, inventory_changed

    def _for(self) -> CellStore:
        host = self._sender()
        return self._store if host is None else self._store.on_behalf_of(host)

    def service_register(self, context: RequestContext, service: Service) -> Service:
        return self._for().service_register(service)

    def service_heartbeat(self, context: RequestContext, service_uuid: str, incarnation: str) -> None:
        self._heartbeats.add(incarnation, self._sender())

    def compute_node_report(self, context: RequestContext, node: ComputeNode) -> ComputeNode:
        stored = self._for().compute_node_report(node)
        self._inventory_changed()
        return stored

    def instances_on_host(self, context: RequestContext, host: str) -> list[Instance]:
        return self._for().instances_on_host(host)

    def instance_get(self, context: RequestContext, uuid: str) -> Instance:
        return self._for().instance_get(uuid)

    def instance_save(self, context: RequestContext, uuid: str, changes: dict[str, Any],
                      epoch: int | None = None) -> Instance:
        return self._for().instance_save(uuid, changes, epoch)

    def instance_power_states(self, context: RequestContext, host: str, states: dict[str, int]) -> None:
        self._for().instance_power_states(host, states)

    def servers_moving(self, context: RequestContext, host: str) -> list[str]:
        return self._for().servers_moving(host)

    def copies_wanted(self, context: RequestContext, host: str, uuids: list[str]) -> list[str]:
        return self._for().copies_wanted(host, uuids)

    def operations_due(self, context: RequestContext, host: str, incarnation: str, running: list[str]) -> list[Work]:
        return self._for().operations_due(host, incarnation, running) if host in self._due else []

    def operation_take(self, context: RequestContext, operation_uuid: str, epoch: int,
                       incarnation: str) -> Work | None:
        return self._for().operation_take(operation_uuid, epoch, incarnation)

    def operation_record(self, context: RequestContext, operation_uuid: str, epoch: int,
                         record: dict[str, Any]) -> None:
        self._for().operation_record(operation_uuid, epoch, record)

    def operation_progress(self, context: RequestContext, operation_uuid: str, epoch: int, progress: int,
                           counters: dict[str, int] | None = None) -> None:
        self._for().operation_progress(operation_uuid, epoch, progress, counters)

    def operation_signals(self, context: RequestContext, operation_uuid: str, epoch: int) -> list[str]:
        return self._for().operation_signals(operation_uuid, epoch)

    def network_documents(self, context: RequestContext, host: str, since_version: int) -> list[dict[str, Any]]:
        return self._for().network_documents(host, since_version)

    def lease(self, context: RequestContext, host: str, mac: str, address: str, event: str) -> None:
        self._for().lease(host, mac, address, event)


class ObjectsEndpoint(Endpoint):
    """Translates objects for hosts of an older release."""

    namespace = objects_client.NAMESPACE
    version = "1.0"

    def backport(self, context: RequestContext, text: str, versions: dict[str, str]) -> str:
        return orjson.dumps(backport.backport(orjson.loads(text), versions)).decode()


class OrchestratorEndpoint(Endpoint):
    """For the API level: rows of the API database, or of the cell that is named."""

    namespace = client.NAMESPACE
    version = "1.0"

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    def look(self, context: RequestContext, operations: list[list[Any]], cell_uuid: str | None = None) -> None:
        self._orchestrator.look(cell_uuid, operations)


class CellOrchestratorEndpoint(Endpoint):
    """For one cell, over its bus: what comes from there is about that cell and no other."""

    namespace = client.CELL_NAMESPACE
    version = "1.0"

    def __init__(self, orchestrator: Orchestrator, inventories: Inventories, cell_uuid: str) -> None:
        self._orchestrator, self._inventories, self._cell_uuid = orchestrator, inventories, cell_uuid

    def look(self, context: RequestContext, operations: list[list[Any]]) -> None:
        self._orchestrator.look(self._cell_uuid, operations)

    def inventory_changed(self, context: RequestContext) -> None:
        self._inventories.changed()
