# SPDX-License-Identifier: Apache-2.0
"""A whole control plane in this process: databases, buses, conductor, scheduler, hosts with the fake driver."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import pkgutil
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

import nova.db.api
import nova.db.cell
from nova import concurrency, conf, errors
from nova.cells import Cells
from nova.clients.nudges import Sender
from nova.cmd.wiring import control, host
from nova.cmd.wiring.presence import Presence
from nova.compute.workflows import WORKFLOWS as ON_HOST
from nova.conductor.workflows import WORKFLOWS as AT_API
from nova.context import RequestContext, service_context
from nova.db.api import cells as mappings
from nova.db.api import tables as api_tables
from nova.db.cell import tables as cell_tables
from nova.db.engine import Database
from nova.db.schema import db_now
from nova.images.manager import Images
from nova.networks.manager import Networks
from nova.operations import CreateRequest
from nova.rpc.bus import OsloBus
from nova.rpc.envelope import NullSigner
from nova.rpc.envelope import Sender as BusSender
from nova.workflow import Workflows

IMAGE = {"id": "70a599e0-31e7-49b7-b260-868f441e862b", "min_disk": 0, "min_ram": 0, "size": 1000, "properties": {}}
FLAVOR = {"flavorid": "1", "name": "m1.tiny", "memory_mb": 512, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0,
          "swap": 0, "rxtx_factor": 1.0, "is_public": True, "extra_specs": {}, "description": None}


def all_tables(package: Any) -> sa.MetaData:
    """The metadata with every module of the package imported."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    metadata: sa.MetaData = package.metadata
    return metadata


@functools.cache
def _template(package: Any) -> bytes:
    """An SQLite file with the package's tables: it is written many times and made once."""
    engine = sa.create_engine("sqlite://")
    try:
        all_tables(package).create_all(engine)
        with contextlib.closing(engine.raw_connection()) as raw:
            made: bytes = raw.driver_connection.serialize()  # type: ignore[union-attr]
            return made
    finally:
        engine.dispose()


def make_tables(database: Database, package: Any) -> None:
    """All tables of :mod:`nova.db.api` or :mod:`nova.db.cell` in an empty database."""
    if database.dialect == "sqlite" and database.url.database:
        Path(database.url.database).write_bytes(_template(package))
    else:
        all_tables(package).create_all(database.engine)


def make_conf(**defaults: Any) -> cfg.ConfigOpts:
    """A configuration of its own; ``defaults`` are names or group__names."""
    made = conf.load("nova-test", [], [], cfg.ConfigOpts())
    made.set_override("public_endpoint", "http://images.test/image", "image")
    for name, value in defaults.items():
        group, _, option = name.rpartition("__")
        made.set_override(option, value, group or None)
    return made


class Line(OsloBus):
    """A bus that can be ``cut``: its owner says nothing more and gets no answers, as if it were dead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hearing = concurrency.Lock()
        self._cut = False

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        """From here on no heartbeat counts either that was on its way when the line was cut."""
        with self._hearing:
            self._cut = cut

    def unless_cut(self, hear: Callable[[], None]) -> None:
        with self._hearing:
            if not self._cut:
                hear()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        self._up()
        return super().call(*args, **kwargs)

    def cast(self, *args: Any, **kwargs: Any) -> None:
        self._up()
        super().cast(*args, **kwargs)

    def _up(self) -> None:
        if self.cut:
            raise errors.Unavailable("The line is cut.")


@dataclasses.dataclass
class Cloud:
    """``start()`` everything, ask ``operations``, look with ``servers``; ``drop`` loses nudges by label. ``bound``
    is given the workflows of each level and gives those that run."""

    path: Path
    conf: cfg.ConfigOpts
    make_url: Callable[[str], str]
    make_bus: Callable[[str, str, str], Any]
    cells_count: int = 1
    hosts_count: int = 2
    drop: Callable[[str], bool] = staticmethod(lambda label: False)
    synchronous: str = "NORMAL"
    cells_ttl: float = 5.0
    bound: Callable[[Workflows], Workflows] = staticmethod(lambda workflows: workflows)
    cells_timeout: float = 5.0
    lines: dict[str, Line] = dataclasses.field(default_factory=dict)
    services: list[Any] = dataclasses.field(default_factory=list)
    databases: list[Database] = dataclasses.field(default_factory=list)
    hosts: dict[str, Any] = dataclasses.field(default_factory=dict)
    cells_of_hosts: dict[str, str] = dataclasses.field(default_factory=dict)

    def database(self, name: str) -> Database:
        database = Database(self.make_url(name), name=name, pool_size=5, synchronous=self.synchronous)
        self.databases.append(database)
        return database

    def setup(self) -> None:
        """Schemas, mappings, a network."""
        self.api = self.database("api")
        make_tables(self.api, nova.db.api)
        rows: list[dict[str, Any]] = [{"uuid": mappings.CELL0_UUID, "name": "cell0", "transport_url": None}]
        rows += [{"uuid": concurrency.uuid4(), "name": f"cell{i + 1}", "transport_url": f"cell{i + 1}"}
                 for i in range(self.cells_count)]
        for row in rows:
            database = self.database(row["name"])
            make_tables(database, nova.db.cell)
            row["database_connection"] = database.url.render_as_string(False)
        with self.api.write() as conn:
            conn.execute(mappings.cell_mappings.insert().values(created_at=db_now(), disabled=False), rows)
        Networks(self.api).ensure_network("private", "10.100.0.0/20")
        self.rows = rows
        self.images = Images.from_conf(self.conf, self.api)

    def plane(self, node: str) -> control.ControlPlane:
        """What a process of the API level has."""
        def connect(row: dict[str, Any]) -> tuple[Database, Any]:
            bus = self.make_bus(row["transport_url"], node, "nova") if row["transport_url"] else None
            return self.database(row["name"]), bus

        api = self.database("api")
        cells = Cells(api, connect, ttl=self.cells_ttl, timeout=self.cells_timeout)
        return control.ControlPlane(self.conf, api, cells, self.make_bus("api", node, "nova"))

    # -- services ------------------------------------------------------------------------------------------------------

    def start_api(self) -> None:
        plane = self.plane("api")
        self.sender = Sender(drop=self.drop)
        self.sender.start()
        self.services.append(self.sender)
        self.operations = control.operations(plane, self.sender)
        self.servers = self.operations.deps.servers
        self.cells = plane.cells

    def start_scheduler(self) -> Any:
        plane = self.plane("scheduler")
        presence = Presence("ctl", "nova-scheduler", concurrency.uuid4(), lambda: [(plane.api, api_tables.services)],
                            interval=self.conf.report_interval)
        return self._start(control.scheduler_service(plane, "ctl", presence))

    def start_orchestrator(self) -> Any:
        plane = self.plane("orchestrator")

        def places() -> Any:
            return [(plane.api, api_tables.services),
                    *((c.database, cell_tables.services) for c in plane.cells.all())]

        presence = Presence("ctl", "nova-orchestrator", concurrency.uuid4(), places, interval=self.conf.report_interval)
        return self._start(control.orchestrator_service(plane, "ctl", presence, image_source=self.image_source,
                                                        drop=self.drop, workflows=self.bound(AT_API)))

    def start_cell_conductor(self, name: str) -> Any:
        database = self.database(name)
        presence = Presence(f"ctl-{name}", "nova-conductor", concurrency.uuid4(),
                            lambda: [(database, cell_tables.services)], interval=self.conf.report_interval)
        bus = self.make_bus(name, f"conductor-{name}", "nova-conductor")
        service = control.cell_conductor_service(self.conf, database, bus, f"ctl-{name}", presence, drop=self.drop)
        self._hear(service.heartbeats)
        return self._start(service)

    def _hear(self, heartbeats: Any) -> None:
        """A conductor takes heartbeats only from hosts whose line is whole."""
        add = heartbeats.add

        def hear(incarnation: str, host: str | None) -> None:
            line = self.lines.get(host) if host else None
            if isinstance(line, Line):
                line.unless_cut(lambda: add(incarnation, host))
            else:
                add(incarnation, host)

        heartbeats.add = hear

    def start_host(self, name: str, cell: str) -> Any:
        bus = self.make_bus(cell, name, "nova-compute")
        service = host.compute_service(self.conf, bus, name, self.path / name, driver_name="fake", drop=self.drop,
                                       upload=self.upload, workflows=self.bound(ON_HOST))
        self.hosts[name], self.lines[name] = service, bus
        self.cells_of_hosts[name] = cell
        return self._start(service)

    def _start(self, service: Any) -> Any:
        service.start()
        self.services.append(service)
        return service

    def stop_service(self, service: Any) -> None:
        """One service ends before the others."""
        self.services.remove(service)
        service.stop()

    def stop_host(self, name: str) -> None:
        self.stop_service(self.hosts[name])

    def start(self) -> None:
        self.setup()
        self.start_api()
        self.scheduler = self.start_scheduler()
        self.orchestrator = self.start_orchestrator()
        self.conductors = {row["name"]: self.start_cell_conductor(row["name"]) for row in self.rows[1:]}
        for i in range(self.hosts_count):
            self.start_host(f"host{i + 1}", f"cell{i % self.cells_count + 1}")

    def stop(self) -> None:
        for service in reversed(self.services):
            service.stop()
        for database in self.databases:
            database.dispose()

    def upload(self, url: str, path: Path) -> None:
        """What the image front does with a signed request, without HTTP between."""
        parts = urllib.parse.urlsplit(url)
        image_id, signed = parts.path.split("/")[-2], dict(urllib.parse.parse_qsl(parts.query))
        self.images.signer.verify(image_id, signed["expires"], signed["signature"], "PUT")
        try:
            self.images.data.fill(service_context(), image_id, [path.read_bytes()])
        except (errors.NotFound, errors.Gone, errors.Conflict) as e:
            raise errors.HostFailure(f"The image store does not take the image: {e.message}", retry=False) from e

    @staticmethod
    def image_source(context: RequestContext, image_id: str) -> dict[str, Any]:
        return {"id": image_id, "url": f"http://127.0.0.1:1/{image_id}", "disk_format": "qcow2", "size": 1000,
                "properties": {}, "min_disk": 0}

    # -- looking -------------------------------------------------------------------------------------------------------

    def context(self, project: str = "p1", admin: bool = False) -> RequestContext:
        roles = ("admin", "member", "reader") if admin else ("member", "reader")
        return RequestContext(user_id="u1", project_id=project, roles=roles, is_admin=admin)

    def boot(self, name: str = "vm", count: int = 1, **values: Any) -> list[str]:
        asked: dict[str, Any] = {"name": name, "flavor": FLAVOR, "image": IMAGE, "min_count": count,
                                 "max_count": count} | values
        request = CreateRequest(**asked)
        return [s["uuid"] for s in self.operations.create(self.context(), request).servers]

    def wait_ready(self, hosts: int | None = None, timeout: float | None = None) -> None:
        """Until placement knows every host."""
        from nova.db.api import placement

        def known() -> bool:
            with self.api.read() as conn:
                found = conn.execute(sa.select(sa.func.count()).select_from(placement.providers)).scalar_one()
            return bool(found >= (self.hosts_count if hosts is None else hosts))

        self.wait(known, timeout, "placement knows the hosts")

    @staticmethod
    def wait(condition: Callable[[], Any], timeout: float | None = None, what: str = "") -> Any:
        """For what must come. How long that takes on a busy machine says nothing; simulated time is another matter."""
        simulated = concurrency.backend().name == "simulation"
        timeout = timeout or (30.0 if simulated else 180.0)
        end = concurrency.monotonic() + timeout
        while not (result := condition()):
            if concurrency.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what or condition}")
            concurrency.sleep(0.3 if simulated else 0.02)
        return result

    def server(self, uuid: str) -> dict[str, Any] | None:
        try:
            return self.servers.show(self.context(), uuid)
        except errors.NotFound:
            return None

    def wait_state(self, uuid: str, vm_state: str, timeout: float | None = None) -> dict[str, Any]:
        def reached() -> Any:
            row = self.server(uuid)
            return row if row and row["vm_state"] == vm_state and row["task_state"] is None else None

        found: dict[str, Any] = self.wait(reached, timeout, f"server {uuid} is {vm_state}: {self.server(uuid)}")
        return found

    def wait_gone(self, uuid: str, timeout: float | None = None) -> None:
        self.wait(lambda: self.server(uuid) is None, timeout, f"server {uuid} is gone")


def memory_cloud(path: Path, **options: Any) -> Cloud:
    """SQLite files and in-process buses. Cells that answer are waited for, however slow the machine is."""
    options.setdefault("cells_timeout", 60.0)
    conf_options = {"state_path": str(path)} | options.pop("conf_options", {})
    made = make_conf(**conf_options)
    tag = concurrency.uuid4().replace("-", "")[:12]

    def bus(name: str, node: str, service: str) -> Line:
        return Line(made, f"nova-memory://{tag}-{name}", name=name, signer=NullSigner(),
                    sender=BusSender(service, node, concurrency.uuid4()))

    return Cloud(path, made, lambda name: f"sqlite:///{path}/{name}.sqlite", bus, **options)
