# SPDX-License-Identifier: Apache-2.0
"""Reads of servers across cells: one, a page, their operations. Rows are plain dicts of the columns of ``instances``.

A server that no cell has yet is read from its build request. A page asks all cells at once and merges sorted streams;
cells that did not answer are named beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.cells import Cell, Cells
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances as table
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.store import pages
from nova.store.filters import matches
from nova.store.pages import Page
from nova.store.query import Query

_HOMES = 100_000


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
                _complete(conn, row)
        return row

    @staticmethod
    def _missing(uuid: str) -> errors.NotFound:
        return errors.NotFound(f"Instance {uuid} could not be found.")

    # -- a page --------------------------------------------------------------------------------------------------------

    def page(self, context: RequestContext, query: Query, *, details: bool = True) -> Page:
        """A page of servers in the asked order. Raises Invalid for a marker that is not there."""
        marker = self._marker(context, query)
        waiting = self._waiting(query, marker)
        asked = self._asked(query)
        count = pages.share(query.limit, len([c for c in asked if not c.is_cell0]))
        select = pages.Select(query, marker, count, details=details)
        select.prepare(cell.database.dialect for cell in asked)
        streams: list[pages.Stream] = []
        down: list[Cell] = []
        for cell, answer in self._cells.scatter(select.ask, asked).items():
            if not isinstance(answer, errors.NovaError):
                streams.append(pages.Stream(cell, answer, self._refill(cell, query, details, down)))
            elif isinstance(answer, errors.Unavailable):
                down.append(cell)
            else:
                raise answer
        return Page(pages.merge(waiting, streams, query, details), down)

    def _refill(self, cell: Cell, query: Query, details: bool,
                down: list[Cell]) -> Callable[[dict[str, Any]], pages.Chunk]:
        def refill(last: dict[str, Any]) -> pages.Chunk:
            """More of a cell after its last row; nothing of one that has fallen silent meanwhile."""
            try:
                return pages.Select(query, last, query.limit, details=details).ask(cell)
            except errors.Unavailable:
                down.append(cell)
                return pages.Chunk({name: () for name, _ in query.order}, more=False)

        return refill

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
        return pages.following([r for r in rows if matches(r, query.filters)], marker, query)

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


def _complete(conn: sa.Connection, row: dict[str, Any]) -> None:
    """Add the guest's name, fault and volumes: a select more each only where there are any."""
    faults = table.latest_faults(conn, [row["uuid"]]) if row["vm_state"] in (states.ERROR, states.DELETED) else {}
    pages.finish(row, faults, table.volumes_of(conn, [row["uuid"]]) if row["has_volumes"] else {})
