# SPDX-License-Identifier: Apache-2.0
"""``/resource_providers``: who provides resources. What they provide stands in the modules beside."""

from __future__ import annotations

from typing import Any

from nova import concurrency
from nova.api.placement import filters, schemas
from nova.api.placement import versions as v
from nova.api.placement.transaction import writing
from nova.db.engine import Database
from nova.placement import inventory, providers
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

_RULE = "placement:resource_providers:"
ROUTES = (
    Route("GET", "/resource_providers", "index", rule=_RULE + "list", query=schemas.PROVIDER_QUERY,
          doc="List resource providers"),
    Route("POST", "/resource_providers", "create", rule=_RULE + "create", body=schemas.PROVIDER_CREATE, success=201,
          doc="Create a resource provider"),
    Route("GET", "/resource_providers/{uuid}", "show", rule=_RULE + "show", doc="Show a resource provider"),
    Route("PUT", "/resource_providers/{uuid}", "update", rule=_RULE + "update", body=schemas.PROVIDER_UPDATE,
          doc="Rename a resource provider or give it a parent"),
    Route("DELETE", "/resource_providers/{uuid}", "delete", rule=_RULE + "delete", success=204,
          doc="Delete a resource provider"),
)


class ProviderController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def index(self, request: Request) -> Reply:
        with self._db.read() as conn:
            rows = providers.search(conn, filters.build_query(conn, request))
        return v.reply(request, {"resource_providers": [view(request, row) for row in rows]},
                       modified=max((row.updated_at for row in rows), default=None))

    def create(self, request: Request) -> Reply:
        body = request.body_json
        uuid = (body.get("uuid") or concurrency.uuid4()).lower()
        with writing(self._db) as conn:
            inventory.create_provider(conn, uuid, body["name"], parent_uuid=body.get("parent_provider_uuid"))
            row = providers.get(conn, uuid)
        location = {"Location": _href(request, uuid)}
        if request.version < v.PROVIDER_BODY:
            return Reply(None, 201, location)
        return v.reply(request, view(request, row), modified=row.updated_at, headers=location)

    def show(self, request: Request) -> Reply:
        with self._db.read() as conn:
            row = providers.get(conn, request.match["uuid"])
        return v.reply(request, view(request, row), modified=row.updated_at)

    def update(self, request: Request) -> Reply:
        uuid, body = request.match["uuid"], request.body_json
        with writing(self._db) as conn:
            providers.rename(conn, uuid, body["name"])
            if "parent_provider_uuid" in body:
                providers.adopt(conn, uuid, body["parent_provider_uuid"])
            row = providers.get(conn, uuid)
        return v.reply(request, view(request, row), modified=row.updated_at)

    def delete(self, request: Request) -> None:
        uuid = request.match["uuid"]
        with writing(self._db) as conn:
            providers.get(conn, uuid)
            inventory.delete_provider(conn, uuid)


def _href(request: Request, uuid: str) -> str:
    mount: str = request.script_name
    return f"{mount}/resource_providers/{uuid}"


def view(request: Request, row: Any) -> dict[str, Any]:
    """A provider as its version shows it."""
    rels = ["inventories", "usages"]
    for name, since in (("aggregates", v.AGGREGATES), ("traits", v.TRAITS), ("allocations", v.ALLOCATION_LINKS)):
        if request.version >= since:
            rels.append(name)
    href = _href(request, row.uuid)
    document: dict[str, Any] = {"uuid": row.uuid, "name": row.name, "generation": row.generation, "links": [
        {"rel": "self", "href": href}, *({"rel": rel, "href": f"{href}/{rel}"} for rel in rels)]}
    if request.version >= v.NESTED:
        document |= {"parent_provider_uuid": row.parent_uuid, "root_provider_uuid": row.root_uuid}
    return document


def resource(database: Database) -> Resource:
    return Resource(ROUTES, ProviderController(database))
