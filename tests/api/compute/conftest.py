# SPDX-License-Identifier: Apache-2.0
"""The Compute API over real databases (one cell and cell0), called without a socket. Nobody acts on what it takes."""

from __future__ import annotations

import dataclasses
import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from oslo_config import cfg

from nova import conf as options
from nova import errors
from nova.api.compute.application import Deps, build
from nova.cells import Cells
from nova.clients import scheduler as client
from nova.clients.nudges import Sender
from nova.conductor.inventory import Inventories
from nova.context import RequestContext
from nova.db import api as api_db
from nova.db import cell as cell_db
from nova.db.api import cells as mappings
from nova.db.api import flavors
from nova.db.api.tables import services as api_services
from nova.db.cell import compute_nodes, instances
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database
from nova.images import manager
from nova.images.model import Limits
from nova.images.signing import Keyring, UrlSigner
from nova.images.snapshots import Snapshots
from nova.images.store import FileStore
from nova.operations import Operations
from nova.operations.acceptance import Deps as OperationDeps
from nova.policy import Policy, compute
from nova.quota import Quota
from nova.scheduler import options as scheduling
from nova.scheduler.cache import HostStateCache
from nova.scheduler.manager import SchedulerManager
from nova.scheduler.source import DatabaseSource
from nova.store.idempotency import KeyStore
from nova.store.secrets import Sealer
from nova.store.servers import Servers
from nova.virt import interfaces
from nova.virt.fake.driver import FakeDriver
from nova.web.idempotency import Idempotency
from tests.api import coverage
from tests.functional.cloud import make_tables

#: Of host1; host2 can do nothing that a host need not do.
ABILITIES = [interface.__name__ for interface in interfaces.ABILITIES if issubclass(FakeDriver, interface)]
CELL1 = "11111111-1111-4111-8111-111111111111"
IMAGE = "60410716-a418-49db-98b2-cc5c5a48e5dd"
PROJECTS = {"admin": "a" * 32, "demo": "d" * 32, "reader": "d" * 32, "other": "e" * 32, "manager": "d" * 32,
            "service": "f" * 32}
ROLES = {"admin": ("admin",), "demo": ("member",), "reader": ("reader",), "other": ("member",),
         "manager": ("manager",), "service": ("service",)}


@dataclasses.dataclass(frozen=True)
class Image:
    id: str
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = 1 << 20
    properties: Any = dataclasses.field(default_factory=dict)


class Images(manager.Images):
    """The image library, and one image that is there without a record."""

    def reference(self, ctx: RequestContext, image_id: str) -> Any:
        if image_id != IMAGE:
            raise errors.Invalid("Can not find requested image")
        return Image(image_id)


def authenticate(environ: dict[str, Any]) -> RequestContext:
    """A token is the name of a persona."""
    name = environ.get("HTTP_X_AUTH_TOKEN", "")
    if name not in ROLES:
        raise errors.Unauthorized()
    return RequestContext(user_id=f"u-{name}", project_id=PROJECTS[name], roles=ROLES[name], is_admin=name == "admin")


class SilentBus:
    """Nobody is at the other end, unless a test plays who is: ``answer(topic, method, **call)``."""

    def __init__(self) -> None:
        self.answer: Callable[..., Any] | None = None

    def call(self, context: Any, topic: str, method: str, **call: Any) -> Any:
        if self.answer is None:
            raise errors.Unavailable("Nobody answers.", retry_after=10)
        return self.answer(topic, method, **call)


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclasses.dataclass
class Api:
    """A client of the application, and the databases behind it."""

    app: Any
    conf: cfg.ConfigOpts
    database: Database
    cell: Database
    cell0: Database
    deps: Deps

    @property
    def bus(self) -> SilentBus:
        bus = self.deps.operations.deps.api_bus
        assert isinstance(bus, SilentBus)
        return bus

    def __call__(self, method: str, path: str, body: Any = None, *, who: str | None = "demo",
                 version: str | None = None, prefix: str = "/v2.1", raw: bytes | None = None,
                 **headers: str) -> Answer:
        path, _, query = path.partition("?")
        data = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": prefix + path, "QUERY_STRING": query, "SCRIPT_NAME": "/compute",
            "SERVER_NAME": "cloud", "SERVER_PORT": "80", "HTTP_HOST": "cloud", "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data), "CONTENT_LENGTH": str(len(data)), "CONTENT_TYPE": "application/json"}
        if who is not None:
            environ["HTTP_X_AUTH_TOKEN"] = who
        if version is not None:
            environ["HTTP_OPENSTACK_API_VERSION"] = f"compute {version}"
        environ.update(headers)
        seen: list[Any] = []
        chunks = self.app(environ, lambda status, sent, exc=None: seen.append((status, sent)))
        content = b"".join(chunks)
        status, sent = seen[0]
        assert not status.startswith("500"), (method, path, content)
        if prefix == "/v2.1":
            coverage.record(method, path, body, raw, version, int(status[:3]))
        told = {k.lower(): v for k, v in sent}
        json = content and "json" in told.get("content-type", "")
        return Answer(int(status[:3]), told, orjson.loads(content) if json else content or None)

    def server(self, *, project: str = "demo", cell: Database | None = None, **values: Any) -> str:
        """A server that was built: in the cell, with its mapping."""
        database = cell or self.cell
        cell_uuid = mappings.CELL0_UUID if database is self.cell0 else CELL1
        row = server_row(project, **values)
        with self.database.write() as conn:
            conn.execute(mappings.instance_mappings.insert().values(
                instance_uuid=row["uuid"], cell_uuid=cell_uuid, project_id=row["project_id"], user_id=row["user_id"],
                queued_for_delete=False, fence=1, created_at=row["created_at"]))
        with database.write() as conn:
            instances.insert(conn, [row])
        return str(row["uuid"])


def server_row(project: str, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "uuid": str(uuid.uuid4()), "project_id": PROJECTS[project], "user_id": f"u-{project}", "display_name": "vm",
        "display_description": None, "hostname": "vm", "name": None, "reservation_id": "r-12345678",
        "launch_index": 0, "image_ref": IMAGE, "image_properties": {}, "kernel_id": "", "ramdisk_id": "",
        "key_name": None, "key_data": None, "user_data": None, "host": "host1", "node": "host1", "compute_uuid": None,
        "availability_zone": None, "pinned_availability_zone": None, "vm_state": "active", "task_state": None,
        "power_state": 1, "progress": 0, "flavorid": "1", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0,
        "flavor": {"flavorid": "1", "name": "m1.nano", "memory_mb": 64, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0,
                   "swap": 0, "rxtx_factor": 1.0, "is_public": True, "extra_specs": {}, "description": None},
        "metadata": {}, "system_metadata": {}, "tags": [], "network_info": [], "addresses": "",
        "security_groups": ["default"], "scheduler_hints": {}, "server_group": None, "trusted_certs": None,
        "config_drive": "", "access_ip_v4": None, "access_ip_v6": None, "auto_disk_config": False,
        "root_device_name": "/dev/vda", "locked_by": None, "locked_reason": None, "epoch": 1, "op_seq": 0,
        "deleted": False, "created_at": 1795211744.5, "updated_at": 1795211745.25, "launched_at": 1795211745.0,
        "terminated_at": None, "deleted_at": None}
    return row | values


def _database(path: Path, package: Any, name: str) -> Database:
    database = Database(f"sqlite:///{path}", name=name, synchronous="OFF")
    make_tables(database, package)
    return database


#: In the year 2096.
_FAR = 4e9


def _fill(database: Database, cell: Database, cell0: Database) -> None:
    with database.write() as conn:
        for number, (uuid_, where) in enumerate(((mappings.CELL0_UUID, cell0), (CELL1, cell))):
            conn.execute(mappings.cell_mappings.insert().values(
                uuid=uuid_, name=f"cell{number}", transport_url="none:///", disabled=False, created_at=1.0,
                database_connection=where.url.render_as_string(False)))
        for host in ("host1", "host2"):
            mappings.map_host(conn, host, CELL1)
        for flavorid, name, ram, cpus, disk in (("1", "m1.nano", 64, 1, 1), ("2", "m1.tiny", 512, 1, 1),
                                                ("3", "m1.small", 2048, 2, 20)):
            flavors.create(conn, {"flavorid": flavorid, "name": name, "memory_mb": ram, "vcpus": cpus, "root_gb": disk,
                                  "extra_specs": {"hw:cpu_policy": "shared"} if flavorid == "3" else {}})
        api_services.register(conn, uuid=str(uuid.uuid4()), host="ctl", binary="nova-scheduler", topic="scheduler",
                              version=1, incarnation=str(uuid.uuid4()))
    with cell.write() as conn:
        for host in ("host1", "host2"):
            cell_services.register(conn, uuid=str(uuid.uuid4()), host=host, binary="nova-compute",
                                   topic=f"compute.{host}", version=1, incarnation=str(uuid.uuid4()))
            compute_nodes.report(conn, str(uuid.uuid4()), host, host, {
                "hypervisor_type": "fake", "hypervisor_version": 1000, "host_ip": "127.0.0.1", "vcpus": 8,
                "memory_mb": 8192, "local_gb": 100, "cpu_info": {"arch": "x86_64"}, "traits": [], "inventory": {},
                "supported_instances": [], "uptime": "up 3 days", "digest": host,
                "abilities": ABILITIES if host == "host1" else []})
        # Nobody speaks for them here: however long a test takes, they are up until it says otherwise.
        conn.execute(cell_services.services.update().values(last_seen=_FAR))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    conf = cfg.ConfigOpts()
    options.register_all(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override("attach_timeout", 0, "api")
    database = _database(tmp_path / "api.sqlite", api_db, "api")
    cell = _database(tmp_path / "cell1.sqlite", cell_db, "cell1")
    cell0 = _database(tmp_path / "cell0.sqlite", cell_db, "cell0")
    _fill(database, cell, cell0)
    opened = {mappings.CELL0_UUID: cell0, CELL1: cell}
    bus = SilentBus()
    cells = Cells(database, lambda row: (opened[row["uuid"]], bus))
    servers = Servers(database, cells)
    quota = Quota(conf)
    sender = Sender()
    sealer = Sealer(Keyring(tmp_path / "sealing"))
    images = Images(database, FileStore(tmp_path / "images"), UrlSigner(Keyring(tmp_path / "keys")),
                    Limits.from_conf(conf))
    operations = Operations(OperationDeps(database, cells, servers, sender, bus, quota, Snapshots(images),
                                          sealer=sealer))
    deps = Deps(conf, database, cells, servers, operations, quota, images, Policy(rules=compute.RULES), authenticate,
                project_exists=lambda project: project in PROJECTS.values(),
                idempotency=Idempotency(KeyStore(database, cells, lambda: b"s" * 32)))
    yield Api(build(deps), conf, database, cell, cell0, deps)
    cells.close()
    database.dispose()


@dataclasses.dataclass
class OneServer:
    """A bus with the scheduler at its other end."""

    manager: SchedulerManager

    def call(self, context: Any, topic: str, method: str, *, namespace: str, timeout: float,
             args: dict[str, Any]) -> Any:
        assert (topic, namespace) == (client.TOPIC, client.NAMESPACE) and timeout
        return getattr(self.manager, method)(context, **args)


@pytest.fixture
def cloud(api: Api) -> Api:
    """Hosts with 8 and 2 GiB of memory."""
    with api.cell.write() as conn:
        for node in conn.execute(sa.select(compute_nodes.compute_nodes)).mappings().all():
            memory = 8192 if node["host"] == "host1" else 2048
            inventory = {"VCPU": {"total": 8}, "MEMORY_MB": {"total": memory}, "DISK_GB": {"total": 100}}
            compute_nodes.report(conn, node["uuid"], node["host"], node["host"], {
                **{k: node[k] for k in ("hypervisor_type", "hypervisor_version", "host_ip", "vcpus", "memory_mb",
                                        "local_gb", "cpu_info", "traits", "supported_instances", "uptime")},
                "inventory": inventory, "digest": str(uuid.uuid4())})
        conn.execute(cell_services.services.update().values(last_seen=_FAR))
    cells, operations = api.deps.cells, api.deps.operations
    Inventories(api.database, cells).apply()
    manager = SchedulerManager(api.database, HostStateCache(DatabaseSource(api.database, cells)),
                               scheduling.from_conf(api.conf))
    operations.deps = dataclasses.replace(operations.deps, api_bus=OneServer(manager))
    return api


def dump(api: Api) -> dict[str, list[Any]]:
    """All that is in the databases."""
    found = {}
    for name, database, metadata in (("api", api.database, api_db.metadata), ("cell", api.cell, cell_db.metadata)):
        with database.read() as conn:
            for table in metadata.sorted_tables:
                found[f"{name}.{table.name}"] = [tuple(r) for r in conn.execute(sa.select(table))]
    return found
