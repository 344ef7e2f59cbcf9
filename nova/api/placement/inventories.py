# SPDX-License-Identifier: Apache-2.0
"""``/resource_providers/{uuid}/inventories``: what a provider offers. Every write names the generation it saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.api.placement import schemas
from nova.api.placement import versions as v
from nova.api.placement.transaction import writing
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import names, providers
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

_ALL = "/resource_providers/{uuid}/inventories"
_ONE = _ALL + "/{resource_class}"
_RULE = "placement:resource_providers:inventories:"
ROUTES = (
    Route("GET", _ALL, "index", rule=_RULE + "list", doc="List the inventories of a provider"),
    Route("PUT", _ALL, "replace", rule=_RULE + "update", body=schemas.INVENTORIES, doc="Set all inventories"),
    Route("POST", _ALL, "create", rule=_RULE + "create", body=schemas.INVENTORY_CREATE, success=201,
          doc="Add an inventory"),
    Route("DELETE", _ALL, "clear", rule=_RULE + "delete", success=204, versions=("1.5", None),
          doc="Remove all inventories"),
    Route("GET", _ONE, "show", rule=_RULE + "show", doc="Show an inventory"),
    Route("PUT", _ONE, "update", rule=_RULE + "update", body=schemas.INVENTORY_UPDATE, doc="Change an inventory"),
    Route("DELETE", _ONE, "delete", rule=_RULE + "delete", success=204, doc="Remove an inventory"),
)
_DEFAULTS = {"reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 1, "allocation_ratio": 1.0}
_FIELDS = ("total", *_DEFAULTS)
_I = tables.inventories


class InventoryController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def index(self, request: Request) -> Reply:
        with self._db.read() as conn:
            return self._all(conn, request)

    def show(self, request: Request) -> Reply:
        uuid, name = request.match["uuid"], request.match["resource_class"]
        with self._db.read() as conn:
            provider = providers.get(conn, uuid)
            row = _row(conn, uuid, name)
        return v.reply(request, _view(row) | {"resource_provider_generation": provider.generation},
                       modified=provider.updated_at)

    def replace(self, request: Request) -> Reply:
        uuid, body = request.match["uuid"], request.body_json
        wanted = {name: _complete(name, values) for name, values in body["inventories"].items()}
        with writing(self._db) as conn:
            providers.guard(conn, uuid, body["resource_provider_generation"])
            names.require_classes(conn, wanted)
            known = {row.resource_class for row in tables.inventories_of(conn, [uuid])}
            for name in sorted(known - set(wanted)):
                _remove(conn, uuid, name)
            for name in sorted(wanted):
                _write(conn, uuid, name, wanted[name], known=name in known)
            return self._all(conn, request)

    def create(self, request: Request) -> Reply:
        uuid, body = request.match["uuid"], request.body_json
        name = body["resource_class"]
        values = _complete(name, body)
        with writing(self._db) as conn:
            providers.guard(conn, uuid, body.get("resource_provider_generation"))
            names.require_classes(conn, [name])
            if any(row.resource_class == name for row in tables.inventories_of(conn, [uuid])):
                raise errors.Conflict(f"Inventory of {name} on resource provider {uuid} exists already.")
            _write(conn, uuid, name, values, known=False)
            provider = providers.get(conn, uuid)
        location = f"{request.script_name}/resource_providers/{uuid}/inventories/{name}"
        return v.reply(request, values | {"resource_provider_generation": provider.generation}, status=201,
                       modified=provider.updated_at, headers={"Location": location})

    def update(self, request: Request) -> Reply:
        uuid, name, body = request.match["uuid"], request.match["resource_class"], request.body_json
        values = _complete(name, body)
        with writing(self._db) as conn:
            providers.guard(conn, uuid, body["resource_provider_generation"])
            _row(conn, uuid, name)
            _write(conn, uuid, name, values, known=True)
            provider = providers.get(conn, uuid)
        return v.reply(request, values | {"resource_provider_generation": provider.generation},
                       modified=provider.updated_at)

    def delete(self, request: Request) -> None:
        uuid, name = request.match["uuid"], request.match["resource_class"]
        with writing(self._db) as conn:
            providers.guard(conn, uuid, None)
            _row(conn, uuid, name)
            _remove(conn, uuid, name)

    def clear(self, request: Request) -> None:
        uuid = request.match["uuid"]
        with writing(self._db) as conn:
            providers.guard(conn, uuid, None)
            for row in tables.inventories_of(conn, [uuid]):
                _remove(conn, uuid, row.resource_class)

    @staticmethod
    def _all(conn: sa.Connection, request: Request) -> Reply:
        provider = providers.get(conn, request.match["uuid"])
        rows = tables.inventories_of(conn, [provider.uuid])
        return v.reply(request, {"resource_provider_generation": provider.generation,
                                 "inventories": {row.resource_class: _view(row) for row in rows}},
                       modified=provider.updated_at)


def _complete(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    values = _DEFAULTS | {field: body[field] for field in _FIELDS if field in body}
    if values["reserved"] >= values["total"]:
        raise errors.Invalid(f"Invalid inventory for {name}: reserved must be less than total before version 1.26.")
    return values


def _view(row: Any) -> dict[str, Any]:
    return {field: getattr(row, field) for field in _FIELDS}


def _row(conn: sa.Connection, uuid: str, name: str) -> Any:
    row = conn.execute(sa.select(_I).where(_I.c.provider_uuid == uuid, _I.c.resource_class == name)).first()
    if row is None:
        raise errors.NotFound(f"No inventory of class {name} for {uuid}.")
    return row


def _write(conn: sa.Connection, uuid: str, name: str, values: dict[str, Any], *, known: bool) -> None:
    if known:
        conn.execute(sa.update(_I).where(_I.c.provider_uuid == uuid, _I.c.resource_class == name).values(**values))
    else:
        conn.execute(sa.insert(_I).values(provider_uuid=uuid, resource_class=name, used=0, **values))


def _remove(conn: sa.Connection, uuid: str, name: str) -> None:
    mine = sa.and_(_I.c.provider_uuid == uuid, _I.c.resource_class == name)
    if conn.execute(sa.delete(_I).where(mine, _I.c.used == 0)).rowcount == 0:
        raise errors.Conflict(f"Inventory for {name} on resource provider {uuid} is in use.",
                              placement_code="placement.inventory.inuse")


def resource(database: Database) -> Resource:
    return Resource(ROUTES, InventoryController(database))
