# SPDX-License-Identifier: Apache-2.0
"""What this API is: its version, the extensions that it has, and routers, of which there are none."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.web.request import Request
from nova.web.routing import Resource, Route

ROUTES = (
    Route("GET", "/", "versions", rule=None, doc="List versions"),
    Route("GET", "/v2.0", "collections", rule=None, doc="List resources"),
    Route("GET", "/v2.0/extensions", "extensions", rule="get_extension", doc="List extensions"),
    Route("GET", "/v2.0/extensions/{alias}", "extension", rule="get_extension", doc="Show an extension"),
    Route("GET", "/v2.0/routers", "routers", rule="get_router", doc="List routers: every host routes by itself"),
    Route("GET", "/v2.0/routers/{id}", "no_router", rule="get_router", doc="Show a router"),
)
_EXTENSIONS = {
    "binding": "Host of a port", "external-net": "Pools of floating addresses as networks", "net-mtu": "MTU",
    "port-security": "Filters of a port", "project-id": "project_id beside tenant_id", "quotas": "Quotas",
    "quota_details": "Quotas with usage", "router": "Floating addresses", "security-group": "Security groups",
    "sorting": "Sorted lists", "pagination": "Pages", "standard-attr-timestamp": "Times of resources",
    "fip-port-details": "Port of a floating address", "provider": "Bridges of networks"}
_COLLECTIONS = ("networks", "subnets", "ports", "floatingips", "security-groups", "security-group-rules", "quotas",
                "routers", "extensions")


class About:
    """Handlers of :data:`ROUTES`."""

    def versions(self, request: Request) -> dict[str, Any]:
        link = {"rel": "self", "href": request.link("v2.0/")}
        return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}

    def collections(self, request: Request) -> dict[str, Any]:
        return {"resources": [{"name": name.rstrip("s"), "collection": name, "links": [
            {"rel": "self", "href": request.link(f"v2.0/{name}")}]} for name in _COLLECTIONS]}

    def extensions(self, request: Request) -> dict[str, Any]:
        return {"extensions": [_extension(alias) for alias in _EXTENSIONS]}

    def extension(self, request: Request) -> dict[str, Any]:
        alias = request.match["alias"]
        if alias not in _EXTENSIONS:
            raise errors.NotFound(f"Extension with alias {alias} does not exist")
        return {"extension": _extension(alias)}

    def routers(self, request: Request) -> dict[str, Any]:
        return {"routers": []}

    def no_router(self, request: Request) -> None:
        raise errors.NotFound(f"Router {request.match['id']} could not be found")


def _extension(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": _EXTENSIONS[alias], "description": _EXTENSIONS[alias], "links": [],
            "updated": "2012-01-01T10:00:00-00:00"}


def resource() -> Resource:
    return Resource(ROUTES, About())
