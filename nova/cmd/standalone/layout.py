# SPDX-License-Identifier: Apache-2.0
"""Where the databases and buses of a standalone cloud are, and the configuration files of its processes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import socket
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cmd.standalone.state import Options, StateDir, write
from nova.db.engine import normal_url

MEMORY = "nova-memory://"
Sections = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Everything that follows from the state directory and the options."""

    state: StateDir
    options: Options

    # -- names ---------------------------------------------------------------------------------------------------------

    @property
    def machine(self) -> str:
        return socket.gethostname()

    @property
    def tag(self) -> str:
        """Short and the cloud's own: for things on the machine that clouds must not share."""
        return hashlib.sha256(str(self.state.path).encode()).hexdigest()[:6]

    @property
    def cells(self) -> list[str]:
        return [f"cell{i + 1}" for i in range(self.options.cells)]

    @property
    def hosts(self) -> dict[str, str]:
        """Host → cell."""
        if self.options.hosts == 1:
            return {self.machine: "cell1"}
        return {f"{self.machine}-{i + 1}": self.cells[i % len(self.cells)] for i in range(self.options.hosts)}

    # -- places --------------------------------------------------------------------------------------------------------

    def database(self, name: str) -> str:
        """The URL of ``api``, ``cell0``, ``cell1`` …: a file, or a database beside the one that --database names."""
        if not self.options.database:
            return f"sqlite:///{self.state.path / name}.sqlite"
        url = normal_url(self.options.database)
        if url.get_backend_name() == "sqlite":
            raise errors.ConfigError("--database: SQLite needs no URL, its files are in the state directory")
        return url.set(database=f"{url.database or 'nova'}_{name}").render_as_string(hide_password=False)

    def bus(self, name: str) -> str:
        """The URL of the bus ``api`` or of a cell. On a broker cell1 shares the API's, further cells have vhosts."""
        if not self.options.bus:
            return f"{MEMORY}{name}"
        if name in ("api", "cell1"):
            return self.options.bus
        return f"{self.options.bus.rstrip('/')}_{name}"

    @property
    def base_url(self) -> str:
        """How clients and hosts reach the fronts."""
        host, _, port = self.options.listen.rpartition(":")
        if host.strip("[]") in ("", "0.0.0.0", "::"):  # noqa: S104 - any address; clients use the machine's name
            host = self.machine
        return f"http://{host}:{port}"

    # -- files ---------------------------------------------------------------------------------------------------------

    def write_configuration(self) -> None:
        """nova.conf of the API level; with --daemons also one file per cell and host."""
        self._write(self.state.config, self._common(self.machine, self.state.path) | self._api_level())
        if not self.options.daemons:
            return
        (self.state.path / "etc").mkdir(mode=0o700, exist_ok=True)
        for cell in self.cells:
            common = self._common(f"{self.machine}-{cell}", self.state.path)
            common["DEFAULT"]["transport_url"] = self.bus(cell)
            self._write(self.file(cell), common | {
                "database": {"connection": self.database(cell)}, "conductor": {"role": "cell"}})
        for host, cell in self.hosts.items():
            place = self.state.path / "hosts" / host
            place.mkdir(mode=0o711, parents=True, exist_ok=True)
            common = self._common(host, place)
            common["DEFAULT"]["transport_url"] = self.bus(cell)
            common["rpc"]["keys"] = place / "keys"
            self._write(self.file(host), common)

    def file(self, name: str) -> Path:
        """The configuration of a cell's conductor or of a host."""
        return self.state.path / "etc" / f"{name}.conf"

    def _common(self, host: str, state_path: Path) -> Sections:
        options = self.options
        return {
            "DEFAULT": {"host": host, "state_path": state_path, "transport_url": self.bus("api"),
                        "compute_driver": options.virt, "debug": options.log_level == "debug"},
            "rpc": {"keys": self.state.keys},
            "network": {"manager": "none" if options.virt == "fake" else "flatdhcp", "table": f"nova_{self.tag}"},
            "oslo_concurrency": {"lock_path": state_path / "locks"},
        }

    def _api_level(self) -> Sections:
        return {
            "api_database": {"connection": self.database("api")},
            "database": {"connection": self.database("cell1")},
            "wsgi": {"listen": self.options.listen},
            "identity": {"public_endpoint": self.base_url,
                         "fernet_key_repository": self.state.path / "fernet-keys"},
            "image": {"public_endpoint": f"{self.base_url}/image"},
            "api": {"network_in_catalog": self.options.network_api},
        }

    def _write(self, path: Path, sections: Sections) -> None:
        parser = RawConfigParser(default_section="")  # oslo.config's DEFAULT is a section like any other
        for section, values in sections.items():
            parser[section] = {name: str(value).replace("$", "$$") for name, value in values.items()}
        text = io.StringIO()
        parser.write(text)
        write(path, "# Written by nova-standalone at each start.\n" + text.getvalue())


def create_databases(layout: Layout) -> None:
    """Make the databases that are not there yet; on a server the user of --database must be allowed to.

    The state directory lets QEMU's user pass, so a file must keep password hashes from the machine's other users.
    """
    if not layout.options.database:
        for name in ("api", "cell0", *layout.cells):
            file = Path(sa.make_url(layout.database(name)).database or "")
            file.touch(mode=0o600)
            file.chmod(0o600)  # one made by an older version was open
        return
    url = normal_url(layout.options.database)
    maintenance = url.set(database="postgres" if url.get_backend_name() == "postgresql" else None)
    engine = sa.create_engine(maintenance, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 10})
    names = [sa.make_url(layout.database(name)).database or "" for name in ("api", "cell0", *layout.cells)]
    try:
        with engine.connect() as conn:
            there = set(_databases(conn))
            for name in names:
                if name not in there:
                    conn.exec_driver_sql(f"CREATE DATABASE {engine.dialect.identifier_preparer.quote(name)}")
    except sa.exc.DBAPIError as e:
        raise errors.ConfigError(f"--database {url.render_as_string(hide_password=True)}: {e.orig}") from e
    finally:
        engine.dispose()


def _databases(conn: sa.Connection) -> list[str]:
    query = "SELECT datname FROM pg_database" if conn.dialect.name == "postgresql" else "SHOW DATABASES"
    return [str(row[0]) for row in conn.exec_driver_sql(query)]
