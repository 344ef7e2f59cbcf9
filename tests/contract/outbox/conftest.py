# SPDX-License-Identifier: Apache-2.0
"""An outbox on each database, and a broker that does what a test wants."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.engine import Database
from nova.db.outbox import OutboxTables

metadata = sa.MetaData()
tables = OutboxTables.on(metadata)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    metadata.create_all(database.engine)
    yield database
    database.dispose()


def put(database: Database, *names: str) -> None:
    """A transaction for each notification."""
    for name in names:
        with database.write() as conn:
            tables.put(conn, [note(name)])


def note(name: str) -> dict[str, Any]:
    return {"message_id": str(uuid.uuid4()), "versioned": True, "event_type": name, "priority": "INFO",
            "publisher_id": "nova-compute:h", "context": {"request_id": "req-1"}, "payload": {"n": [1, "ü"]},
            "created_at": concurrency.time()}


def left(database: Database) -> list[str]:
    with database.read() as conn:
        return [row["event_type"] for row in tables.pending(conn, 1000)]


class Broker:
    """Takes messages, or refuses the next ``away`` ones."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.away = 0

    def publish(self, row: Mapping[str, Any]) -> None:
        if self.away:
            self.away -= 1
            raise errors.Unavailable("The broker is away.")
        self.taken.append((row["event_type"], row["message_id"]))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.taken]


def wait(condition: Any, what: str, timeout: float = 120.0) -> None:
    end = concurrency.monotonic() + timeout
    while not condition():
        assert concurrency.monotonic() < end, what
        concurrency.sleep(0.02)
