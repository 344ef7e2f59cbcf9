# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server on the loopback, with the durability of production."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.services.process import Server, ServiceError

PASSWORD = "secret"


def binaries() -> Path:
    """Where initdb and postgres are: Debian keeps them out of the path, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    if initdb is None:
        raise ServiceError("PostgreSQL is not installed: apt-get install postgresql")
    return Path(initdb).resolve().parent


class PostgreSQL:
    """``start()``, then ``create_database(name)`` gives a URL for :class:`nova.db.engine.Database`."""

    kind = "postgresql"

    def __init__(self, port: int | None = None, directory: str = "") -> None:
        self.server: PostgreSQLServer | None = None if port else PostgreSQLServer()
        self.port = port or (self.server.port if self.server else 0)
        self.directory = str(self.server.directory) if self.server else directory

    def start(self) -> None:
        if self.server is None:
            raise ServiceError("this PostgreSQL was started by another process")
        self.server.start()

    def stop(self) -> None:
        if self.server:
            self.server.stop(signal.SIGINT)

    def remove(self) -> None:
        if self.server:
            self.server.stop(signal.SIGINT)
            self.server.remove()

    def url(self, name: str) -> str:
        return f"postgresql://nova:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def through_file(self, url: str) -> str:
        """The same database for whoever is in another network namespace, but sees our files."""
        return url.replace(f"127.0.0.1:{self.port}", "") + f"?host={self.directory}&port={self.port}"

    def create_database(self, name: str) -> str:
        self._admin("CREATE DATABASE {}", name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self._admin("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def info(self) -> dict[str, Any]:
        """What another process needs to use this server: ``PostgreSQL(**info)``."""
        return {"port": self.port, "directory": self.directory}

    def _admin(self, statement: str, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as conn:
            conn.execute(sql.SQL(statement).format(sql.Identifier(name)))


class PostgreSQLServer(Server):
    user = "postgres"

    def start(self) -> None:
        tools, data = binaries(), self.directory / "data"
        if not data.exists():
            secret = self.directory / "password"
            secret.write_text(PASSWORD)
            self.run(tools / "initdb", "-D", data, "-U", "nova", "-A", "scram-sha-256", f"--pwfile={secret}",
                     "-E", "UTF8", "--locale=C.UTF-8")
        self.launch(tools / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k", self.directory,
                    "-c", "max_connections=400", "-c", "shared_buffers=64MB")
        self.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"postgresql://nova:{PASSWORD}@127.0.0.1:{self.port}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
