# SPDX-License-Identifier: Apache-2.0
"""``/traits`` and the traits of a provider: qualities without an amount."""

from __future__ import annotations

from collections.abc import Collection

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

_OF = "/resource_providers/{uuid}/traits"
_RULE = "placement:resource_providers:traits:"
_SINCE = ("1.6", None)
ROUTES = (
    Route("GET", "/traits", "index", rule="placement:traits:list", query=schemas.TRAIT_QUERY, versions=_SINCE,
          doc="List traits"),
    Route("GET", "/traits/{name}", "show", rule="placement:traits:show", versions=_SINCE, success=204,
          doc="See if there is such a trait"),
    Route("PUT", "/traits/{name}", "create", rule="placement:traits:update", versions=_SINCE, success=204,
          doc="Make a custom trait"),
    Route("DELETE", "/traits/{name}", "delete", rule="placement:traits:delete", versions=_SINCE, success=204,
          doc="Delete a custom trait"),
    Route("GET", _OF, "of_provider", rule=_RULE + "list", versions=_SINCE, doc="List the traits of a provider"),
    Route("PUT", _OF, "replace", rule=_RULE + "update", versions=_SINCE, body=schemas.TRAITS,
          doc="Set the traits of a provider"),
    Route("DELETE", _OF, "clear", rule=_RULE + "delete", versions=_SINCE, success=204,
          doc="Remove all traits of a provider"),
)
_T = tables.provider_traits


class TraitController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def index(self, request: Request) -> Reply:
        with self._db.read() as conn:
            found = names.traits(conn)
            associated = request.arg("associated")
            if associated is not None:
                used = set(conn.scalars(sa.select(_T.c.trait).distinct()))
                found = [name for name in found if (name in used) == (associated.lower() == "true")]
        return v.reply(request, {"traits": _named(found, request.arg("name"))})

    def show(self, request: Request) -> Reply:
        with self._db.read() as conn:
            if request.match["name"] not in names.traits(conn):
                raise errors.NotFound(f"No such trait: {request.match['name']}.")
        return v.reply(request, None, status=204)

    def create(self, request: Request) -> Reply:
        name = request.match["name"]
        with writing(self._db) as conn:
            new = names.add(conn, tables.traits, name)
        return v.reply(request, None, status=201 if new else 204,
                       headers={"Location": f"{request.script_name}/traits/{name}"})

    def delete(self, request: Request) -> None:
        name = request.match["name"]
        with writing(self._db) as conn:
            names.remove(conn, tables.traits, name, sa.exists().where(_T.c.trait == name))

    def of_provider(self, request: Request) -> Reply:
        with self._db.read() as conn:
            return self._all(conn, request)

    def replace(self, request: Request) -> Reply:
        uuid, body = request.match["uuid"], request.body_json
        with writing(self._db) as conn:
            providers.guard(conn, uuid, body["resource_provider_generation"])
            names.require_traits(conn, body["traits"])
            _set(conn, uuid, body["traits"])
            return self._all(conn, request)

    def clear(self, request: Request) -> None:
        with writing(self._db) as conn:
            providers.guard(conn, request.match["uuid"], None)
            _set(conn, request.match["uuid"], ())

    @staticmethod
    def _all(conn: sa.Connection, request: Request) -> Reply:
        provider = providers.get(conn, request.match["uuid"])
        traits = sorted(tables.traits_of(conn, [provider.uuid]).get(provider.uuid, ()))
        return v.reply(request, {"resource_provider_generation": provider.generation, "traits": traits},
                       modified=provider.updated_at)


def _set(conn: sa.Connection, uuid: str, wanted: Collection[str]) -> None:
    """Make the traits equal to ``wanted``; those that the host reported and that stay remain the host's."""
    known = set(conn.scalars(sa.select(_T.c.trait).where(_T.c.provider_uuid == uuid)))
    if stale := known - set(wanted):
        conn.execute(sa.delete(_T).where(_T.c.provider_uuid == uuid, _T.c.trait.in_(sorted(stale))))
    if fresh := sorted(set(wanted) - known):
        conn.execute(sa.insert(_T), [{"provider_uuid": uuid, "trait": name, "reported": False} for name in fresh])


def _named(found: list[str], wanted: str | None) -> list[str]:
    if wanted is None:
        return found
    operator, _, value = wanted.partition(":")
    if operator == "startswith" and value:
        return [name for name in found if name.startswith(value)]
    if operator == "in" and value:
        chosen = set(value.split(","))
        return [name for name in found if name in chosen]
    raise errors.Invalid("Badly formatted name parameter. Expected name=in:NAME,… or name=startswith:PREFIX.")


def resource(database: Database) -> Resource:
    return Resource(ROUTES, TraitController(database))
