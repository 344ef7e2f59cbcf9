# SPDX-License-Identifier: Apache-2.0
"""The feed delivers every event of every transaction, whatever order they end in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency
from nova.db.engine import Database
from nova.db.outbox import STREAMS
from nova.notifications.feed import Feed, Source
from tests.contract.outbox.conftest import tables, wait


def event(name: str) -> dict[str, Any]:
    return {"project_id": "p", "instance_uuid": str(uuid.uuid4()), "event": name, "body": {"n": name},
            "created_at": concurrency.time()}


def add(database: Database, *names: str) -> None:
    for name in names:
        with database.write() as conn:
            tables.add_events(conn, [event(name)])


class Heard:
    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, source: str, rows: list[dict[str, Any]]) -> None:
        self.names += [row["event"] for row in rows]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def feed(database: Database, heard: Heard) -> Iterator[Feed]:
    made = Feed(lambda: [Source("api", database, tables)], heard, retention=600.0, hearsay=0.0, first="api")
    made.start()
    yield made
    made.stop()


def test_events_come_in_order(database: Database, feed: Feed, heard: Heard) -> None:
    names = [f"e{i}" for i in range(50)]
    add(database, *names)
    wait(lambda: heard.names == names, f"all: {heard.names}")


def test_a_transaction_that_ends_late_is_heard(database: Database, feed: Feed, heard: Heard) -> None:
    if database.dialect == "sqlite":
        add(database, "early", "late")  # it has one writer at a time: numbers cannot overtake each other
        wait(lambda: heard.names == ["early", "late"], "both")
        return
    with database.write() as conn:
        tables.add_events(conn, [event("late")])
        add(database, "early")
        wait(lambda: heard.names == ["early"], "the other goes on")
        before = feed.positions()["api"].low
        add(database, "next")
        wait(lambda: heard.names == ["early", "next"], "and on")
        assert feed.positions()["api"].low == before
    wait(lambda: heard.names == ["early", "next", "late"], "the late one")
    wait(lambda: feed.positions()["api"].low == before + 3, "the position goes on")


def test_a_client_that_comes_back_during_a_late_transaction_misses_nothing(database: Database, feed: Feed,
                                                                          heard: Heard) -> None:
    add(database, "first")
    wait(lambda: heard.names == ["first"], "the first")
    seen = feed.positions()["api"].low
    if database.dialect != "sqlite":
        with database.write() as conn:
            tables.add_events(conn, [event("late")])
            add(database, "early")
            wait(lambda: heard.names == ["first", "early"], "the early one")
            rows = feed.replay("api", seen, feed.standing()["api"])
            assert rows is not None and [row["event"] for row in rows] == ["early"]
        wait(lambda: heard.names[-1] == "late", "who is there hears the late one")
    else:
        add(database, "early", "late")
        wait(lambda: len(heard.names) == 3, "all")
    rows = feed.replay("api", seen, feed.standing()["api"])
    assert rows is not None and {row["event"] for row in rows} == {"early", "late"}


def test_a_transaction_that_is_rolled_back_stops_nobody(database: Database, feed: Feed, heard: Heard) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as conn:
        tables.add_events(conn, [event("never")])
        raise ZeroDivisionError
    add(database, "after")
    wait(lambda: heard.names == ["after"], "the one after")


def test_asking_goes_on_without_a_break(database: Database) -> None:
    with database.write() as conn:
        assert tables.listened(conn) is None
        since, age = tables.listen(conn, 600.0)
        assert tables.listened(conn) == since and 0 <= age < 60
    with database.write() as conn:
        again, _ = tables.listen(conn, 600.0)
        assert again == since
        conn.execute(sa.update(tables.listeners).where(tables.listeners.c.name == STREAMS).values(until=0.0))
        assert tables.listened(conn) is None
    concurrency.sleep(0.01)
    with database.write() as conn:
        fresh, _ = tables.listen(conn, 600.0)
        assert fresh > since


def test_old_events_go_and_numbers_are_never_used_again(database: Database) -> None:
    add(database, "a", "b", "c")
    with database.write() as conn:
        newest = tables.newest(conn)
        tables.forget_events(conn, 600.0)
        assert tables.oldest(conn) < newest
        tables.forget_events(conn, -60.0)
        assert tables.oldest(conn) == tables.newest(conn) == newest
    add(database, "d")
    with database.read() as conn:
        assert [row["event"] for row in tables.events_after(conn, newest, 10)] == ["d"]
