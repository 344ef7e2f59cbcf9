# SPDX-License-Identifier: Apache-2.0
"""``/resource_providers/{uuid}/aggregates``: the aggregates a provider belongs to, as bare uuids."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.api.placement import schemas
from nova.api.placement import versions as v
from nova.api.placement.transaction import writing
from nova.db.engine import Database
from nova.placement import providers
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

_PATH = "/resource_providers/{uuid}/aggregates"
_RULE = "placement:resource_providers:aggregates:"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "list", versions=("1.1", None), doc="List the aggregates of a provider"),
    Route("PUT", _PATH, "replace", rule=_RULE + "update", versions=("1.1", None), body=schemas.AGGREGATES,
          doc="Set the aggregates of a provider"),
)


class AggregateController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def index(self, request: Request) -> Reply:
        with self._db.read() as conn:
            return self._all(conn, request)

    def replace(self, request: Request) -> Reply:
        uuid, body = request.match["uuid"], request.body_json
        named = isinstance(body, dict)
        with writing(self._db) as conn:
            providers.guard(conn, uuid, body["resource_provider_generation"] if named else None)
            wanted = body["aggregates"] if named else body
            providers.set_aggregates(conn, uuid, [aggregate.lower() for aggregate in wanted])
            return self._all(conn, request)

    @staticmethod
    def _all(conn: sa.Connection, request: Request) -> Reply:
        provider = providers.get(conn, request.match["uuid"])
        document: dict[str, Any] = {"aggregates": providers.aggregates_of(conn, provider.uuid)}
        if request.version >= v.AGGREGATE_GENERATION:
            document["resource_provider_generation"] = provider.generation
        return v.reply(request, document, modified=provider.updated_at)


def resource(database: Database) -> Resource:
    return Resource(ROUTES, AggregateController(database))
