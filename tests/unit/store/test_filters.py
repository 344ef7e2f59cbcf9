# SPDX-License-Identifier: Apache-2.0
"""Filters over plain rows, and that the same filters as SQL find the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova import errors
from nova.db import cell as cell_db
from nova.db.cell import instances
from nova.db.engine import Database
from nova.store import filters
from nova.store.servers import Query
from tests.api.compute.conftest import server_row

ROWS = [
    {"uuid": "a", "display_name": "web-1", "hostname": "web-1", "vm_state": "active", "task_state": None,
     "tags": ["red", "blue"], "metadata": {"k": "v"}, "updated_at": 10.0, "locked_by": None, "host": "host1"},
    {"uuid": "b", "display_name": "web.2", "hostname": "web-2", "vm_state": "active", "task_state": "rebooting",
     "tags": ["red"], "metadata": {}, "updated_at": 20.0, "locked_by": "owner", "host": "host2"},
    {"uuid": "c", "display_name": "DB 100%", "hostname": "db", "vm_state": "error", "task_state": None, "tags": [],
     "metadata": {"k": "w"}, "updated_at": 30.0, "locked_by": None, "host": None},
    {"uuid": "d", "display_name": "db_2", "hostname": "x", "vm_state": "building", "task_state": "scheduling",
     "tags": ["redder"], "metadata": {}, "updated_at": 40.0, "locked_by": "admin", "host": None}]

CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "abcd"), ({"name_regex": "web"}, "ab"), ({"name_regex": "WEB"}, "ab"), ({"name_regex": "^web-"}, "a"),
    ({"name_regex": "web.2"}, "b"), ({"name_regex": "_"}, "d"), ({"name_regex": "100%"}, "c"),
    ({"hostname_regex": "^(db|x)$"}, "cd"), ({"statuses": ["ACTIVE"]}, "a"), ({"statuses": ["REBOOT", "ERROR"]}, "bc"),
    ({"statuses": ["BUILD"]}, "d"), ({"statuses": ["NONSENSE"]}, ""), ({"uuids": ["a", "d", "z"]}, "ad"),
    ({"tags_all": ["red", "blue"]}, "a"), ({"tags_any": ["red", "blue"]}, "ab"), ({"tags_any": ["redder"]}, "d"),
    ({"not_tags_all": ["red", "blue"]}, "bcd"), ({"not_tags_any": ["red", "blue"]}, "cd"),
    ({"changes_since": 20.0}, "bcd"), ({"changes_before": 20.0}, "ab"), ({"locked": True}, "bd"),
    ({"locked": False}, "ac"), ({"metadata": {"k": "v"}}, "a"), ({"metadata": {"k": "v", "x": "y"}}, ""),
    ({"host": "host1"}, "a"), ({"host": None}, "cd"), ({"host": ["host1", "host2"]}, "ab"),
    ({"vm_state": "active", "task_state": None}, "a")]


@pytest.fixture(scope="module")
def conn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Connection]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('cell')}/cell.sqlite", synchronous="OFF")
    cell_db.metadata.create_all(database.engine)
    with database.write() as connection:
        instances.insert(connection, [server_row("demo", **row) for row in ROWS])
    with database.read() as connection:
        yield connection
    database.dispose()


@pytest.mark.parametrize(("wanted", "found"), CASES, ids=str)
def test_a_filter_finds_the_same_in_the_database_and_in_plain_rows(conn: sa.Connection, wanted: dict[str, Any],
                                                                   found: str) -> None:
    t = instances.instances
    where = filters.conditions(Query(None, filters=wanted))
    assert "".join(conn.execute(sa.select(t.c.uuid).where(*where).order_by(t.c.uuid)).scalars()) == found
    assert "".join(row["uuid"] for row in ROWS if filters.matches(row, wanted)) == found


def test_addresses_are_searched() -> None:
    row = ROWS[0] | {"network_info": [{"ips": [{"address": "10.0.0.5"}, {"address": "fd00::5"}]}]}
    assert filters.matches(row, {"ip_regex": r"^10\.0\."})
    assert filters.matches(row, {"ip6_regex": "fd00"}) and not filters.matches(row, {"ip_regex": "10.1"})


def test_what_is_no_column_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="cannot be filtered by banana"):
        filters.conditions(Query(None, filters={"banana": 1}))


@pytest.mark.parametrize("text", ["(", "[a", "*", "a" * 256])
def test_an_expression_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(errors.Invalid):
        filters.conditions(Query(None, filters={"name_regex": text}))
    with pytest.raises(errors.Invalid):
        filters.matches(ROWS[0], {"name_regex": text})


def test_sorting_backwards_with_nothing_in_between() -> None:
    values = [3, None, 1, 2]
    assert sorted(values, key=filters.sort_value) == [None, 1, 2, 3]
    assert sorted(values, key=lambda v: filters.Reverse(filters.sort_value(v))) == [3, 2, 1, None]
    assert filters.Reverse(1) == filters.Reverse(1) != filters.Reverse(2)
    assert hash(filters.Reverse(1)) == hash(filters.Reverse(1))
