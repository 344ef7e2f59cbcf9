# SPDX-License-Identifier: Apache-2.0
"""Models equal migrations, on every engine; and what the code says about a database that is not synced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest
import sqlalchemy as sa

from nova import errors
from nova.db import migrate
from nova.db.engine import Database


@pytest.fixture(params=["api", "cell"])
def which(request: pytest.FixtureRequest) -> migrate.Which:
    return cast(migrate.Which, request.param)


@pytest.fixture
def database(database_kind: str, make_database: Callable[..., str], which: migrate.Which) -> Iterator[Database]:
    database = Database(make_database(database_kind, which), name=which)
    yield database
    database.dispose()


def test_models_equal_migrations(database: Database, which: migrate.Which) -> None:
    migrate.upgrade(database, which)
    assert migrate.differences(database, which) == []
    missing = set(migrate.tables(which).tables) - set(sa.inspect(database.engine).get_table_names())
    assert missing == set()


def test_a_fresh_database_must_be_synced_first(database: Database, which: migrate.Which) -> None:
    with pytest.raises(errors.ConfigError, match="nova-manage .*db sync"):
        migrate.check_synced(database, which)
    assert migrate.upgrade(database, which) == migrate.head(which)
    migrate.check_synced(database, which)
    assert migrate.upgrade(database, which) == migrate.head(which)


def test_a_database_of_a_later_release_is_fine(make_database: Callable[..., str]) -> None:
    database = Database(make_database("sqlite"))
    migrate.upgrade(database, "api")
    with database.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    migrate.check_synced(database, "api")
    database.dispose()
