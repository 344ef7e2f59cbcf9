# SPDX-License-Identifier: Apache-2.0
"""How long a database server lets our sessions run, wait and idle: what a partition in mid-statement can hold on to."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

#: Seconds beyond the server's own limit after which a client of MariaDB gives up reading.
_GRACE = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; 0 is no limit. ``statement``: for one statement to run. ``lock``: to wait for another's row. ``idle``:
    for a transaction to do nothing, after which the server rolls it back and its rows are free."""

    statement: float = 0.0
    lock: float = 0.0
    idle: float = 0.0

    @classmethod
    def of(cls, section: Any) -> Limits:
        """From ``[database]`` or ``[api_database]``."""
        return cls(section.statement_timeout, section.lock_timeout, section.idle_transaction_timeout)

    def postgresql(self) -> dict[str, Any]:
        """Arguments of libpq. Probes tell a client that waits for an answer that the server is out of reach."""
        arguments: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4,
                                     "tcp_user_timeout": 30_000}
        settings = {"statement_timeout": self.statement, "lock_timeout": self.lock,
                    "idle_in_transaction_session_timeout": self.idle}
        given = [f"-c {name}={math.ceil(seconds * 1000)}" for name, seconds in settings.items() if seconds]
        return arguments | ({"options": " ".join(given)} if given else {})

    def mysql(self) -> dict[str, Any]:
        """Arguments of PyMySQL."""
        if not self.statement:
            return {}
        patience = math.ceil(self.statement) + _GRACE
        return {"read_timeout": patience, "write_timeout": patience}

    def session(self, *, mariadb: bool) -> list[str]:
        """Statements for a fresh session of MariaDB, or of MySQL, which limits only reads and no idle transaction."""
        made = []
        if self.statement:
            made.append(f"max_statement_time = {self.statement:.3f}" if mariadb
                        else f"max_execution_time = {math.ceil(self.statement * 1000)}")
        if self.lock:
            made.append(f"innodb_lock_wait_timeout = {max(1, math.ceil(self.lock))}")
        if self.idle and mariadb:
            made.append(f"idle_transaction_timeout = {max(1, math.ceil(self.idle))}")
        return [f"SET SESSION {setting}" for setting in made]
