# SPDX-License-Identifier: Apache-2.0
"""A session that is stuck, waits, or was cut off in the middle of a transaction: servers let go, and we say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db import schema
from nova.db.engine import Database
from nova.db.limits import Limits

metadata = sa.MetaData()
seats = schema.table("seats", metadata, sa.Column("id", schema.BigId, primary_key=True),
                     sa.Column("taken", sa.Integer, nullable=False))
#: Statements that take longer than any limit here, and would end.
SLEEP = {"postgresql": "SELECT pg_sleep(20)", "mariadb": "SELECT SLEEP(20)"}


@pytest.fixture(params=list(SLEEP))
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def url(kind: str, make_database: Callable[..., str]) -> str:
    return make_database(kind)


@pytest.fixture
def make(url: str) -> Iterator[Callable[..., Database]]:
    """``make(lock=1.0)``: a database with just that limit. A busy machine reaches any other before it is meant to."""
    made = [Database(url)]
    metadata.create_all(made[0].engine)
    with made[0].write() as conn:
        conn.execute(seats.insert().values(id=1, taken=0))

    def limited(**limits: float) -> Database:
        made.append(Database(url, limits=Limits(**limits)))
        return made[-1]

    yield limited
    for database in made:
        database.dispose()


def taken(url: str) -> int:
    database = Database(url)
    try:
        with database.read() as conn:
            return int(conn.execute(sa.select(seats.c.taken)).scalar_one())
    finally:
        database.dispose()


def take(conn: sa.Connection) -> None:
    conn.execute(seats.update().values(taken=seats.c.taken + 1))


def test_a_statement_is_given_up(make: Callable[..., Database], kind: str) -> None:
    database = make(statement=1.0)
    with pytest.raises(errors.Unavailable), database.read() as conn:
        conn.execute(sa.text(SLEEP[kind])).all()
    with database.read(patient=True) as conn:  # the connection, or another one, works
        assert conn.execute(sa.select(seats.c.taken)).scalar_one() == 0


def test_a_patient_reader_is_not_given_up(make: Callable[..., Database], kind: str) -> None:
    with make(statement=1.0).read(patient=True) as conn:
        conn.execute(sa.text(SLEEP[kind].replace("20", "1.5"))).all()


def test_who_waits_for_a_row_waits_no_longer_than_allowed(url: str, make: Callable[..., Database]) -> None:
    database = make(lock=1.0)
    with make().write() as conn:
        take(conn)
        with pytest.raises(errors.Unavailable):
            database.run(take)
    database.run(take)
    assert taken(url) == 2


def test_a_transaction_that_was_left_alone_frees_its_rows(url: str, make: Callable[..., Database]) -> None:
    other = make()
    with pytest.raises(errors.Unavailable), make(idle=1.0).write() as conn:
        take(conn)
        concurrency.sleep(2.5)
        other.run(take)  # would wait for as long as the first one holds its row
        take(conn)
    assert taken(url) == 1


def test_without_limits_a_session_has_the_servers_own(url: str, kind: str) -> None:
    database = Database(url)
    try:
        with database.read() as conn:
            conn.execute(sa.text(SLEEP[kind].replace("20", "1.5"))).all()
    finally:
        database.dispose()


def test_mysql_is_asked_for_what_it_knows() -> None:
    assert Limits(2.5, 0.2, 3.0).session(mariadb=False) == [
        "SET SESSION max_execution_time = 2500", "SET SESSION innodb_lock_wait_timeout = 1"]
    assert Limits().session(mariadb=True) == [] and Limits().mysql() == {} and "options" not in Limits().postgresql()
