# SPDX-License-Identifier: Apache-2.0
"""Pools of floating addresses as an operator sees them: filled, listed, emptied."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import floating_ips as table
from nova.db.engine import Database
from nova.networks import floating_ips as library


class Pools:
    def __init__(self, api: Database) -> None:
        self._api = api

    def add(self, name: str, cidr: str, interface: str | None = None) -> dict[str, Any]:
        """Put a range into the pool of that name, which is made when there is none. Conflict when ranges overlap."""
        def run(conn: sa.Connection) -> dict[str, Any]:
            try:
                pool = library.pool(conn, name)
            except errors.NotFound:
                pool = library.create_pool(conn, name, interface)
            return library.add_range(conn, pool, cidr)

        return self._api.run(run)

    def ensure(self, name: str, cidr: str) -> None:
        """The pool of that name; made with one range when there is none."""
        with self._api.read() as conn:
            known = any(pool["name"] == name for pool in table.list_pools(conn))
        if not known:
            self.add(name, cidr)

    def list(self) -> list[dict[str, Any]]:
        """Ranges with ``pool``, ``interface`` and how many of their addresses are ``used``."""
        with self._api.read() as conn:
            pools = {pool["uuid"]: pool for pool in table.list_pools(conn)}
            return [row | {"pool": pools[row["pool_uuid"]]["name"], "interface": pools[row["pool_uuid"]]["interface"],
                           "used": table.held(conn, range_uuid=row["uuid"])} for row in table.list_ranges(conn)]

    def remove(self, cidr: str) -> None:
        """Take a range away, and its pool with the last one. Conflict while a project has one of its addresses."""
        def run(conn: sa.Connection) -> None:
            ranges = table.list_ranges(conn)
            found = next((row for row in ranges if row["cidr"] == cidr), None)
            if found is None:
                raise errors.NotFound(f"There is no range {cidr} of floating addresses.")
            library.remove_range(conn, found["uuid"])
            if all(row is found or row["pool_uuid"] != found["pool_uuid"] for row in ranges):
                library.remove_pool(conn, found["pool_uuid"])

        self._api.run(run)
