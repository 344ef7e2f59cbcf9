# SPDX-License-Identifier: Apache-2.0
"""A cloud of separate daemons, set up as an operator does it: configuration files, nova-manage, one process each."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nova.db.api import placement
from nova.db.engine import Database
from tests.integration.site import ROOT, Site, environment
from tests.services.process import ServiceError

Sections = dict[str, dict[str, Any]]
#: What a process of a host must do without: our modules that know a database, and what speaks to a database server.
FORBIDDEN = ("nova.db", "nova.store", "sqlalchemy", "alembic", "psycopg", "pymysql", "MySQLdb")
_BLOCKER = """import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == f or name.startswith(f + ".") for f in {forbidden!r}):
            raise ImportError(f"{{name}} is not to be had on a host")
sys.meta_path.insert(0, Blocker())
"""


def write_config(path: Path, sections: Sections) -> Path:
    parser = RawConfigParser(default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for section, values in sections.items():
        parser[section] = {name: str(value) for name, value in values.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        parser.write(file)
    path.chmod(0o600)
    return path


@dataclasses.dataclass
class Daemon:
    """One process; what it tells systemd is in ``told``, what it writes in ``log``."""

    name: str
    arguments: list[str]
    directory: Path
    site: Site | None = None
    watchdog: float | None = None
    on_host: bool = False
    told: list[str] = dataclasses.field(default_factory=list)
    #: More of its environment, from its next start on.
    environment: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = self.directory / f"{self.name}.log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address = self.directory / f"{self.name}.notify"
        self._address.unlink(missing_ok=True)
        self._socket.bind(str(self._address))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = environment(NOTIFY_SOCKET=str(self._address), PYTHONUNBUFFERED="1") | self.environment
        if self.watchdog is not None:
            env["WATCHDOG_USEC"] = str(int(self.watchdog * 1e6))
        if self.on_host:
            env["PYTHONPATH"] = f"{self._blocker()}{os.pathsep}{ROOT}"
        service = self.name.partition("@")[0].removeprefix("nova-")
        argv = [sys.executable, "-m", f"nova.cmd.{service}", *self.arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.site.command(*argv) if self.site else argv, env=env, cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _blocker(self) -> Path:
        place = self.directory / "without-database"
        place.mkdir(exist_ok=True)
        (place / "sitecustomize.py").write_text(_BLOCKER.format(forbidden=FORBIDDEN))
        return place

    def listen(self, wanted: str, seconds: float = 120) -> str:
        """The next message to systemd that begins with ``wanted``."""
        end = time.monotonic() + seconds
        self._socket.settimeout(0.2)
        while time.monotonic() < end:
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                if self.process is not None and self.process.poll() is not None and wanted != "STOPPING=1":
                    break
                continue
            self.told.append(message)
            if message.startswith(wanted):
                return message
        raise AssertionError(f"{self.name} did not say {wanted}, only {self.told}; its log ends: {self.text()[-3000:]}")

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def pid(self) -> int:
        """Of the daemon itself, not of what brought it onto the site."""
        assert self.process is not None
        pid = self.process.pid
        if self.site:
            return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self, seconds: float = 120) -> int:
        """By SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait(120)
        self._socket.close()


class Deployment:
    """One controller and one compute host, on a broker and databases that are there and empty."""

    def __init__(self, directory: Path, broker: str, api: str, cell: str, *, site: Site | None = None,
                 virt: str = "libvirt", address: str = "127.0.0.1", port: int = 8774) -> None:
        self.directory, self.site, self.virt = directory, site, virt
        self._listen = f"{address}:{port}"
        self.url = f"http://{self._listen}"
        self._api = api
        self.daemons: dict[str, Daemon] = {}
        self._files = {
            "controller": self._controller(broker, api, cell),
            "cell1": self._file("cell1", broker, {"database": {"connection": cell}, "conductor": {"role": "cell"},
                                                  "rpc": {"keys": directory / "controller" / "keys"}}),
            "compute1": self._file("compute1", broker, {}, compute_driver=virt),
        }

    def _controller(self, broker: str, api: str, cell: str) -> Path:
        return self._file("controller", broker, {
            "api_database": {"connection": api}, "database": {"connection": cell},
            "wsgi": {"listen": self._listen}, "image": {"public_endpoint": f"{self.url}/image"},
            "identity": {"public_endpoint": self.url, "password_hash_cost": 10}})

    def _file(self, host: str, broker: str, sections: Sections, **defaults: Any) -> Path:
        state = self.directory / host
        state.mkdir(mode=0o755, parents=True)
        common: Sections = {"DEFAULT": {"host": host, "state_path": state, "transport_url": broker, **defaults}}
        return write_config(self.directory / "etc" / f"{host}.conf", common | sections)

    def manage(self, *words: str | Path) -> str:
        argv: list[str | Path] = [sys.executable, "-m", "nova.cmd.manage", "--config-file", self._files["controller"],
                                  "-f", "json", *words]
        if self.site:
            return self.site.run(*argv, NOVA_BOOTSTRAP_PASSWORD="secret")
        done = subprocess.run([str(a) for a in argv], env=environment(NOVA_BOOTSTRAP_PASSWORD="secret"), text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def set_up(self, bridge: str = "br100", cidr: str = "10.123.0.0/20", *, step_by_step: bool = False) -> None:
        """From empty databases to a cloud in which a server could be booted."""
        self.manage("api_db", "sync")
        if step_by_step:
            self.manage("cell_v2", "map_cell0")
            self.manage("cell_v2", "create_cell", "--name", "cell1")
            self.manage("db", "sync")
        else:
            self.manage("cell_v2", "simple_cell_setup")
        self.manage("host", "enroll", "compute1", "--output", self.directory / "compute1" / "keys")
        self.manage("identity", "bootstrap")
        self.manage("flavor", "defaults")
        self.manage("network", "create", "private", cidr, "--bridge", bridge)

    def start(self, **options: Any) -> None:
        """All daemons at once, as a machine that boots; returns when each has said that it is ready."""
        top, cell, host = (["--config-file", str(self._files[n])] for n in ("controller", "cell1", "compute1"))
        wanted = {"nova-conductor@cell1": cell, "nova-conductor@api": top, "nova-scheduler": top, "nova-api": top}
        on_host = {"nova-network": host} if self.virt != "fake" else {}
        on_host["nova-compute"] = host
        for name, arguments in (wanted | on_host).items():
            self.daemons[name] = Daemon(name, arguments, self.directory, self.site, on_host=name in on_host, **options)
            self.daemons[name].start()
        for daemon in self.daemons.values():
            daemon.listen("READY=1", 240)

    def providers(self) -> int:
        """How many hosts placement knows: before the first has reported, every create is refused for want of one."""
        database = Database(self._api, pool_size=1)
        try:
            with database.read() as conn:
                return int(conn.execute(sa.select(sa.func.count()).select_from(placement.providers)).scalar_one())
        finally:
            database.dispose()

    def complaints(self) -> str:
        """What the daemons' logs hold above INFO, for the message of a test that failed."""
        return "\n".join(f"{name}: {line}" for name, daemon in self.daemons.items()
                         for line in daemon.text().splitlines() if re.search(r"WARNING|ERROR|CRITICAL", line))

    def write_clouds(self) -> Path:
        auth = (f'{{auth_url: "{self.url}/identity/v3", username: admin, password: secret, project_name: admin, '
                "user_domain_id: default, project_domain_id: default}")
        path = self.directory / "clouds.yaml"
        path.write_text(f"clouds: {{admin: {{auth: {auth}, region_name: RegionOne, identity_api_version: 3}}}}\n")
        return path

    def stop(self) -> dict[str, int]:
        """The exit code of each daemon after SIGTERM, fronts first."""
        order = ["nova-api", "nova-scheduler", "nova-compute", "nova-network", "nova-conductor@api",
                 "nova-conductor@cell1"]
        return {name: self.daemons[name].stop() for name in order if name in self.daemons}

    def close(self) -> None:
        for daemon in self.daemons.values():
            daemon.close()


class Databases:
    """Empty databases for one deployment on a shared server: the API's, cell1's, and cell0's beside it."""

    def __init__(self, server: Any, tag: str, reach: Callable[[str], str] = str) -> None:
        """``reach`` makes of the server's URL of a database the one that the deployment is given."""
        self._server, self._made, self._reach = server, [], reach
        try:
            self.api, self.cell, self.cell0 = (self._create(f"{name}_{tag}{end}") for name, end in (
                ("api", ""), ("cell1", ""), ("cell1", "_cell0")))
        except ServiceError:
            self.drop()
            raise

    def _create(self, name: str) -> str:
        url: str = self._server.create_database(name)
        self._made.append(name)
        return self._reach(url)

    def drop(self) -> None:
        for name in self._made:
            self._server.drop_database(name)
