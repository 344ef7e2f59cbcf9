# SPDX-License-Identifier: Apache-2.0
"""Migrations: all that the cloud knows of, and the live ones of a server while they go on."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.servers import SHOW
from nova.operations import Operations
from nova.store.moves import LIVE, Move, Moves, Wanted
from nova.store.servers import Servers as ServerStore
from nova.web import paging, timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_TIME = {"type": "string", "format": "date-time"}
_FILTERS: s.Schema = {name: s.TEXT for name in ("hidden", "host", "instance_uuid", "source_compute", "status",
                                                "migration_type")}
_PAGED = _FILTERS | s.PAGING | {"changes-since": _TIME}
_BEFORE = _PAGED | {"changes-before": _TIME}
INDEX = (("2.1", "2.58", query(_FILTERS)), ("2.59", "2.65", query(_PAGED, strict=True)),
         ("2.66", "2.79", query(_BEFORE, strict=True)),
         ("2.80", None, query(_BEFORE | {"user_id": s.TEXT, "project_id": s.TEXT}, strict=True)))

_RULE = "os_compute_api:os-migrations:index"
ROUTES = (Route("GET", "/os-migrations", "index", rule=_RULE, query=INDEX, doc="List migrations"),)

_PATH = "/servers/{server_id}/migrations"
_SERVER_RULE = "os_compute_api:servers:migrations:"
FORCE_COMPLETE = s.wrapped("force_complete", {"type": "null"})
SERVER_ROUTES = (
    Route("GET", _PATH, "index", rule=_SERVER_RULE + "index", query=SHOW, versions=("2.23", None),
          doc="Live migrations of a server that go on"),
    Route("GET", _PATH + "/{id}", "show", rule=_SERVER_RULE + "show", query=SHOW, versions=("2.23", None),
          doc="How far one is"),
    Route("DELETE", _PATH + "/{id}", "abort", rule=_SERVER_RULE + "delete", success=202, versions=("2.24", None),
          doc="Break one off"),
    Route("POST", _PATH + "/{id}/action", "force_complete", rule=_SERVER_RULE + "force_complete", success=202,
          action="force_complete", body=FORCE_COMPLETE, versions=("2.22", None), doc="Make one come to its end"),
)
#: The statuses in which a migration can be forced to its end, or broken off.
_RUNNING = frozenset({"running"})
_ABORTED = _RUNNING | {"queued", "preparing"}
#: Digits of an id that no database knows.
_LONGEST = 18
_HOSTS = ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host")
_UNTOLD: dict[str, Any] = dict.fromkeys(_HOSTS)
_COUNTERS = tuple(f"{what}_{state}_bytes" for what in ("memory", "disk") for state in (
    "total", "processed", "remaining"))


class Migrations:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, moves: Moves, max_limit: int) -> None:
        self._moves = moves
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        found = [move for move in self._moves.all(self._wanted(request)) if _matches(request, move)]
        sees_hosts = request.allowed(_RULE + ":host")
        if request.version < (2, 59):
            return {"migrations": [_view(request, move, sees_hosts) for move in found]}
        found = _after_marker(request, list(reversed(found)))
        limit = paging.limit_of(request, self._max_limit)
        body: dict[str, Any] = {"migrations": [_view(request, move, sees_hosts) for move in found[:limit]]}
        if len(found) > limit:
            body["migrations_links"] = paging.next_link(request, "os-migrations", found[limit - 1].uuid)
        return body

    def _wanted(self, request: Request) -> Wanted:
        since, before = (timestamps.parse(text) if text else None
                         for text in (request.arg("changes-since"), request.arg("changes-before")))
        if since is not None and before is not None and since > before:
            raise errors.Invalid("The value of changes-since must be less than or equal to changes-before.")
        if request.arg("host") or request.arg("source_compute"):
            request.authorize(_RULE + ":host")
        project = request.arg("project_id")
        if not request.allowed(_RULE + ":all_projects"):
            own = request.context.project_id or ""
            if project not in (None, own):
                request.authorize(_RULE + ":all_projects")
            project = own
        return Wanted(project, request.arg("user_id"), request.arg("instance_uuid"), request.arg("migration_type"),
                      since, before)


def _matches(request: Request, move: Move) -> bool:
    status, host, source = request.arg("status"), request.arg("host"), request.arg("source_compute")
    ends = (move.places["source_compute"], move.places["dest_compute"])
    return ((not status or move.status == status) and (not host or host in ends)
            and (not source or ends[0] == source))


def _after_marker(request: Request, found: list[Move]) -> list[Move]:
    marker = request.arg("marker")
    if not marker:
        return found
    at = next((i for i, move in enumerate(found) if move.uuid == marker), None)
    if at is None:
        raise errors.Invalid(f"marker [{marker}] not found")
    return found[at + 1:]


def _view(request: Request, move: Move, sees_hosts: bool) -> dict[str, Any]:
    item = {"id": move.id, "instance_uuid": move.instance_uuid, "status": move.status,
            "created_at": timestamps.micro(move.created_at), "updated_at": timestamps.micro(move.updated_at),
            **move.places, **({} if sees_hosts else _UNTOLD)}
    if request.version >= (2, 23):
        item["migration_type"] = move.type
        if move.open and move.type == LIVE:
            item["links"] = request.links(f"servers/{move.instance_uuid}/migrations", str(move.id))
    return item | _newer(request, move)


def _newer(request: Request, move: Move) -> dict[str, Any]:
    item: dict[str, Any] = {"uuid": move.uuid} if request.version >= (2, 59) else {}
    if request.version >= (2, 80):
        item |= {"user_id": move.user_id, "project_id": move.project_id}
    return item


class ServerMigrations:
    """Handlers of :data:`SERVER_ROUTES`."""

    def __init__(self, operations: Operations, moves: Moves, store: ServerStore) -> None:
        self._operations = operations
        self._moves = moves
        self._store = store

    def index(self, request: Request) -> dict[str, Any]:
        sees_hosts = request.allowed(_SERVER_RULE + "index:host")
        return {"migrations": [_progress(request, move, sees_hosts) for move in self._live(request)]}

    def show(self, request: Request) -> dict[str, Any]:
        return {"migration": _progress(request, self._find(request), True)}

    def abort(self, request: Request) -> None:
        self._signal(request, "abort", _ABORTED if request.version >= (2, 65) else _RUNNING)

    def force_complete(self, request: Request) -> None:
        self._signal(request, "force_complete", _RUNNING)

    def _signal(self, request: Request, kind: str, allowed: frozenset[str]) -> None:
        server, asked = request.match["server_id"], request.match["id"]
        number = int(asked) if asked.isdecimal() and len(asked) < _LONGEST else -1
        self._operations.signal_live_migration(request.context, server, number, kind, allowed)

    def _live(self, request: Request) -> list[Move]:
        cell, row = self._store.locate(request.context, request.match["server_id"])
        moves = self._moves.of_server(cell, row["uuid"]) if cell is not None else []
        return [move for move in moves if move.open and move.type == LIVE]

    def _find(self, request: Request) -> Move:
        server, asked = request.match["server_id"], request.match["id"]
        for move in self._live(request):
            if str(move.id) == asked:
                return move
        raise errors.NotFound(f"In-progress live migration {asked} is not found for server {server}.")


def _progress(request: Request, move: Move, sees_hosts: bool) -> dict[str, Any]:
    item = {"id": move.id, "server_uuid": move.instance_uuid, "status": move.status,
            "created_at": timestamps.micro(move.created_at), "updated_at": timestamps.micro(move.updated_at),
            **{name: move.places[name] if sees_hosts else None for name in _HOSTS},
            **{name: move.progress.get(name) for name in _COUNTERS}}
    return item | _newer(request, move)
