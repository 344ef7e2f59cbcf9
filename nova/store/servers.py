# SPDX-License-Identifier: Apache-2.0
"""Reads of servers across cells: one, a page, their operations. Rows are plain dicts of the columns of ``instances``.

A server that no cell has yet is read from its build request. A page asks all cells at once and merges sorted streams;
cells that did not answer are named beside it.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from nova import errors, states
from nova.cells import Cell, Cells
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances as table
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.store.filters import Reverse, conditions, matches, sort_value

T = table.instances.c
_HOMES = 100_000
#: The JSON columns as they come from the driver.
_RAW = {c.name: sa.type_coerce(c, sa.types.NullType()).label(c.name) for c in table.instances.columns
        if isinstance(c.type, sa.JSON)}


@dataclasses.dataclass(frozen=True)
class Query:
    """What page of servers is asked for.

    ``project_id`` None means all projects. ``filters`` are column filters by name (see :mod:`nova.store.filters`).
    ``sort`` is a sequence of (column, "asc" or "desc"). ``deleted``: None for both kinds. Times are epoch seconds.
    """

    project_id: str | None
    filters: dict[str, Any] = dataclasses.field(default_factory=dict)
    sort: Sequence[tuple[str, str]] = (("created_at", "desc"),)
    limit: int = 1000
    marker: str | None = None
    deleted: bool | None = False
    columns: Sequence[str] | None = None

    @property
    def order(self) -> list[tuple[str, str]]:
        """The sort keys with the tie-breakers that make paging exact."""
        named = {k for k, _ in self.sort}
        ties = [(k, self.sort[0][1] if self.sort else "desc") for k in ("created_at", "uuid") if k not in named]
        return [*self.sort, *ties]


@dataclasses.dataclass(frozen=True)
class Page:
    rows: list[dict[str, Any]]
    down: list[Cell]


class Servers:
    """Reads through the mappings. Every row has ``cell_uuid`` (None while only the build request exists)."""

    def __init__(self, api: Database, cells: Cells) -> None:
        self._api, self._cells = api, cells
        self._homes: dict[str, str] = {}  # server → cell; it only ever changes by a move, and then the row is not there

    # -- one -----------------------------------------------------------------------------------------------------------

    def locate(self, context: RequestContext, uuid: str) -> tuple[Cell | None, dict[str, Any]]:
        """The cell and row of a server that the caller may see; NotFound for others and for deleted ones."""
        return self._find(context, uuid, complete=False)

    def show(self, context: RequestContext, uuid: str) -> dict[str, Any]:
        """A server with ``fault`` (or None) and ``volumes``."""
        cell, row = self._find(context, uuid, complete=True)
        return row if cell is not None else row | {"name": None, "fault": None, "volumes": []}

    def _find(self, context: RequestContext, uuid: str, *, complete: bool) -> tuple[Cell | None, dict[str, Any]]:
        home = self._homes.get(uuid)
        row = self._row(self._cells.get(home), uuid, complete) if home else None
        if row is None or row["deleted"]:
            home, row = self._ask(context, uuid, complete)
        if row["deleted"] or not (context.is_admin or row["project_id"] == context.project_id):
            raise self._missing(uuid)
        row["cell_uuid"] = home
        return (self._cells.get(home) if home else None), row

    def _ask(self, context: RequestContext, uuid: str, complete: bool) -> tuple[str | None, dict[str, Any]]:
        """By the mapping; a server that no cell has yet comes from its build request."""
        with self._api.read() as conn:
            mapping = self._mapping(conn, context, uuid)
            if mapping["cell_uuid"] is None:
                request = mappings.build_request(conn, uuid)
                if request is not None and not mapping["queued_for_delete"]:
                    return None, request["instance"]
                mapping = self._mapping(conn, context, uuid)  # perhaps it was placed between the two selects
                if mapping["cell_uuid"] is None:
                    raise self._missing(uuid)
        home: str = mapping["cell_uuid"]
        row = self._row(self._cells.get(home), uuid, complete)
        if row is None:
            raise self._missing(uuid)
        if len(self._homes) >= _HOMES:
            self._homes.clear()
        self._homes[uuid] = home
        return home, row

    def _mapping(self, conn: sa.Connection, context: RequestContext, uuid: str) -> dict[str, Any]:
        mapping = mappings.mapping(conn, uuid)
        if mapping is None or not (context.is_admin or mapping["project_id"] == context.project_id):
            raise self._missing(uuid)
        return mapping

    @staticmethod
    def _row(cell: Cell, uuid: str, complete: bool) -> dict[str, Any] | None:
        """The row, with fault and volumes when it shall be complete: one connection for all of it."""
        with cell.database.read() as conn:
            if not complete:
                return table.get(conn, uuid)
            row = table.show(conn, uuid)
            if row is not None:
                _complete(conn, [row])
        return row

    @staticmethod
    def _missing(uuid: str) -> errors.NotFound:
        return errors.NotFound(f"Instance {uuid} could not be found.")

    # -- a page --------------------------------------------------------------------------------------------------------

    def page(self, context: RequestContext, query: Query, *, details: bool = True) -> Page:
        """A page of servers in the asked order. Raises Invalid for a marker that is not there."""
        marker = self._marker(context, query)
        streams: list[list[dict[str, Any]]] = [self._waiting(query, marker)]
        down = []

        def ask(cell: Cell) -> list[dict[str, Any]]:
            return self._page_of(cell, query, marker, details)

        for cell, answer in self._cells.scatter(ask, self._asked(query)).items():
            if isinstance(answer, errors.NovaError):
                if isinstance(answer, errors.Unavailable):
                    down.append(cell)
                    continue
                raise answer
            streams.append(answer)
        streams = [s for s in streams if s]
        if len(streams) == 1:
            merged: Iterable[dict[str, Any]] = streams[0]
        else:
            merged = _unique(heapq.merge(*streams, key=lambda row: _sort_key(row, query.order)))
        rows: list[dict[str, Any]] = []
        for row in merged:
            if len(rows) == query.limit:
                break
            rows.append(row)
        return Page(rows, down)

    def _asked(self, query: Query) -> list[Cell]:
        cells = self._cells.all()
        host = query.filters.get("host")
        return [c for c in cells if not c.is_cell0] if host else cells

    def _marker(self, context: RequestContext, query: Query) -> dict[str, Any] | None:
        if query.marker is None:
            return None
        try:
            if query.deleted is False:
                return self.locate(context, query.marker)[1]
            return self._deleted_marker(context, query.marker)
        except errors.NotFound as e:
            raise errors.Invalid(f"marker [{query.marker}] not found") from e

    def _deleted_marker(self, context: RequestContext, uuid: str) -> dict[str, Any]:
        with self._api.read() as conn:
            mapping = mappings.mapping(conn, uuid)
        if mapping is None or mapping["cell_uuid"] is None:
            return self.locate(context, uuid)[1]
        if not (context.is_admin or mapping["project_id"] == context.project_id):
            raise self._missing(uuid)
        with self._cells.get(mapping["cell_uuid"]).database.read() as conn:
            row = table.get(conn, uuid)
        if row is None:
            raise self._missing(uuid)
        return row

    def _waiting(self, query: Query, marker: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Servers that no cell has yet."""
        if query.deleted:
            return []
        b = mappings.build_requests
        select = sa.select(b.c.instance)
        if query.project_id is not None:
            select = select.where(b.c.project_id == query.project_id)
        with self._api.read() as conn:
            rows = [r[0] | {"cell_uuid": None, "fault": None, "volumes": []} for r in conn.execute(select)]
        rows = [r for r in rows if matches(r, query.filters)]
        if marker is not None:
            after = _sort_key(marker, query.order)
            rows = [r for r in rows if _sort_key(r, query.order) > after]
        return sorted(rows, key=lambda r: _sort_key(r, query.order))

    def _page_of(self, cell: Cell, query: Query, marker: dict[str, Any] | None, details: bool) -> list[dict[str, Any]]:
        names = list(query.columns or (c.name for c in table.instances.columns))
        for name, _ in query.order:
            if name not in names:
                names.append(name)
        if details and "id" not in names:
            names.append("id")
        select = sa.select(*(_RAW.get(n, T[n]) for n in names)).where(*conditions(query))
        if marker is not None:
            select = select.where(_after(marker, query.order))
        for name, direction in query.order:
            if T[name].nullable:
                select = select.order_by(_null_rank(name, direction))
            select = select.order_by(T[name].asc() if direction == "asc" else T[name].desc())
        if details:
            names.append("has_volumes")
            select = select.add_columns(table.HAS_VOLUMES)
        with cell.database.read() as conn:
            found = conn.execute(select.limit(query.limit)).all()
            rows = [dict(zip(names, r, strict=True)) for r in found]
            _parse(rows, [n for n in names if n in _RAW])
            for row in rows:
                row["cell_uuid"] = cell.uuid
            if details:
                _complete(conn, rows)
        return rows

    # -- operations ----------------------------------------------------------------------------------------------------

    def operations(self, context: RequestContext, uuid: str) -> list[dict[str, Any]]:
        """All operations of a server, newest first, also of a deleted one."""
        with self._api.read() as conn:
            mapping = mappings.mapping(conn, uuid)
            if mapping is None or not (context.is_admin or mapping["project_id"] == context.project_id):
                raise self._missing(uuid)
            rows = {r["uuid"]: r for r in api_operations.of_instance(conn, uuid)}
        if mapping["cell_uuid"] is not None:
            with self._cells.get(mapping["cell_uuid"]).database.read() as conn:
                rows |= {r["uuid"]: r for r in cell_operations.of_instance(conn, uuid)}
        return sorted(rows.values(), key=lambda r: (r["created_at"], r["seq"]), reverse=True)

    def events(self, context: RequestContext, uuid: str, operation_uuid: str) -> list[dict[str, Any]]:
        """The steps of an operation in the order in which they ended, from both databases."""
        with self._api.read() as conn:
            mapping = mappings.mapping(conn, uuid)
            events = api_operations.events_of(conn, operation_uuid)
        if mapping is not None and mapping["cell_uuid"] is not None:
            with self._cells.get(mapping["cell_uuid"]).database.read() as conn:
                events += cell_operations.events_of(conn, operation_uuid)
        return sorted(events, key=lambda e: (e["started_at"], e["id"]))


def _parse(rows: list[dict[str, Any]], names: list[str]) -> None:
    """Read JSON columns; equal texts, such as flavors, become one object of the page, which views only read. A driver
    that reads JSON by itself has done so."""
    known: dict[str, Any] = {}
    for row in rows:
        for name in names:
            text = row[name]
            if type(text) is str:
                value = known.get(text)
                if value is None:
                    value = known[text] = orjson.loads(text)
                row[name] = value


def _complete(conn: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Add the guest's name, faults and volumes to rows of one cell: a select more each only where there are any."""
    broken = [r["uuid"] for r in rows if r["vm_state"] in (states.ERROR, states.DELETED)]
    attached = [r["uuid"] for r in rows if r["has_volumes"]]
    faults = table.latest_faults(conn, broken)
    volumes = table.volumes_of(conn, attached)
    for row in rows:
        row["name"] = row["name"] or f"instance-{row['id']:08x}"
        row["fault"] = faults.get(row["uuid"])
        row["volumes"] = volumes.get(row["uuid"], [])


def _sort_key(row: dict[str, Any], order: Sequence[tuple[str, str]]) -> tuple[Any, ...]:
    return tuple(sort_value(row.get(name)) if direction == "asc" else Reverse(sort_value(row.get(name)))
                 for name, direction in order)


def _null_rank(name: str, direction: str) -> sa.ColumnElement[Any]:
    """Nothing sorts before something, on every engine."""
    rank = sa.case((T[name].is_(None), 0), else_=1)
    return rank.asc() if direction == "asc" else rank.desc()


def _after(marker: dict[str, Any], order: Sequence[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """Rows that follow the marker in the order."""
    alternatives: list[sa.ColumnElement[bool]] = []
    equal: list[sa.ColumnElement[bool]] = []
    for name, direction in order:
        column, value = T[name], marker.get(name)
        beyond: sa.ColumnElement[bool]
        if value is None:
            beyond = column.is_not(None) if direction == "asc" else sa.false()
        elif direction == "asc":
            beyond = column > value
        else:
            beyond = sa.or_(column < value, column.is_(None))
        alternatives.append(sa.and_(*equal, beyond))
        equal.append(column.is_(None) if value is None else column == value)
    return sa.or_(*alternatives)


def _unique(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """A server between two databases is in both for a moment; the cell's row wins by coming from a cell."""
    seen: dict[str, None] = {}
    for row in rows:
        if row["uuid"] not in seen:
            seen[row["uuid"]] = None
            yield row
