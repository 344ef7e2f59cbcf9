# SPDX-License-Identifier: Apache-2.0
"""``/resource_classes``: the standard ones, and custom ones that an operator makes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.api.placement import schemas
from nova.api.placement import versions as v
from nova.api.placement.transaction import writing
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import names
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

_RULE = "placement:resource_classes:"
_SINCE = ("1.2", None)
_ONE = "/resource_classes/{name}"
ROUTES = (
    Route("GET", "/resource_classes", "index", rule=_RULE + "list", versions=_SINCE, doc="List resource classes"),
    Route("POST", "/resource_classes", "create", rule=_RULE + "create", versions=_SINCE, body=schemas.CLASS_NAME,
          success=201, doc="Make a custom resource class"),
    Route("GET", _ONE, "show", rule=_RULE + "show", versions=_SINCE, doc="Show a resource class"),
    Route("PUT", _ONE, "rename", rule=_RULE + "update", versions=("1.2", "1.6"), body=schemas.CLASS_UPDATE,
          doc="Rename a custom resource class"),
    Route("PUT", _ONE, "ensure", rule=_RULE + "update", versions=("1.7", None), doc="Make a custom resource class"),
    Route("DELETE", _ONE, "delete", rule=_RULE + "delete", versions=_SINCE, success=204,
          doc="Delete a custom resource class"),
)
_C, _I = tables.resource_classes, tables.inventories


class ResourceClassController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def index(self, request: Request) -> Reply:
        with self._db.read() as conn:
            found = names.classes(conn)
        return v.reply(request, {"resource_classes": [_view(request, name) for name in found]})

    def show(self, request: Request) -> Reply:
        with self._db.read() as conn:
            if request.match["name"] not in names.classes(conn):
                raise errors.NotFound(f"No such resource class: {request.match['name']}.")
        return v.reply(request, _view(request, request.match["name"]))

    def create(self, request: Request) -> Reply:
        name = request.body_json["name"]
        with writing(self._db) as conn:
            if not names.add(conn, _C, name):
                raise errors.Conflict(f"Resource class {name} exists already.")
        return Reply(None, 201, {"Location": _href(request, name)})

    def ensure(self, request: Request) -> Reply:
        name = request.match["name"]
        with writing(self._db) as conn:
            new = names.add(conn, _C, name)
        return Reply(None, 201 if new else 204, {"Location": _href(request, name)})

    def rename(self, request: Request) -> Reply:
        old, new = request.match["name"], names.check_custom(request.body_json["name"])
        with writing(self._db) as conn:
            if new in names.classes(conn):
                raise errors.Conflict(f"Resource class {new} exists already.")
            names.remove(conn, _C, old, _in_use(old))
            names.add(conn, _C, new)
        return v.reply(request, _view(request, new))

    def delete(self, request: Request) -> None:
        with writing(self._db) as conn:
            names.remove(conn, _C, request.match["name"], _in_use(request.match["name"]))


def _in_use(name: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(_I.c.resource_class == name)


def _href(request: Request, name: str) -> str:
    mount: str = request.script_name
    return f"{mount}/resource_classes/{name}"


def _view(request: Request, name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": _href(request, name)}]}


def resource(database: Database) -> Resource:
    return Resource(ROUTES, ResourceClassController(database))
