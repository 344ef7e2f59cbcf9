# SPDX-License-Identifier: Apache-2.0
"""``/allocations`` and the allocations of a provider: who holds what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.api.placement import schemas
from nova.api.placement import versions as v
from nova.api.placement.transaction import writing
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import allocations, claims, names, providers
from nova.placement.allocations import Wanted
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

_RULE = "placement:allocations:"
_ONE = "/allocations/{consumer}"
ROUTES = (
    Route("GET", "/resource_providers/{uuid}/allocations", "of_provider",
          rule="placement:resource_providers:allocations:list", doc="List the allocations of a provider"),
    Route("POST", "/allocations", "manage", rule=_RULE + "manage", versions=("1.13", None),
          body=schemas.MANY_ALLOCATIONS, success=204, doc="Set the allocations of several consumers at once"),
    Route("GET", _ONE, "show", rule=_RULE + "list", doc="List the allocations of a consumer"),
    Route("PUT", _ONE, "replace", rule=_RULE + "update", body=schemas.ALLOCATIONS, success=204,
          doc="Set the allocations of a consumer"),
    Route("DELETE", _ONE, "delete", rule=_RULE + "delete", success=204, doc="Delete the allocations of a consumer"),
)
#: The owner of consumers written before 1.8, which did not say.
INCOMPLETE = "00000000-0000-0000-0000-000000000000"


class AllocationController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def of_provider(self, request: Request) -> Reply:
        with self._db.read() as conn:
            provider = providers.get(conn, request.match["uuid"])
            held = allocations.of_provider(conn, provider.uuid)
        return v.reply(request, {"allocations": {uuid: {"resources": amounts} for uuid, amounts in held.items()},
                                 "resource_provider_generation": provider.generation}, modified=provider.updated_at)

    def show(self, request: Request) -> Reply:
        uuid = request.match["consumer"]
        with self._db.read() as conn:
            held = claims.allocations_of(conn, [uuid]).get(uuid, {})
            generations = {row.uuid: row.generation for row in tables.changed_providers(conn, _NEVER, also=held)}
            owner = allocations.consumer(conn, uuid)
        document: dict[str, Any] = {"allocations": {
            provider: {"generation": generations.get(provider), "resources": amounts}
            for provider, amounts in held.items()}}
        if request.version >= v.ALLOCATION_DICTS and held and owner is not None:
            document |= {"project_id": owner.project_id, "user_id": owner.user_id}
        return v.reply(request, document)

    def replace(self, request: Request) -> None:
        self._write([_wanted(request.match["consumer"], request.body_json)])

    def manage(self, request: Request) -> None:
        self._write([_wanted(uuid, body) for uuid, body in sorted(request.body_json.items())])

    def delete(self, request: Request) -> None:
        uuid = request.match["consumer"]
        with writing(self._db) as conn:
            if not claims.release(conn, uuid):
                raise errors.NotFound(f"No allocations for consumer '{uuid}'.")

    def _write(self, wanted: list[Wanted]) -> None:
        with writing(self._db) as conn:
            names.require_classes(conn, {name for w in wanted for held in w.held.values() for name in held})
            allocations.replace(conn, wanted)


#: Later than every stamp: only the providers named.
_NEVER = 1e18


def _wanted(consumer_uuid: str, body: Mapping[str, Any]) -> Wanted:
    given = body["allocations"]
    if isinstance(given, list):
        held = {entry["resource_provider"]["uuid"]: entry["resources"] for entry in given}
        if len(held) != len(given):
            raise errors.Invalid("A resource provider is named twice in the allocations.")
    else:
        held = {uuid: entry["resources"] for uuid, entry in given.items()}
    return Wanted(_uuid(consumer_uuid), body.get("project_id", INCOMPLETE), body.get("user_id", INCOMPLETE), held)


def _uuid(text: str) -> str:
    if len(text) != 36:
        raise errors.Invalid(f"Malformed consumer uuid: {text[:100]}.")
    return text


def resource(database: Database) -> Resource:
    return Resource(ROUTES, AllocationController(database))
