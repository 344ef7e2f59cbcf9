# SPDX-License-Identifier: Apache-2.0
"""What is claimed: of a provider, and by a project."""

from __future__ import annotations

from nova.api.placement import schemas
from nova.api.placement import versions as v
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import allocations, providers
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

ROUTES = (
    Route("GET", "/resource_providers/{uuid}/usages", "of_provider", rule="placement:resource_providers:usages",
          doc="Show what is claimed of a provider"),
    # The rule needs the project of the query, so the handler checks it.
    Route("GET", "/usages", "of_project", query=schemas.USAGE_QUERY, versions=("1.9", None),
          doc="Show what a project uses (rule placement:usages)"),
)


class UsageController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def of_provider(self, request: Request) -> Reply:
        with self._db.read() as conn:
            provider = providers.get(conn, request.match["uuid"])
            rows = tables.inventories_of(conn, [provider.uuid])
        return v.reply(request, {"resource_provider_generation": provider.generation,
                                 "usages": {row.resource_class: int(row.used) for row in rows}},
                       modified=provider.updated_at)

    def of_project(self, request: Request) -> Reply:
        project_id = request.arg("project_id", "") or ""
        request.authorize("placement:usages", {"project_id": project_id})
        with self._db.read() as conn:
            return v.reply(request, {"usages": allocations.usages(conn, project_id, request.arg("user_id"))})


def resource(database: Database) -> Resource:
    return Resource(ROUTES, UsageController(database))
