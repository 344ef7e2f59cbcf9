# SPDX-License-Identifier: Apache-2.0
"""A select column by column gives what rows give, to the last bit, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova.db import columns, schema
from nova.db.engine import Database

METADATA = sa.MetaData()
things = schema.table(
    "things", METADATA, sa.Column("id", schema.BigId, primary_key=True), sa.Column("name", schema.Name),
    sa.Column("text", schema.Text), sa.Column("document", schema.Json), sa.Column("flag", sa.Boolean),
    sa.Column("big", sa.BigInteger), sa.Column("at", schema.Time))
TEXTS = ('plain', '"quoted" \\ and \n lines', "Zoë ☃ 𝄞", "", None)
TIMES = (1_763_760_000.123456, 1_763_760_000.1234567, 0.0, 2_147_483_648.000001, 1.0, 4_102_444_800.999999, None)
DOCUMENTS = ({"a": [1, 2.5, None, True]}, [], {}, ["ü"], None)


@pytest.fixture
def database(database_kind: str, make_database: Callable[..., str]) -> Iterator[Database]:
    made = Database(make_database(database_kind, "columns"), name="columns", synchronous="OFF", pool_size=2)
    METADATA.create_all(made.engine)
    yield made
    made.dispose()


def fill(database: Database, count: int) -> None:
    rows = [{"id": number, "name": TEXTS[number % 5], "text": TEXTS[number % 4], "document": DOCUMENTS[number % 5],
             "flag": (True, False, None)[number % 3], "big": (2**62, -5, None)[number % 3], "at": TIMES[number % 7]}
            for number in range(1, count + 1)]
    with database.write() as conn:
        conn.execute(things.insert(), rows)


def both(database: Database, select: Any) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """What the columns say, and the same select as rows."""
    with database.read() as conn:
        found = {name: list(values) for name, values in columns.Columns(select, conn.dialect.name).fetch(conn).items()}
        rows = conn.execute(select).mappings().all()
    return found, {name: [row[name] for row in rows] for name in found}


def test_values_are_those_of_the_rows_in_their_order(database: Database) -> None:
    fill(database, 210)
    for order in (things.c.id.desc(), things.c.id.asc()):
        found, rows = both(database, sa.select(things).order_by(order).limit(150))
        assert found == rows and len(found["id"]) == 150
        assert [type(v) for v in found["flag"]] == [type(v) for v in rows["flag"]]
        assert [type(v) for v in found["at"]] == [type(v) for v in rows["at"]]


def test_expressions_have_the_names_of_their_labels(database: Database) -> None:
    fill(database, 6)
    other = things.alias("other")
    select = sa.select(things.c.id, sa.exists().where(other.c.id == things.c.id + 1).label("followed"),
                       sa.func.length(things.c.text).label("size")).order_by(things.c.id)
    found, rows = both(database, select)
    assert found == rows and found["followed"] == [True] * 5 + [False]


def test_nothing_found_are_empty_columns(database: Database) -> None:
    with database.read() as conn:
        select = sa.select(things.c.id, things.c.at).where(things.c.id < 0)
        found = columns.Columns(select, conn.dialect.name).fetch(conn)
    assert {name: list(values) for name, values in found.items()} == {"id": [], "at": []}
