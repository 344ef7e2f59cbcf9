# SPDX-License-Identifier: Apache-2.0
"""Pages of servers out of two cells: nothing twice, nothing left out, whatever the order; and found by an index."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova import errors
from nova.api.compute.server_views import columns
from nova.cells import Cell, Cells
from nova.context import RequestContext
from nova.db import api as api_db
from nova.db import cell as cell_db
from nova.db import migrate
from nova.db.api import cells as mappings
from nova.db.cell import instances
from nova.db.engine import Database
from nova.store import pages
from nova.store.query import Query
from nova.store.servers import Servers
from tools.benchlib import seed

CELL1, CELL2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ME = RequestContext(user_id="u", project_id="p")
MARKER = {"created_at": seed.STARTED + 3500.0, "uuid": "5" * 36, "display_name": "server-00010"}


@dataclasses.dataclass
class Site:
    api: Database
    cells: dict[str, Database]
    servers: Servers
    directory: Cells

    def walk(self, query: Query) -> list[dict[str, Any]]:
        """All pages, one after another."""
        found: list[dict[str, Any]] = []
        while True:
            rows = self.servers.page(ME, query).rows
            found += rows
            if len(rows) < query.limit:
                return found
            query = dataclasses.replace(query, marker=rows[-1]["uuid"])


@pytest.fixture
def site(database_kind: str, make_database: Callable[..., str]) -> Iterator[Site]:
    migrate.tables("api"), migrate.tables("cell")
    made = {name: Database(make_database(database_kind, name), name=name, synchronous="OFF", pool_size=3)
            for name in ("api", "cell0", "cell1", "cell2")}
    for name, database in made.items():
        (api_db if name == "api" else cell_db).metadata.create_all(database.engine)
    uuids = {"cell0": mappings.CELL0_UUID, "cell1": CELL1, "cell2": CELL2}
    with made["api"].write() as conn:
        for name, uuid in uuids.items():
            conn.execute(mappings.cell_mappings.insert().values(
                uuid=uuid, name=name, disabled=False, created_at=1.0,
                database_connection=made[name].url.render_as_string(False)))
    directory = Cells(made["api"], lambda row: (made[row["name"]], None))
    yield Site(made["api"], {u: made[n] for n, u in uuids.items()}, Servers(made["api"], directory), directory)
    directory.close()
    made["api"].dispose()


def fill(site: Site, count: int, *names: str) -> list[str]:
    return seed.fill(site.api, {name: (site.cells[name], [f"host-{name[0]}"]) for name in names}, count, "p", "u")


ORDERS = [(("created_at", "desc"),), (("created_at", "asc"),), (("display_name", "asc"),), (("vm_state", "desc"),),
          (("task_state", "asc"), ("host", "desc")), (("launched_at", "desc"), ("display_name", "asc"))]


def test_pages_of_two_cells_hold_every_server_once_and_in_order(site: Site) -> None:
    made = fill(site, 90, CELL1, CELL2)
    with site.cells[CELL1].write() as conn:  # something that is not everywhere, and words that alphabets disagree on
        t = instances.instances
        conn.execute(t.update().where(t.c.uuid.in_(made[::8])).values(task_state="deleting", launched_at=None))
        for number, name in enumerate(("a", "B", "_", "b", "Z", "a b", "A")):
            conn.execute(t.update().where(t.c.uuid == made[number * 2]).values(display_name=name))
    for order in ORDERS:
        rows = site.walk(Query("p", sort=order, limit=20))
        assert sorted(r["uuid"] for r in rows) == sorted(made), order
        key = pages.key_of(Query("p", sort=order).order)
        down = pages.downwards(Query("p", sort=order).order)
        assert [r["uuid"] for r in rows] == [r["uuid"] for r in sorted(rows, key=key, reverse=down)], order


def test_a_cell_that_holds_most_is_asked_again(site: Site) -> None:
    older = fill(site, 10, CELL2)
    with site.cells[CELL1].write() as conn:
        rows = [seed.server(number, "q", "u", "h") | {"project_id": "p"} for number in range(1000, 1200)]
        instances.insert(conn, rows)
        newer = [row["uuid"] for row in rows]
    page = site.servers.page(ME, Query("p", limit=150))
    assert [r["uuid"] for r in page.rows] == newer[::-1][:150]
    assert pages.share(150, 2) < 150
    everything = site.servers.page(ME, Query("p", limit=1000)).rows
    assert [r["uuid"] for r in everything] == newer[::-1] + older[::-1]
    assert {r["cell_uuid"] for r in everything} == {CELL1, CELL2}


def test_a_cell_that_falls_silent_on_the_way_is_named(site: Site) -> None:
    with site.cells[CELL1].write() as conn:
        instances.insert(conn, [seed.server(number, "p", "u", "h") for number in range(60)])
    asked: list[str] = []

    def lose(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.extend(["it"] if "instances" in statement else [])
        if len(asked) == 2:
            raise sa.exc.OperationalError(statement, None, OSError("the server is gone"), connection_invalidated=True)

    engine = site.cells[CELL1].engine
    sa.event.listen(engine, "before_cursor_execute", lose)
    try:
        page = site.servers.page(ME, Query("p", limit=50))
    finally:
        sa.event.remove(engine, "before_cursor_execute", lose)
    assert len(page.rows) == pages.share(50, 2) and [cell.uuid for cell in page.down] == [CELL1]


def test_details_are_those_of_each_server(site: Site) -> None:
    made = fill(site, 20, CELL1, CELL2)
    with site.cells[CELL2].write() as conn:
        conn.execute(instances.block_devices.insert().values(
            uuid="b" * 36, instance_uuid=made[1], source_type="volume", destination_type="volume", volume_id="v" * 36,
            delete_on_termination=True, created_at=1.0))
    rows = {r["uuid"]: r for r in site.servers.page(ME, Query("p")).rows}
    assert rows[made[7]]["fault"]["message"] == "It was made so." and rows[made[8]]["fault"] is None
    assert [v["volume_id"] for v in rows[made[1]]["volumes"]] == ["v" * 36] and rows[made[0]]["volumes"] == []
    assert rows[made[3]]["flavor"]["name"] == "m1.tiny" and rows[made[3]]["tags"] == ["db", "green"]
    assert rows[made[0]]["name"].startswith("instance-0000000")


FILTERS = [({"tags_all": ["rare"]}, 2), ({"tags_any": ["rare", "db"]}, 152), ({"not_tags_any": ["web", "rare"]}, 150),
           ({"metadata": {"number": "77"}}, 1), ({"metadata": {"role": "role3"}}, 6), ({"ip_regex": "10.100.0.7"}, 11),
           ({"ip_regex": r"^10\.100\.1\.4[0-3]$"}, 4), ({"statuses": ["ERROR"]}, 3), ({"statuses": ["SHUTOFF"]}, 15),
           ({"name_regex": "server-0029"}, 10), ({"reservation_id": "r-00000003"}, 10), ({"host": "host-2"}, 150),
           ({"changes_since": seed.STARTED + 299 * 7}, 1), ({"changes_before": seed.STARTED + 3}, 1)]


def test_filters_find_what_is_there(site: Site) -> None:
    fill(site, 300, CELL1, CELL2)
    for filters, count in FILTERS:
        found = site.servers.page(ME, Query("p", filters=filters)).rows
        assert (filters, len(found)) == (filters, count)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_tool_that_fills_databases(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--database", site.api.url.render_as_string(False), "--project", "p", "--count", "12"]
    assert seed.main(asked) == 1 and "no cell with hosts" in capsys.readouterr().err
    with site.api.write() as conn:
        mappings.map_host(conn, "h1", CELL1)
        mappings.map_host(conn, "h2", CELL2)
    assert seed.main(asked) == 0 and capsys.readouterr().out == "12\n"
    rows = site.servers.page(ME, Query("p")).rows
    assert [r["display_name"] for r in rows] == [f"server-{n:05}" for n in range(11, -1, -1)]
    assert {(r["cell_uuid"], r["host"]) for r in rows} == {(CELL1, "h1"), (CELL2, "h2")}
    assert seed.main(asked) == 1 and "has 12 servers" in capsys.readouterr().err


EXPRESSIONS = [("name_regex", "SERVER-0000[1-3]$", 3), ("name_regex", "^(?:x|server-0029)\\d", 10),
               ("hostname_regex", "^server-.*7$", 30), ("name_regex", "[[:alpha:]]-0001\\d{1}$", 10),
               ("ip_regex", "^10[.]100[.]0[.]1$", 1), ("ip_regex", "^192[.]0[.]2[.]7$", 1), ("name_regex", "(a+)+$", 0),
               ("ip_regex", r"10\.100\.0\.7", 11), ("ip_regex", "10.100.0.7", 11), ("ip_regex", "10.100_0.7", 0),
               ("name_regex", "server.0029", 10), ("name_regex", r"server\.0029", 0),
               ("name_regex", "a.c$", 0), ("name_regex", "^server-00000$|^server-00299$", 2)]


def test_tags_are_found_as_they_stand(site: Site) -> None:
    made = fill(site, 6, CELL1, CELL2)
    given = (["Web"], ['say "hi"', "a%b"], ["wéb_1"], ["a\\b"], [], ["web", "Web"])
    for uuid, tags in zip(made, given, strict=True):
        for cell in (CELL1, CELL2):
            with site.cells[cell].write() as conn:
                conn.execute(instances.instances.update().where(instances.instances.c.uuid == uuid).values(tags=tags))

    def found(**filters: list[str]) -> list[int]:
        rows = site.servers.page(ME, Query("p", filters=filters, sort=(("created_at", "asc"),))).rows
        return [made.index(row["uuid"]) for row in rows]

    assert found(tags_all=["Web"]) == [0, 5] and found(tags_all=["web"]) == [5] and found(tags_all=["WEB"]) == []
    assert found(tags_any=['say "hi"', "wéb_1", "wéb-1"]) == [1, 2] and found(tags_all=["a\\b"]) == [3]
    assert found(tags_all=["a%b"]) == [1] and found(tags_any=["a_b", "a%", "hi"]) == []
    assert found(tags_all=["web", "Web"]) == [5] and found(not_tags_all=["web", "Web"]) == [0, 1, 2, 3, 4]
    assert found(not_tags_any=["web", "Web"]) == [1, 2, 3, 4]


def test_expressions_mean_the_same_everywhere(site: Site) -> None:
    made = fill(site, 300, CELL1, CELL2)
    with site.cells[CELL1].write() as conn:
        conn.execute(instances.instances.update().where(instances.instances.c.uuid == made[0]).values(
            addresses="10.100.0.0\n192.0.2.7"))
    for name, text, count in EXPRESSIONS:
        found = site.servers.page(ME, Query("p", filters={name: text})).rows
        assert (text, len(found)) == (text, count)
    with pytest.raises(errors.Invalid, match="Invalid regular expression"):
        site.servers.page(ME, Query("p", filters={"name_regex": "(?=a)"}))


# -- how the engines find them -----------------------------------------------------------------------------------------


def plan(cell: Cell, query: Query, marker: dict[str, Any] | None = None) -> str:
    """The engine's plan for the select of a page."""
    seen: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seen.append((statement, parameters))

    engine = cell.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        pages.Select(query, marker, query.limit, details=True).ask(cell)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    statement, parameters = next(s for s in seen if "FROM instances" in s[0] or "wanted" in s[0])
    word = "EXPLAIN QUERY PLAN " if cell.database.dialect == "sqlite" else "EXPLAIN "
    with engine.connect() as conn:
        if cell.database.dialect == "postgresql":  # so few rows might be cheaper to read whole
            conn.exec_driver_sql("SET enable_seqscan = off")
        lines = conn.exec_driver_sql(word + statement, parameters).all()
    return "\n".join(str(line[-1]) for line in lines)


#: These have the order of pages too; which of them is cheaper, the engine decides by how much is whose.
ORDERED = ("ix_instances_project", "ix_instances_deleted")
PLANS = [
    ("the first page of a project", Query("p"), False, "ix_instances_project"),
    ("a late page of a project", Query("p"), True, "ix_instances_project"),
    ("oldest first", Query("p", sort=(("created_at", "asc"),)), True, "ix_instances_project"),
    ("the first page of all", Query(None), False, "ix_instances_deleted"),
    ("a late page of all", Query(None), True, "ix_instances_deleted"),
    ("filtered by tag", Query("p", filters={"tags_all": ["web"]}), False, "ix_instances_project"),
    ("filtered by status", Query("p", filters={"statuses": ["ACTIVE"]}), False, "ix_instances_project"),
    ("filtered by address", Query("p", filters={"ip_regex": "10.100"}), False, "ix_instances_project"),
    ("filtered by metadata", Query("p", filters={"metadata": {"role": "role3"}}), False, "ix_instances_project"),
    ("one reservation", Query("p", filters={"reservation_id": "r-00000003"}), False, "ix_instances_reservation"),
    ("one server", Query(None, filters={"uuid": "x" * 36}), False, "uuid"),
    ("what changed lately", Query("p", filters={"changes_since": seed.STARTED + 6900}, deleted=None), False,
     "ix_instances_updated")]


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_pages_are_found_by_an_index(site: Site) -> None:
    fill(site, 1000, CELL1)
    with site.cells[CELL1].write() as conn:
        instances.insert(conn, [seed.server(n, "other", "u", "h") for n in range(1000)])
    with site.cells[CELL1].engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("ANALYZE"))
    cell = site.directory.get(CELL1)
    for what, query, late, index in PLANS:
        wanted = dataclasses.replace(query, limit=50, columns=columns((2, 1)))
        found = plan(cell, wanted, MARKER if late else None)
        ordered = index in ORDERED and not (query.filters and cell.database.dialect == "postgresql")
        by_any = index in ORDERED and not ordered  # by how many it expects to match, the engine chooses
        allowed = ORDERED if ordered else ("ix_instances_",) if by_any else (index,)
        assert any(name in found for name in allowed), (what, found)
        assert "Seq Scan on instances" not in found and "SCAN instances" not in found, (what, found)
        if ordered:  # nothing is sorted
            assert "Sort" not in found and "TEMP B-TREE" not in found, (what, found)
        if late:
            assert "created_at" in found.split("Filter")[0], (what, found)
