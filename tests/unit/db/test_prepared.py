# SPDX-License-Identifier: Apache-2.0
"""Prepared selects give what SQLAlchemy gives, rows and errors alike."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from nova.db.engine import Database
from nova.db.prepared import Prepared

THINGS = sa.Table(
    "things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)),
    sa.Column("on", sa.Boolean), sa.Column("more", sa.JSON(none_as_null=True)), sa.Column("at", sa.DateTime))
C = THINGS.c
BY_NAME = sa.select(THINGS, (C.id + 1).label("next")).where(C.name == sa.bindparam("b_name"), C.id > 0)
AT = datetime.datetime(2026, 11, 21, 15, 30)


@pytest.fixture
def database(tmp_path: pathlib.Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/things.sqlite")
    THINGS.create(made.engine)
    with made.write() as conn:
        conn.execute(THINGS.insert(), [
            {"id": 1, "name": "one", "on": True, "more": {"a": [1, None]}, "at": AT},
            {"id": 2, "name": "bare", "on": None, "more": None, "at": None},
            {"id": 3, "name": "twin", "on": False, "more": [], "at": AT},
            {"id": 4, "name": "twin", "on": False, "more": "x", "at": AT}])
    yield made
    made.dispose()


@pytest.mark.parametrize("name", ["one", "bare", "nobody"])
def test_the_row_is_the_same(database: Database, name: str) -> None:
    prepared = Prepared(BY_NAME)
    with database.read() as conn:
        expected = conn.execute(BY_NAME, {"b_name": name}).one_or_none()
        for _ in range(2):
            found = prepared.one(conn, {"b_name": name})
            assert (found is None and expected is None) or list(found or ()) == list(expected or ())


def test_two_rows_are_an_error(database: Database) -> None:
    with database.read() as conn, pytest.raises(sa.exc.MultipleResultsFound):
        Prepared(BY_NAME).one(conn, {"b_name": "twin"})


def test_a_parameter_of_another_form_is_understood(database: Database) -> None:
    dated = Prepared(sa.select(C.id).where(C.at == sa.bindparam("b_at"), C.id == 1))
    listed = Prepared(sa.select(C.name).where(C.id.in_([2, 7])))
    with database.read() as conn:
        assert list(dated.one(conn, {"b_at": AT}) or ()) == [1]
        assert list(listed.one(conn) or ()) == ["bare"]


def test_errors_are_those_of_sqlalchemy(database: Database) -> None:
    missing = Prepared(sa.select(sa.literal_column("x")).select_from(sa.table("nowhere")))
    with database.engine.connect() as conn, pytest.raises(sa.exc.OperationalError, match="no such table"):
        missing.one(conn)
    with database.read() as conn, pytest.raises(sa.exc.StatementError):
        Prepared(BY_NAME).one(conn, {})


def test_it_reads_what_its_own_transaction_wrote(database: Database) -> None:
    prepared = Prepared(BY_NAME)
    with database.write() as conn:
        conn.execute(THINGS.update().where(C.id == 1).values(name="renamed"))
        assert prepared.one(conn, {"b_name": "renamed"}) is not None
        with database.read() as other:
            assert prepared.one(other, {"b_name": "renamed"}) is None
