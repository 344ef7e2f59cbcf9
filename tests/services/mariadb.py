# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server on the loopback, with the durability of production."""

from __future__ import annotations

import shutil
from typing import Any

import pymysql

from tests.services.process import Server, ServiceError

PASSWORD = "secret"


class MariaDB:
    """``start()``, then ``create_database(name)`` gives a URL for :class:`nova.db.engine.Database`."""

    kind = "mariadb"

    def __init__(self, port: int | None = None) -> None:
        self.server: MariaDBServer | None = None if port else MariaDBServer()
        self.port = port or (self.server.port if self.server else 0)

    def start(self) -> None:
        if self.server is None:
            raise ServiceError("this MariaDB was started by another process")
        self.server.start()

    def stop(self) -> None:
        if self.server:
            self.server.stop()

    def remove(self) -> None:
        if self.server:
            self.server.remove()

    def url(self, name: str) -> str:
        return f"mysql://nova:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def create_database(self, name: str) -> str:
        self._admin("CREATE DATABASE `{}` CHARACTER SET utf8mb4", name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self._admin("DROP DATABASE IF EXISTS `{}`", name)

    def info(self) -> dict[str, Any]:
        """What another process needs to use this server: ``MariaDB(**info)``."""
        return {"port": self.port}

    def _admin(self, statement: str, name: str) -> None:
        with pymysql.connect(host="127.0.0.1", port=self.port, user="nova", password=PASSWORD, connect_timeout=10,
                             autocommit=True) as conn, conn.cursor() as cursor:
            cursor.execute("SET sql_notes = 0")
            cursor.execute(statement.format(name.replace("`", "``")))


class MariaDBServer(Server):
    user = "mysql"

    def start(self) -> None:
        data, socket = self.directory / "data", self.directory / "socket"
        installer = shutil.which("mariadb-install-db")
        daemon = shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/bin:/usr/local/sbin")
        if installer is None or daemon is None:
            raise ServiceError("MariaDB is not installed: apt-get install mariadb-server")
        fresh = not data.exists()
        if fresh:
            self.run(installer, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
                     "--skip-test-db")
        self.launch(daemon, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--port={self.port}",
                    "--bind-address=127.0.0.1", f"--pid-file={self.directory / 'pid'}", "--max-connections=400",
                    "--innodb-buffer-pool-size=64M", "--skip-name-resolve")
        if fresh:
            self.wait_until(lambda: self._answers(unix_socket=str(socket), user="root"))
            with pymysql.connect(unix_socket=str(socket), user="root") as conn, conn.cursor() as cursor:
                cursor.execute(f"CREATE USER nova@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
                cursor.execute("GRANT ALL ON *.* TO nova@'127.0.0.1' WITH GRANT OPTION")
        self.wait_until(lambda: self._answers(host="127.0.0.1", port=self.port, user="nova", password=PASSWORD))

    def _answers(self, **arguments: Any) -> bool:
        try:
            pymysql.connect(connect_timeout=5, **arguments).close()
        except pymysql.err.OperationalError:
            return False
        return True
