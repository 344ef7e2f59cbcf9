# SPDX-License-Identifier: Apache-2.0
"""What projects used of the cloud in a period, from the rows of their servers in every cell, deleted ones included."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.api.compute import schemas as s
from nova.cells import Cell, Cells
from nova.db.cell.instances import instances
from nova.web import paging, timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_PERIOD: s.Schema = {"start": s.TEXT, "end": s.TEXT}
_ALL = _PERIOD | {"detailed": s.TEXT}
_RULE = "os_compute_api:os-simple-tenant-usage:"
ROUTES = (
    Route("GET", "/os-simple-tenant-usage", "index", rule=_RULE + "list", doc="Usage of all projects",
          query=(("2.1", "2.39", query(_ALL)), ("2.40", "2.74", query(_ALL | s.PAGING)),
                 ("2.75", None, query(_ALL | s.PAGING, strict=True)))),
    Route("GET", "/os-simple-tenant-usage/{id}", "show", rule=_RULE + "show", doc="Usage of a project",
          query=(("2.1", "2.39", query(_PERIOD)), ("2.40", "2.74", query(_PERIOD | s.PAGING)),
                 ("2.75", None, query(_PERIOD | s.PAGING, strict=True)))),
)
_HOUR = 3600.0
_I = instances.c
_COLUMNS = (_I.uuid, _I.project_id, _I.display_name, _I.flavor, _I.vcpus, _I.memory_mb, _I.root_gb, _I.ephemeral_gb,
            _I.vm_state, _I.launched_at, _I.terminated_at)


@dataclasses.dataclass(frozen=True, slots=True)
class _Period:
    """``now`` is when the answer is made; servers that run are counted until then at most."""

    start: float
    end: float
    now: float


class TenantUsage:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, cells: Cells, max_limit: int) -> None:
        self._cells = cells
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        detailed = request.arg("detailed") == "1"
        period = _period(request)
        rows, more = self._page(request, period, None)
        usages = [_summary(project, list(group), period, detailed)
                  for project, group in itertools.groupby(rows, key=lambda row: row["project_id"])]
        body: dict[str, Any] = {"tenant_usages": usages}
        if more:
            body["tenant_usages_links"] = paging.next_link(request, "os-simple-tenant-usage", rows[-1]["uuid"])
        return body

    def show(self, request: Request) -> dict[str, Any]:
        project = request.match["id"]
        request.authorize(_RULE + "show", {"project_id": project})
        period = _period(request)
        rows, more = self._page(request, period, project)
        body: dict[str, Any] = {"tenant_usage": _summary(project, rows, period, True) if rows else {}}
        if more:
            body["tenant_usage_links"] = paging.next_link(
                request, f"os-simple-tenant-usage/{project}", rows[-1]["uuid"])
        return body

    def _page(self, request: Request, period: _Period, project: str | None) -> tuple[list[dict[str, Any]], bool]:
        """Servers that ran in the period, by project and uuid, and whether there may be more."""
        limit = paging.limit_of(request, self._max_limit) if request.version >= (2, 40) else None
        marker = request.arg("marker") if limit is not None else None
        after = self._marker(marker) if marker else None

        def ask(cell: Cell) -> list[dict[str, Any]]:
            return _active(cell, period, project, after, limit)

        rows: list[dict[str, Any]] = []
        for answer in self._cells.scatter(ask).values():
            if isinstance(answer, errors.NovaError):
                raise errors.Unavailable("Usage is not known while a cell does not answer.", retry_after=10)
            rows += answer
        rows.sort(key=lambda row: (row["project_id"], row["uuid"]))
        if limit is None:
            return rows, False
        return rows[:limit], len(rows) >= limit

    def _marker(self, uuid: str) -> tuple[str, str]:
        def ask(cell: Cell) -> str | None:
            with cell.database.read() as conn:
                found: str | None = conn.execute(sa.select(_I.project_id).where(_I.uuid == uuid)).scalar_one_or_none()
                return found

        for answer in self._cells.scatter(ask).values():
            if isinstance(answer, str):
                return answer, uuid
        raise errors.Invalid(f"marker [{uuid}] not found")


def _active(cell: Cell, period: _Period, project: str | None, after: tuple[str, str] | None,
            limit: int | None) -> list[dict[str, Any]]:
    ran = sa.and_(_I.launched_at < period.end, sa.or_(_I.terminated_at.is_(None), _I.terminated_at > period.start))
    select = sa.select(*_COLUMNS).where(ran).order_by(_I.project_id, _I.uuid)
    if project is not None:
        select = select.where(_I.project_id == project)
    if after is not None:
        select = select.where(sa.or_(_I.project_id > after[0], sa.and_(_I.project_id == after[0], _I.uuid > after[1])))
    if limit is not None:
        select = select.limit(limit)
    with cell.database.read() as conn:
        return [dict(row) for row in conn.execute(select).mappings()]


def _period(request: Request) -> _Period:
    """The period asked for; without one it is this moment."""
    start = _time(request, "start")
    now = concurrency.time()
    end = _time(request, "end")
    period = _Period(now if start is None else start, concurrency.time() if end is None else end, now)
    if period.start > period.end:
        raise errors.Invalid("Invalid start time. The start time cannot occur after the end time.")
    return period


def _time(request: Request, name: str) -> float | None:
    text = request.arg(name)
    if not text:
        return None
    try:
        return timestamps.parse(text)
    except errors.Invalid as e:
        raise errors.Invalid(f"Invalid {name} time. It must be an ISO 8601 time.") from e


def _summary(project: str, rows: list[dict[str, Any]], period: _Period, detailed: bool) -> dict[str, Any]:
    used = [_server(row, period) for row in rows]
    item: dict[str, Any] = {
        "tenant_id": project,
        "total_local_gb_usage": sum(u["local_gb"] * u["hours"] for u in used),
        "total_vcpus_usage": sum(u["vcpus"] * u["hours"] for u in used),
        "total_memory_mb_usage": sum(u["memory_mb"] * u["hours"] for u in used),
        "total_hours": sum(u["hours"] for u in used),
        "start": timestamps.micro(period.start), "stop": timestamps.micro(period.end)}
    return item | {"server_usages": used} if detailed else item


def _server(row: dict[str, Any], period: _Period) -> dict[str, Any]:
    launched, ended = row["launched_at"], row["terminated_at"]
    until = min(period.end, period.end if ended is None else ended)
    return {"instance_id": row["uuid"], "name": row["display_name"], "tenant_id": row["project_id"],
            "flavor": row["flavor"]["name"], "vcpus": row["vcpus"], "memory_mb": row["memory_mb"],
            "local_gb": row["root_gb"] + row["ephemeral_gb"],
            "hours": max(0.0, until - max(period.start, launched)) / _HOUR,
            "started_at": timestamps.micro(launched), "ended_at": timestamps.micro(ended),
            "state": row["vm_state"] if ended is None else "terminated",
            "uptime": max(0, int((period.now if ended is None else ended) - launched))}
