# SPDX-License-Identifier: Apache-2.0
"""The control plane: databases, cells, conductor in both roles, scheduler, and what the API accepts with.

What only one of these processes needs is imported when it is built: a process that was lost is to be back soon.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nova import errors
from nova.cells import Cell, Cells
from nova.clients.compute import ComputeClient
from nova.clients.nudges import Sender as NudgeSender
from nova.clients.orchestrator import CellOrchestratorClient
from nova.clients.scheduler import SchedulerClient
from nova.cmd.wiring.eventing import Eventing, Relays, api_relays, cell_relays
from nova.cmd.wiring.listeners import CellListeners
from nova.cmd.wiring.mover import OperationsMover
from nova.cmd.wiring.presence import Presence
from nova.conductor.audit import Auditor
from nova.conductor.drains import Drains
from nova.conductor.endpoints import (
    CellOrchestratorEndpoint,
    DueHosts,
    Heartbeats,
    ObjectsEndpoint,
    OrchestratorEndpoint,
    StoreEndpoint,
)
from nova.conductor.environment import Environment
from nova.conductor.errands import Errands
from nova.conductor.inventory import Inventories
from nova.conductor.janitor import Janitor
from nova.conductor.networking import NetworkChanges
from nova.conductor.offload import offloader
from nova.conductor.orchestrator import Orchestrator
from nova.conductor.reclaim import reclaimer
from nova.conductor.rescued import rescued
from nova.conductor.scheduling import PatientScheduler
from nova.conductor.stale import StaleBuilds
from nova.conductor.unconfirmed import unconfirmed
from nova.conductor.usage_audit import usage_audits
from nova.conductor.workflows import WORKFLOWS
from nova.context import service_context
from nova.db.engine import Database
from nova.db.limits import Limits
from nova.images.snapshots import Snapshots
from nova.objects.work import Work
from nova.quota import Quota
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import current_sender
from nova.store.cell import CellStore
from nova.store.secrets import Sealer
from nova.workflow import Workflows

if TYPE_CHECKING:
    from nova.operations import Operations
    from nova.scheduler.cache import HostStateCache

Drop = Callable[[str], bool]


def nothing_dropped(label: str) -> bool:
    return False


def open_database(section: Any, name: str) -> Database:
    """The database of a section. Raises ConfigError when it is not set."""
    if not section.connection:
        raise errors.ConfigError(f"[{'api_database' if name == 'api' else 'database'}] connection is not set; give the "
                                 f"URL of the {name} database, e.g. postgresql://nova:SECRET@host/nova_{name}")
    return database_at(section.connection, section, name)


def database_at(url: str, section: Any, name: str) -> Database:
    """A database that requests are served from, used as a section says."""
    return Database(url, name=name, pool_size=section.pool_size, timeout=section.timeout,
                    synchronous=section.sqlite_synchronous, limits=Limits.of(section))


@dataclasses.dataclass(frozen=True)
class ControlPlane:
    """What the processes of the API level share: the API database, the cells, the API bus."""

    conf: Any
    api: Database
    cells: Cells
    bus: Any
    eventing: Eventing = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "eventing", Eventing(self.conf, self.api, self.bus))
        self.cells.on_open = self.eventing.open_cell


@dataclasses.dataclass
class SchedulerService:
    server: Any
    presence: Presence
    cache: HostStateCache

    def start(self) -> None:
        self.presence.start()
        self.server.start()

    def stop(self) -> None:
        self.server.stop()
        self.server.wait()
        self.presence.stop()


def scheduler_service(plane: ControlPlane, host: str, presence: Presence) -> SchedulerService:
    from nova.scheduler import options
    from nova.scheduler.cache import HostStateCache
    from nova.scheduler.manager import SchedulerManager
    from nova.scheduler.source import DatabaseSource

    conf = plane.conf
    source = DatabaseSource(plane.api, plane.cells, down_after=float(conf.lease))
    cache = HostStateCache(source, default_zone=conf.default_availability_zone)
    manager = SchedulerManager(plane.api, cache, options.from_conf(conf))
    return SchedulerService(plane.bus.serve("scheduler", host, [manager], workers=conf.workers), presence, cache)


@dataclasses.dataclass
class OrchestratorService:
    """nova-conductor, role api."""

    orchestrator: Orchestrator
    janitor: Janitor
    keepers: list[Any]
    sender: NudgeSender
    presence: Presence
    listeners: CellListeners

    def start(self) -> None:
        """The janitor first: what lies about is not to wait for a broker."""
        self.sender.start()
        self.presence.start()
        for part in [self.janitor, self.listeners, *self.keepers]:
            part.start()

    def stop(self) -> None:
        for part in [*self.keepers, self.janitor, self.listeners]:
            part.stop()
        self.orchestrator.stop()
        self.presence.stop()
        self.sender.stop()


def orchestrator_service(plane: ControlPlane, host: str, presence: Presence, *, image_source: Any,
                         drop: Drop = nothing_dropped, workflows: Workflows = WORKFLOWS) -> OrchestratorService:
    """Consumes ``orchestrator`` on the API bus and on the bus of every cell."""
    conf = plane.conf
    sender = NudgeSender(drop=drop)
    scheduler = PatientScheduler(SchedulerClient(plane.bus), waiting=conf.workers // 2)

    def tidy(cell: Cell, host: str, uuid: str) -> None:
        if cell.bus is not None:
            sender.send("compute.tidy", ComputeClient(cell.bus).tidy, service_context(), host, [uuid])

    environment = Environment(plane.api, plane.cells, scheduler, image_source, presence.incarnation,
                              Quota(conf), Snapshots.from_conf(conf, plane.api),
                              Errands(waiting=conf.workers // 2, lease=conf.lease), conf.lease,
                              conf.shelved_offload_time, tidy, sealer=Sealer.from_conf(conf))
    orchestrator = Orchestrator(environment, workflows, sender, lease=conf.lease, workers=conf.workers,
                                host=host)
    inventories = Inventories(plane.api, plane.cells)
    janitor = Janitor(orchestrator, sender, interval=conf.report_interval, lease=conf.lease,
                      down_after=conf.service_down_time)

    def of_cell(cell: Cell) -> Endpoint:
        return CellOrchestratorEndpoint(orchestrator, inventories, cell.uuid)

    plane.eventing.sender = sender
    cell0 = next((cell.database for cell in plane.cells.all() if cell.is_cell0), None)
    relays = api_relays(conf, plane.bus, host, presence.incarnation, plane.api, cell0)
    listeners = CellListeners(plane.bus, plane.cells, [OrchestratorEndpoint(orchestrator), relays.endpoint], of_cell,
                              topic="orchestrator", host=host, workers=conf.workers)
    auditor = Auditor(plane.api, plane.cells, interval=conf.conductor.audit_interval,
                      full_pass=conf.conductor.audit_full_pass)
    mover = OperationsMover(lambda: operations(plane, sender))
    drains = Drains(plane.api, plane.cells, mover,
                    owner=presence.incarnation, lease=conf.lease, interval=conf.report_interval)
    keepers: list[Any] = [relays, inventories, auditor, drains,
                          NetworkChanges(plane.api, plane.cells, sender, interval=conf.report_interval)]
    if conf.instance_build_timeout:
        keepers.append(StaleBuilds(plane.api, plane.cells, timeout=float(conf.instance_build_timeout)))
    if conf.ha.enabled:
        keepers.append(availability(plane))
    if conf.instance_usage_audit:
        keepers.append(usage_audits(plane.cells, period=conf.instance_usage_audit_period))
    if conf.resize_confirm_window:
        keepers.append(unconfirmed(plane.cells, sender, window=conf.resize_confirm_window, lease=conf.lease))
    if conf.rescue_timeout:
        keepers.append(rescued(plane.cells, mover.unrescue, keep=conf.rescue_timeout))
    if conf.reclaim_instance_interval:
        keepers.append(reclaimer(plane.cells, sender, keep=conf.reclaim_instance_interval, lease=conf.lease))
    if conf.shelved_offload_time > 0:
        keepers.append(offloader(plane.cells, sender, keep=conf.shelved_offload_time,
                                 interval=conf.shelved_poll_interval))
    return OrchestratorService(orchestrator, janitor, keepers, sender, presence, listeners)


def availability(plane: ControlPlane) -> Any:
    """What watches for hosts that fail."""
    from nova.conductor import fencing
    from nova.conductor.availability import Availability

    conf = plane.conf
    return Availability(plane.api, plane.cells, fencing.load(conf), lease=conf.lease,
                        down_after=conf.service_down_time, retry=conf.ha.fence_retry, parallel=conf.ha.parallel,
                        interval=min(5.0, conf.lease))


@dataclasses.dataclass
class CellConductorService:
    """nova-conductor, role cell."""

    heartbeats: Heartbeats
    sender: NudgeSender
    presence: Presence
    server: Any
    relays: Relays

    def start(self) -> None:
        self.sender.start()
        self.presence.start()
        self.heartbeats.start()
        self.relays.start()
        self.server.start()

    def stop(self) -> None:
        self.server.stop()
        self.server.wait()
        self.relays.stop()
        self.heartbeats.stop()
        self.presence.stop()
        self.sender.stop()


def cell_conductor_service(conf: Any, database: Database, bus: Any, host: str, presence: Presence, *,
                           drop: Drop = nothing_dropped) -> CellConductorService:
    """Serves the Store to the hosts of one cell; it knows its cell's database and bus and nothing above."""
    sender = NudgeSender(drop=drop)
    heartbeats = Heartbeats(database, interval=min(1.0, conf.report_interval / 2))
    orchestrator = CellOrchestratorClient(bus)

    def inventory_changed() -> None:
        sender.send("inventory", orchestrator.inventory_changed, service_context())

    def begin(host: str, incarnation: str, work: Work) -> None:
        sender.send(f"compute.{work.operation.action}", ComputeClient(bus).begin, service_context(), host, incarnation,
                    [work])

    due = DueHosts(database, lease=conf.lease, interval=conf.report_interval / 2)
    store = CellStore(database, lease=conf.lease, sealer=Sealer.from_conf(conf), begin=begin)
    endpoint = StoreEndpoint(store, heartbeats, due, sender=asking_host, inventory_changed=inventory_changed)
    relays = cell_relays(conf, bus, host, presence.incarnation, database)
    server = bus.serve("conductor", host, [endpoint, ObjectsEndpoint(), relays.endpoint], workers=conf.workers)
    return CellConductorService(heartbeats, sender, presence, server, relays)


def asking_host() -> str | None:
    """The host whose message is being served; only services of hosts are held to their own servers."""
    sender = current_sender()
    if sender is None or sender.service not in ("nova-compute", "nova-network"):
        return None
    return sender.host


def operations(plane: ControlPlane, sender: NudgeSender) -> Operations:
    """What fronts accept with."""
    from nova.operations import Operations
    from nova.operations.acceptance import Deps
    from nova.store.servers import Servers

    servers = Servers(plane.api, plane.cells)
    plane.eventing.sender = sender
    return Operations(Deps(plane.api, plane.cells, servers, sender, plane.bus, Quota(plane.conf),
                           Snapshots.from_conf(plane.conf, plane.api),
                           lease=float(plane.conf.lease), down_after=float(plane.conf.service_down_time),
                           sealer=Sealer.from_conf(plane.conf),
                           reclaim=float(plane.conf.reclaim_instance_interval),
                           same_host=bool(plane.conf.allow_resize_to_same_host)))
