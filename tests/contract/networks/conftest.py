# SPDX-License-Identifier: Apache-2.0
"""An API database with the network tables, on each engine in turn, and a clock that tests can move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency
from nova.db.api import floating_ips, security_groups
from nova.db.api import networks as tables
from nova.db.engine import Database
from nova.networks import allocation
from nova.networks.manager import Networks


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url, synchronous="OFF")
    tables.networks.metadata.create_all(database.engine, [
        tables.networks, tables.drafts, tables.ports, tables.addresses, tables.network_changes, security_groups.groups,
        security_groups.rules, security_groups.members, floating_ips.pools, floating_ips.ranges,
        floating_ips.addresses])
    yield database
    database.dispose()


@pytest.fixture
def networks(db: Database) -> Networks:
    return Networks(db)


@pytest.fixture
def allocate(db: Database) -> Callable[..., list[dict[str, Any]]]:
    """Network info of a new server, or of the named one."""

    def run(server: str | None = None, project: str = "p1", host: str = "h1", **options: Any) -> list[dict[str, Any]]:
        server = server or concurrency.uuid4()
        return db.run(lambda conn: allocation.allocate(
            conn, instance_uuid=server, project_id=project, host=host, **options))

    return run


@pytest.fixture
def pass_time(db: Database) -> Callable[[float], None]:
    """Let all leases that were given back run out that much sooner."""

    def run(seconds: float) -> None:
        table = tables.addresses
        with db.write() as conn:
            sooner = table.c.reusable_at - seconds
            conn.execute(sa.update(table).where(table.c.reusable_at > 0).values(reusable_at=sooner))

    return run
