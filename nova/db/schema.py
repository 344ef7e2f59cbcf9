# SPDX-License-Identifier: Apache-2.0
"""Column types and table options that every engine understands alike.

Times are seconds since the epoch, UTC, in double precision: the three engines agree on them to the microsecond, no
time zone can creep in, and a page of a thousand rows need not parse them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

#: Primary keys: SQLite counts by itself only in an INTEGER column.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Time = sa.Double
Uuid = sa.String(36)
Name = sa.String(255)
Text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
#: Python None is SQL NULL, never the JSON word.
Json = sa.JSON(none_as_null=True)


def table(name: str, metadata: sa.MetaData, *columns: Any) -> sa.Table:
    """A table that compares strings byte by byte on every engine."""
    return sa.Table(
        name, metadata, *columns, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin",
        mariadb_engine="InnoDB", mariadb_charset="utf8mb4", mariadb_collate="utf8mb4_bin",
    )


def insert_or_leave(conn: sa.Connection, target: sa.Table, rows: list[dict[str, Any]], **values: Any) -> None:
    """Insert rows whose key is not there yet; another transaction may insert the same ones at this moment.

    ``values`` are the same for every row and may be expressions."""
    insert: Any
    if conn.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # loads several drivers' glue, which others can do without

        insert = postgresql.insert(target).on_conflict_do_nothing()
    elif conn.dialect.name == "sqlite":
        insert = sqlite.insert(target).on_conflict_do_nothing()
    else:
        insert = target.insert().prefix_with("IGNORE")
    conn.execute(insert.values(values) if values else insert, rows)


class db_now(GenericFunction[float]):  # noqa: N801 - SQL functions are written small
    """The database's clock: seconds since the epoch. Time in protocols is the database's."""

    type = sa.Double()
    name = "db_now"
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "nova_now()"  # registered on every connection by nova.db.engine, so that simulated time holds


@compiles(db_now, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(db_now, "mysql")
@compiles(db_now, "mariadb")
def _mysql_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "(unix_timestamp(sysdate(6)) + 0e0)"
