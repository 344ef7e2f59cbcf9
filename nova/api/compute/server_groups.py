# SPDX-License-Identifier: Apache-2.0
"""Server groups: servers that should be, or must not be, on the same host. Members join when they are created."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.api.compute import schemas as s
from nova.api.compute.numbers import to_int
from nova.db.api import cells as mappings
from nova.db.api import server_groups as table
from nova.db.engine import Database
from nova.quota import Quota
from nova.store import record_events
from nova.web import paging
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_OLD = ["anti-affinity", "affinity"]
_ALL = [*_OLD, "soft-anti-affinity", "soft-affinity"]


def _policies(words: list[str]) -> s.Schema:
    listed = {"type": "array", "items": {"type": "string", "enum": words}, "minItems": 1, "maxItems": 1}
    return s.wrapped("server_group", s.object_of({"name": s.NAME, "policies": listed}, ("name", "policies")))


_RULES = {"type": "object", "additionalProperties": False, "properties": {"max_server_per_host": s.integer(1)}}
CREATE = (("2.1", "2.14", _policies(_OLD)), ("2.15", "2.63", _policies(_ALL)), ("2.64", None, s.wrapped(
    "server_group", s.object_of({"name": s.NAME, "policy": {"type": "string", "enum": _ALL}, "rules": _RULES},
                                ("name", "policy")))))
_QUERY = {"all_projects": s.TEXT, "limit": s.NUMBER, "offset": s.NUMBER}
INDEX = (("2.1", "2.74", query(_QUERY)), ("2.75", None, query(_QUERY, strict=True)))
SHOW = (("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))

_RULE = "os_compute_api:os-server-groups:"
ROUTES = (
    Route("GET", "/os-server-groups", "index", rule=_RULE + "index", query=INDEX, doc="List server groups"),
    Route("POST", "/os-server-groups", "create", rule=_RULE + "create", body=CREATE, doc="Create a server group"),
    Route("GET", "/os-server-groups/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Show a server group"),
    Route("DELETE", "/os-server-groups/{id}", "delete", rule=_RULE + "delete", success=204,
          doc="Delete a server group"),
)


class ServerGroups:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, quota: Quota, max_limit: int) -> None:
        self._database = database
        self._quota = quota
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        project: str | None = request.context.project_id or ""
        if "all_projects" in request.args and request.context.is_admin:
            request.authorize(_RULE + "index:all_projects")
            project = None
        with self._database.read() as conn:
            rows = table.page(conn, project, limit=paging.limit_of(request, self._max_limit),
                              offset=paging.offset_of(request))
            alive = _alive(conn, [uuid for row in rows for uuid in row["members"]])
        return {"server_groups": [_view(request, row, alive) for row in rows]}

    def show(self, request: Request) -> dict[str, Any]:
        with self._database.read() as conn:
            row = _find(conn, request)
            return {"server_group": _view(request, row, _alive(conn, row["members"]))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["server_group"]
        policy = wanted["policy"] if "policy" in wanted else wanted["policies"][0]
        rules = dict(wanted.get("rules") or {})
        if rules and policy != "anti-affinity":
            raise errors.Invalid("Only anti-affinity policy supports rules.")
        if rules:
            rules["max_server_per_host"] = to_int(rules["max_server_per_host"], "max_server_per_host", 1)
        who = request.context
        project = who.project_id or ""
        values = {"uuid": concurrency.uuid4(), "name": wanted["name"], "project_id": project,
                  "user_id": who.user_id or "", "policy": policy, "rules": rules}
        with self._database.write() as conn:
            for user in dict.fromkeys(("", who.user_id or "")):  # the project's limit, and the user's own
                limit = self._quota.limits(conn, project, user)["server_groups"]
                self._quota.check_count("server_groups", limit, table.count(conn, project, user) + 1)
            table.create(conn, values)
            record_events.server_group(conn, who, "create", values)
            return request.promise({"server_group": _view(request, values | {"members": []}, set())})

    def delete(self, request: Request) -> None:
        with self._database.write() as conn:
            row = _find(conn, request)
            table.delete(conn, row["uuid"])
            record_events.server_group(conn, request.context, "delete", row)


def _find(conn: sa.Connection, request: Request) -> dict[str, Any]:
    asked, who = request.match["id"], request.context
    row = table.get(conn, asked)
    if row is None or not (who.is_admin or row["project_id"] == who.project_id):
        raise errors.NotFound(f"Instance group {asked} could not be found.")
    return row


def _alive(conn: sa.Connection, uuids: list[str]) -> set[str]:
    """Members that were not deleted."""
    m = mappings.instance_mappings.c
    if not uuids:
        return set()
    living = sa.select(m.instance_uuid).where(m.instance_uuid.in_(uuids), m.queued_for_delete.is_(False))
    return set(conn.execute(living).scalars())


def _view(request: Request, row: dict[str, Any], alive: set[str]) -> dict[str, Any]:
    item: dict[str, Any] = {"id": row["uuid"], "name": row["name"]}
    if request.version >= (2, 64):
        item |= {"policy": row["policy"], "rules": row["rules"] or {}}
    else:
        item |= {"policies": [row["policy"]], "metadata": {}}
    item["members"] = [uuid for uuid in row["members"] if uuid in alive]
    if request.version >= (2, 13):
        item |= {"project_id": row["project_id"], "user_id": row["user_id"]}
    return item
