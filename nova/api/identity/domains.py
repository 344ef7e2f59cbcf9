# SPDX-License-Identifier: Apache-2.0
"""Domains on the wire."""

from __future__ import annotations

from typing import Any

from nova.api.identity import schemas, views, wire
from nova.identity.manager import Identity
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

_DOMAIN = "/v3/domains/{domain_id}"

ROUTES = (
    Route("GET", "/v3/domains", "index", rule="identity:list_domains", doc="List domains"),
    Route("POST", "/v3/domains", "create", rule="identity:create_domain", body=schemas.DOMAIN_CREATE, success=201,
          doc="Create a domain"),
    Route("GET", _DOMAIN, "show", rule=ANYONE, doc="Show a domain"),
    Route("PATCH", _DOMAIN, "update", rule="identity:update_domain", body=schemas.DOMAIN_UPDATE, doc="Change a domain"),
    Route("DELETE", _DOMAIN, "delete", rule="identity:delete_domain", success=204,
          doc="Delete a disabled domain with all in it"),
)


class DomainController:
    def __init__(self, identity: Identity) -> None:
        self._domains = identity.domains

    def index(self, request: Request) -> dict[str, Any]:
        domains = self._domains.find(**wire.equals(request, "name", "enabled"))
        return wire.listing(request, "domains", (views.domain(request, d) for d in wire.inexact(request, domains)))

    def create(self, request: Request) -> dict[str, Any]:
        values = wire.attributes(request, "domain")
        if "explicit_domain_id" in values:
            values["id"] = values.pop("explicit_domain_id")
        return {"domain": views.domain(request, self._domains.create(**values))}

    def show(self, request: Request) -> dict[str, Any]:
        domain_id = request.match["domain_id"]
        request.authorize("identity:get_domain", {"domain_id": domain_id})
        return {"domain": views.domain(request, self._domains.get(domain_id))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._domains.update(request.match["domain_id"], **wire.updates(request, "domain"))
        return {"domain": views.domain(request, changed)}

    def delete(self, request: Request) -> None:
        self._domains.delete(request.match["domain_id"])
