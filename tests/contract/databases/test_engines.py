# SPDX-License-Identifier: Apache-2.0
"""What nova.db.engine promises, on each engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db import schema
from nova.db.engine import Database

metadata = sa.MetaData()
counters = schema.table(
    "counters", metadata, sa.Column("id", schema.BigId, primary_key=True), sa.Column("name", schema.Name, unique=True),
    sa.Column("used", sa.Integer, nullable=False), sa.Column("data", schema.Json), sa.Column("at", schema.Time))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    metadata.create_all(database.engine)
    yield database
    database.dispose()


def add(database: Database, name: str = "a", used: int = 0) -> None:
    with database.write() as conn:
        conn.execute(counters.insert().values(name=name, used=used, data={"k": [1, "ü"]}, at=schema.db_now()))


def used(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(sa.select(counters.c.used)).scalar_one())


def test_a_row_comes_back_as_it_was_written(database: Database) -> None:
    before = concurrency.time()
    add(database)
    with database.read() as conn:
        row = conn.execute(sa.select(counters)).one()
    assert (row.id, row.name, row.data) == (1, "a", {"k": [1, "ü"]})
    assert before - 60 < row.at < concurrency.time() + 60


def test_the_clock_counts_fractions_of_a_second(database: Database) -> None:
    with database.read() as conn:
        ticks = {float(conn.execute(sa.select(schema.db_now())).scalar_one()) for _ in range(20)}
    assert any(t != int(t) for t in ticks)


def test_an_error_rolls_the_transaction_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as conn:
        conn.execute(counters.insert().values(name="a", used=1))
        raise ZeroDivisionError
    with database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(counters)).scalar_one() == 0


def test_names_differ_by_case_and_accent(database: Database) -> None:
    for name in ("a", "A", "ä"):
        add(database, name)
    with database.read() as conn:
        assert conn.execute(sa.select(counters.c.name).where(counters.c.name == "A")).scalars().all() == ["A"]


def test_of_many_conditional_updates_exactly_the_allowed_number_wins(database: Database) -> None:
    add(database)
    won: list[int] = []

    def take(conn: sa.Connection) -> int:
        statement = counters.update().where(counters.c.used + 1 <= 10).values(used=counters.c.used + 1)
        return conn.execute(statement).rowcount

    tasks = [concurrency.spawn(lambda: won.append(database.run(take))) for _ in range(25)]
    assert all(t.join(120) for t in tasks)
    assert (sum(won), used(database)) == (10, 10)


def test_a_reader_sees_what_was_committed_since_its_last_select(database: Database) -> None:
    add(database)
    with database.read() as conn:
        assert conn.execute(sa.select(counters.c.used)).scalar_one() == 0
        conn.commit()
        with database.write() as writer:
            writer.execute(counters.update().values(used=7))
        assert conn.execute(sa.select(counters.c.used)).scalar_one() == 7


def test_a_database_that_is_not_there_is_unavailable(database_kind: str) -> None:
    urls = {"sqlite": "sqlite:////nonexistent/dir/x", "postgresql": "postgresql://nova:x@127.0.0.1:1/x",
            "mariadb": "mysql://nova:x@127.0.0.1:1/x"}
    database = Database(urls[database_kind])
    with pytest.raises(errors.Unavailable):
        database.check()
    database.dispose()
