# SPDX-License-Identifier: Apache-2.0
"""A cloud of daemons: databases of one kind, two virtual hosts of a broker, and a process per service."""

from __future__ import annotations

import dataclasses
import functools
import secrets
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from oslo_config import cfg

from nova import conf
from nova.cmd import provision
from nova.db import migrate
from nova.db.api import flavors, placement
from nova.db.engine import Database
from nova.identity.bootstrap import bootstrap
from nova.images.manager import Images
from nova.rpc.keyring import SERVICES, Keyring, host_key
from tests.crash.processes import Daemon
from tests.crash.traps import Traps
from tests.crash.truth import Truth
from tests.crash.user import User
from tests.services import session
from tests.services.process import free_port

HOSTS = ("host1", "host2")
HUGE = "99"
#: Alembic can do one thing at a time.
_MIGRATING = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Timing:
    """``lease`` and ``report_interval`` of every process, in seconds. ``hurried``: the lease of one that stays dead is
    made to end at once; a live one keeps its own, however slow the machine is."""

    lease: float
    report_interval: float
    hurried: bool = False


#: Nobody may wait for the lease of one that is back already: here it outlasts every case.
PATIENT = Timing(lease=60.0, report_interval=0.5)
#: Others go on for who stays dead.
QUICK = Timing(lease=10.0, report_interval=0.5, hurried=True)


class Cloud:
    """What every arrangement of processes has. ``start()``, then ``user`` asks, ``traps`` strike, ``truth`` tells;
    ``stop()`` leaves nothing behind."""

    user: User
    truth: Truth

    def __init__(self, name: str, timing: Timing) -> None:
        self.timing = timing
        self.path = Path(tempfile.mkdtemp(prefix=f"nova-crash-{name}-"))
        self.path.chmod(0o711)
        self.traps = Traps(self.path / "traps")
        self.traps.create()
        self.daemons: dict[str, Daemon] = {}
        #: Set by who does not want to wait any longer.
        self.given_up = threading.Event()
        self.undo: list[Callable[[], None]] = [lambda: shutil.rmtree(self.path, ignore_errors=True)]
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.stop()
            raise
        return self

    def up(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            daemon.close()
        while self.undo:
            self.undo.pop()()

    def process_of(self, role: str) -> str:
        """The name of a process of that role, where any will do."""
        return role

    def host_of(self, process: str) -> str:
        """The name that a process goes by among the services."""
        return process

    def look_past(self, api: Database, hosts: dict[str, Path]) -> None:
        self.truth = Truth(api, hosts)
        self.undo.append(self.truth.close)

    def known_hosts(self) -> bool:
        with self.truth.api.read() as conn:
            found = conn.execute(sa.select(sa.func.count()).select_from(placement.providers)).scalar_one()
        return bool(found >= len(HOSTS))

    def settle(self, uuid: str, end: str, what: str, *, silent: str | None = None, seconds: float = 240.0) -> None:
        """Until the server is what it must be; then everything else must be right as well. ``silent`` is the host of
        one that is dead: what it said before may still be heard, and counts for nothing."""
        self.truth.expected[uuid] = end
        hushed = 0.0

        def ended() -> bool:
            nonlocal hushed
            if silent is not None and time.monotonic() - hushed > 0.5:
                hushed = time.monotonic()
                self.truth.silence(silent, 1.5 * self.timing.lease)
            return self.truth.ended(uuid)

        self.wait(ended, seconds, f"{what}: the operation ends")

    def check(self, what: str, seconds: float = 180.0) -> None:
        """Nothing leaked, nothing stuck. A host that came back this moment may need another to look for strangers."""
        wrong: list[str] = []

        def right() -> bool:
            wrong[:] = self.truth.wrong(self.user.project_id)
            return not wrong

        try:
            self.wait(right, seconds, what)
        except AssertionError as e:
            raise AssertionError(f"{what}: {wrong}\n{e}") from None

    def wait(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        end = time.monotonic() + seconds
        while not (found := condition()):
            if self.given_up.is_set() or time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.report()}")
            time.sleep(0.02)
        return found

    def report(self) -> str:
        """What may explain a failure: open rows, the last passages, the ends of all logs."""
        rows = "\n".join(str(r) for r in self.truth.open_rows()) if hasattr(self, "truth") else ""
        passed = "\n".join(f"{p.at:.2f} {p.process} {p.label}" for p in self.traps.passages(0)[-12:])
        logs = "\n".join(f"--- {d.name} (running: {d.running})\n{d.tail(12)}" for d in self.daemons.values())
        return f"open rows:\n{rows}\npassages (now {time.monotonic():.2f}):\n{passed}\n{logs}"


class Cluster(Cloud):
    """Daemons on a broker and databases of one kind. ``environment`` is for all of them; ``broker`` another than that
    of the session."""

    def __init__(self, kind: str, timing: Timing, *, orchestrators: int = 1, environment: dict[str, str] | None = None,
                 broker: Any = None) -> None:
        super().__init__(kind, timing)
        self.kind = kind
        self.tag = uuid.uuid4().hex[:10]
        self.broker: Any = broker or session.shared("rabbitmq")
        self._orchestrators, self._environment = orchestrators, environment or {}

    def up(self) -> None:
        self._services()
        self._configure()
        self._fill()
        self._make_daemons()
        for daemon in self.daemons.values():
            if daemon.name in HOSTS:  # what hosts say before there is a conductor is lost, and said again after 10 s
                self.daemons["conductor"].wait_ready()
            daemon.start()
        for daemon in self.daemons.values():
            daemon.wait_ready()
        self.look_past(self.api, {host: self.path / host for host in HOSTS})
        self.user.log_in()
        self.wait(self.known_hosts, 120, "placement knows the hosts")

    def process_of(self, role: str) -> str:
        return {"orchestrator": "orchestrator1", "compute": HOSTS[0]}.get(role, role)

    def host_of(self, process: str) -> str:
        return process.replace("orchestrator", "ctl")

    # -- what the processes stand on -----------------------------------------------------------------------------------

    def _services(self) -> None:
        self.urls: dict[str, str] = {}
        for name in ("api", "cell0", "cell1"):
            if self.kind == "sqlite":
                self.urls[name] = f"sqlite:///{self.path}/{name}.sqlite"
                continue
            server: Any = session.shared(self.kind)
            database = f"crash_{name}_{self.tag}"
            self.urls[name] = server.create_database(database)
            self.undo.append(functools.partial(server.drop_database, database))
        self.vhosts = {name: f"crash_{name}_{self.tag}" for name in ("api", "cell1")}
        self.buses = {}
        for name, vhost in self.vhosts.items():
            self.buses[name] = self.broker.create_vhost(vhost)
            self.undo.append(functools.partial(self.broker.delete_vhost, vhost))

    def _configure(self) -> None:
        base = self.base
        keys = self.path / "keys"
        ring = Keyring()
        for key in (SERVICES, *(host_key(h) for h in HOSTS)):
            ring.generate(key)
        ring.save(keys)
        common: dict[str, dict[str, Any]] = {
            "DEFAULT": {"state_path": self.path, "transport_url": self.buses["api"], "compute_driver": "fake",
                        "lease": self.timing.lease, "report_interval": self.timing.report_interval,
                        "service_down_time": max(60.0, self.timing.lease), "workers": 6,
                        "reclaim_instance_interval": 86400, "shelved_offload_time": -1},
            "rpc": {"keys": keys, "quorum_queues": False, "connect_timeout": 10},
            "fake": {"vcpus": 2000, "memory_mb": 4000000, "disk_gb": 20000},
            "quota": {"instances": -1, "cores": -1, "ram": -1}}
        above: dict[str, dict[str, Any]] = {
            "api_database": {"connection": self.urls["api"]}, "wsgi": {"listen": f"127.0.0.1:{self.port}"},
            "identity": {"public_endpoint": base, "password_hash_cost": 4},
            "image": {"public_endpoint": f"{base}/image"}}
        self._write("api", common | above)
        for host in HOSTS:
            ring.only(host_key(host)).save(self.path / host / "keys")
            own = {"state_path": self.path / host, "transport_url": self.buses["cell1"], "host": host}
            self._write(host, common | {"DEFAULT": common["DEFAULT"] | own,
                                        "rpc": common["rpc"] | {"keys": self.path / host / "keys"}})
        self._write("conductor", common | {
            "DEFAULT": common["DEFAULT"] | {"transport_url": self.buses["cell1"], "host": "cell1-ctl"},
            "database": {"connection": self.urls["cell1"]}})

    def _write(self, name: str, sections: dict[str, dict[str, Any]]) -> None:
        lines = []
        for section, values in sections.items():
            lines += [f"[{section}]", *(f"{k} = {v}" for k, v in values.items())]
        (self.path / f"{name}.conf").write_text("\n".join(lines) + "\n")

    def _fill(self) -> None:
        """Schemas, cells, users, flavors, a network and an image."""
        for name in ("cell0", "cell1"):
            database = Database(self.urls[name], name=name, pool_size=1)
            with _MIGRATING:
                migrate.upgrade(database, "cell")
            database.dispose()
        self.api = Database(self.urls["api"], name="api")
        self.undo.append(self.api.dispose)
        with _MIGRATING:
            migrate.upgrade(self.api, "api")
        provision.map_cell0(self.api, self.urls["cell0"])
        provision.create_cell(self.api, provision.CellSpec("cell1", self.urls["cell1"], self.buses["cell1"]))
        provision.add_flavors(self.api)
        self.api.run(lambda conn: flavors.create(conn, {**provision.FLAVORS[0], "flavorid": HUGE, "name": "huge",
                                                        "memory_mb": 2**30}))
        provision.add_network(self.api, "10.100.0.0/16")
        password = secrets.token_urlsafe(12)
        made = bootstrap(self.api, password, password, service_password=password, hash_cost=4)
        disk = self.path / "empty.raw"
        with disk.open("wb") as stream:
            stream.truncate(1 << 20)
        loaded = conf.load("nova-api", ["--config-file", str(self.path / "api.conf")], conf=cfg.ConfigOpts())
        image = provision.add_image(Images.from_conf(loaded, self.api), made.projects["admin"], "guest", disk, "raw")
        self.user = User(self.base, password, image)
        self.undo.append(self.user.close)

    def _make_daemons(self) -> None:
        self._daemon("conductor", "nova-conductor", "conductor", "--role", "cell")
        self._daemon("api", "nova-api", "api", "--host", "api1")
        self._daemon("scheduler", "nova-scheduler", "api", "--host", "sched1")
        for number in range(1, self._orchestrators + 1):
            self._daemon(f"orchestrator{number}", "nova-conductor", "api", "--role", "api", "--host", f"ctl{number}")
        for host in HOSTS:
            self._daemon(host, "nova-compute", host)

    def _daemon(self, name: str, prog: str, file: str, *args: str) -> None:
        if "--host" in args:  # it has no command line option of its own
            at = args.index("--host")
            own = self.path / f"{name}.own.conf"
            own.write_text(f"[DEFAULT]\nhost = {args[at + 1]}\n")
            args = (*args[:at], *args[at + 2:], "--config-file", str(own))
        self.daemons[name] = Daemon(name, prog, ["--config-file", str(self.path / f"{file}.conf"), *args], self.traps,
                                    self.path, self._environment)
