# SPDX-License-Identifier: Apache-2.0
"""What was done to a server: its operations under the name that clients know, with their steps as events."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.server_views import host_id
from nova.api.compute.servers import SHOW
from nova.store.servers import Servers as ServerStore
from nova.web import paging, timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_TIME = {"type": "string", "format": "date-time"}
_PAGED = s.PAGING | {"changes-since": _TIME}
INDEX = (("2.1", "2.57", query({})), ("2.58", "2.65", query(_PAGED, strict=True)),
         ("2.66", None, query(_PAGED | {"changes-before": _TIME}, strict=True)))

_PATH = "/servers/{server_id}/os-instance-actions"
_RULE = "os_compute_api:os-instance-actions:"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "list", query=INDEX, doc="List what was done to a server"),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", query=SHOW, doc="One action with its events"),
)
_RESULTS = {"success": "Success", "done": "Success", "ok": "Success", "error": "Error", "failed": "Error"}


class InstanceActions:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, store: ServerStore, max_limit: int) -> None:
        self._store = store
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        rows = self._operations(request)
        if request.version < (2, 58):
            return {"instanceActions": [_view(request, row) for row in rows]}
        rows = _between(request, rows)
        marker = request.arg("marker")
        if marker:
            at = next((i for i, row in enumerate(rows) if row["request_id"] == marker), None)
            if at is None:
                raise errors.Invalid(f"marker [{marker}] not found")
            rows = rows[at + 1:]
        limit = paging.limit_of(request, self._max_limit)
        body: dict[str, Any] = {"instanceActions": [_view(request, row) for row in rows[:limit]]}
        if len(rows) > limit:
            path = f"servers/{request.match['server_id']}/os-instance-actions"
            body["links"] = paging.next_link(request, path, rows[limit - 1]["request_id"])
        return body

    def show(self, request: Request) -> dict[str, Any]:
        asked = request.match["id"]
        row = next((row for row in self._operations(request) if row["request_id"] == asked), None)
        if row is None:
            raise errors.NotFound(f"Action {asked} not found")
        item = _view(request, row)
        sees_all = request.allowed(_RULE + "events", {"project_id": row["project_id"]})
        if sees_all or request.version >= (2, 51):
            details = request.version >= (2, 84) and request.allowed(_RULE + "events:details")
            events = self._store.events(request.context, row["instance_uuid"], row["uuid"])
            item["events"] = [_event(request, row, event, sees_all, details) for event in events]
        return {"instanceAction": item}

    def _operations(self, request: Request) -> list[dict[str, Any]]:
        """Newest first. Those of deleted servers are shown from 2.21."""
        uuid = request.match["server_id"]
        if request.version < (2, 21):
            self._store.locate(request.context, uuid)
        return self._store.operations(request.context, uuid)


def _updated(row: dict[str, Any]) -> float:
    return float(row["updated_at"] or row["created_at"])


def _between(request: Request, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    since, before = request.arg("changes-since"), request.arg("changes-before")
    first = timestamps.parse(since) if since else None
    last = timestamps.parse(before) if before else None
    if first is not None and last is not None and first > last:
        raise errors.Invalid("The value of changes-since must be less than or equal to changes-before.")
    return [row for row in rows
            if (first is None or _updated(row) >= first) and (last is None or _updated(row) <= last)]


def _view(request: Request, row: dict[str, Any]) -> dict[str, Any]:
    item = {"action": row["action"], "instance_uuid": row["instance_uuid"], "request_id": row["request_id"],
            "user_id": row["user_id"], "project_id": row["project_id"],
            "start_time": timestamps.micro(row["created_at"]), "message": "Error" if row["state"] == "failed" else None}
    if request.version >= (2, 58):
        item["updated_at"] = timestamps.micro(_updated(row))
    return item


def _event(request: Request, row: dict[str, Any], event: dict[str, Any], sees_all: bool,
           details: bool) -> dict[str, Any]:
    result = event["result"]
    item = {"event": event["event"], "start_time": timestamps.micro(event["started_at"]),
            "finish_time": timestamps.micro(event["finished_at"]),
            "result": _RESULTS.get(result.lower(), result) if result else result}
    if sees_all:
        item["traceback"] = event["traceback"]
    if request.version >= (2, 62):
        if sees_all:
            item["host"] = event["host"]
        item["hostId"] = host_id(row["project_id"], event["host"])
    if request.version >= (2, 84):
        item["details"] = event["details"] if details else None
    return item
