# SPDX-License-Identifier: Apache-2.0
"""Which projects may use a private flavor."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.flavors import find
from nova.api.compute.projects import Projects
from nova.db.api import flavors as table
from nova.db.engine import Database
from nova.store import record_events
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_TENANT = s.object_of({"tenant": {"type": "string", "minLength": 1, "maxLength": 255}}, ("tenant",))
_RULE = "os_compute_api:os-flavor-access"
ROUTES = (
    Route("GET", "/flavors/{flavor_id}/os-flavor-access", "index", rule=_RULE, doc="List the projects of a flavor",
          query=(("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))),
    Route("POST", "/flavors/{flavor_id}/action", "add", rule=_RULE + ":add_tenant_access", action="addTenantAccess",
          body=s.wrapped("addTenantAccess", _TENANT), doc="Let a project use a private flavor"),
    Route("POST", "/flavors/{flavor_id}/action", "remove", rule=_RULE + ":remove_tenant_access",
          action="removeTenantAccess", body=s.wrapped("removeTenantAccess", _TENANT), doc="Withdraw a private flavor"),
)


class FlavorAccess:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database = database
        self._projects = projects

    def index(self, request: Request) -> dict[str, Any]:
        flavorid = request.match["flavor_id"]
        with self._database.read() as conn:
            row = find(conn, flavorid)
            if row["is_public"]:
                raise errors.NotFound("Access list not available for public flavors.")
            return _listing(flavorid, table.projects(conn, row["id"]))

    def add(self, request: Request) -> dict[str, Any]:
        flavorid, project_id = request.match["flavor_id"], request.body_json["addTenantAccess"]["tenant"]
        self._projects.require(project_id)
        try:
            with self._database.write() as conn:
                row = find(conn, flavorid)
                if row["is_public"] and request.version >= (2, 7):
                    raise errors.Conflict("Can not add access to a public flavor.")
                table.grant(conn, row["id"], project_id)
                record_events.flavor(conn, request.context, "update", flavorid)
                return request.promise(_listing(flavorid, table.projects(conn, row["id"])))
        except exc.IntegrityError as e:
            raise errors.Conflict(f"Flavor access already exists for flavor {flavorid} and project {project_id} "
                                  "combination.") from e

    def remove(self, request: Request) -> dict[str, Any]:
        flavorid, project_id = request.match["flavor_id"], request.body_json["removeTenantAccess"]["tenant"]
        self._projects.require(project_id)
        with self._database.write() as conn:
            row = find(conn, flavorid)
            if not table.revoke(conn, row["id"], project_id):
                raise errors.NotFound(f"Flavor access not found for flavor {flavorid} and project {project_id} "
                                      "combination.")
            record_events.flavor(conn, request.context, "update", flavorid)
            return request.promise(_listing(flavorid, table.projects(conn, row["id"])))


def _listing(flavorid: str, projects: list[str]) -> dict[str, Any]:
    return {"flavor_access": [{"flavor_id": flavorid, "tenant_id": project} for project in projects]}
