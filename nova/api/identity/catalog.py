# SPDX-License-Identifier: Apache-2.0
"""Services, endpoints and regions on the wire. The catalogue that goes with a token is in ``tokens``."""

from __future__ import annotations

import contextlib
from typing import Any

from nova import errors
from nova.api.identity import schemas, views, wire
from nova.api.identity.tokens import base_url
from nova.identity.manager import Identity
from nova.identity.models import Endpoint
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route

_SERVICE, _ENDPOINT, _REGION = "/v3/services/{id}", "/v3/endpoints/{id}", "/v3/regions/{id}"

SERVICE_ROUTES = (
    Route("GET", "/v3/services", "index", rule="identity:list_services", doc="List services"),
    Route("POST", "/v3/services", "create", rule="identity:create_service", body=schemas.SERVICE_CREATE, success=201,
          doc="Add a service"),
    Route("GET", _SERVICE, "show", rule="identity:get_service", doc="Show a service"),
    Route("PATCH", _SERVICE, "update", rule="identity:update_service", body=schemas.SERVICE_UPDATE,
          doc="Change a service"),
    Route("DELETE", _SERVICE, "delete", rule="identity:delete_service", success=204, doc="Remove a service"),
)
ENDPOINT_ROUTES = (
    Route("GET", "/v3/endpoints", "index", rule="identity:list_endpoints", doc="List endpoints"),
    Route("POST", "/v3/endpoints", "create", rule="identity:create_endpoint", body=schemas.ENDPOINT_CREATE, success=201,
          doc="Add an endpoint"),
    Route("GET", _ENDPOINT, "show", rule="identity:get_endpoint", doc="Show an endpoint"),
    Route("PATCH", _ENDPOINT, "update", rule="identity:update_endpoint", body=schemas.ENDPOINT_UPDATE,
          doc="Change an endpoint"),
    Route("DELETE", _ENDPOINT, "delete", rule="identity:delete_endpoint", success=204, doc="Remove an endpoint"),
)
REGION_ROUTES = (
    Route("GET", "/v3/regions", "index", rule="identity:list_regions", doc="List regions"),
    Route("POST", "/v3/regions", "create", rule="identity:create_region", body=schemas.REGION_CREATE, success=201,
          doc="Create a region"),
    Route("GET", _REGION, "show", rule="identity:get_region", doc="Show a region"),
    Route("PUT", _REGION, "put", rule="identity:create_region", body=schemas.REGION_CREATE, success=201,
          doc="Create a region of this id"),
    Route("PATCH", _REGION, "update", rule="identity:update_region", body=schemas.REGION_UPDATE, doc="Change a region"),
    Route("DELETE", _REGION, "delete", rule="identity:delete_region", success=204, doc="Delete a region"),
)


class ServiceController:
    def __init__(self, identity: Identity) -> None:
        self._services = identity.catalog.services

    def index(self, request: Request) -> dict[str, Any]:
        found = wire.inexact(request, self._services.find(**wire.equals(request, "name", "type")))
        return wire.listing(request, "services", (views.service(request, s) for s in found))

    def create(self, request: Request) -> dict[str, Any]:
        return {"service": views.service(request, self._services.create(**wire.attributes(request, "service")))}

    def show(self, request: Request) -> dict[str, Any]:
        return {"service": views.service(request, self._services.get(request.match["id"]))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._services.update(request.match["id"], **wire.updates(request, "service"))
        return {"service": views.service(request, changed)}

    def delete(self, request: Request) -> None:
        self._services.delete(request.match["id"])


class EndpointController:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._endpoints = identity.catalog.endpoints

    def index(self, request: Request) -> dict[str, Any]:
        wanted = wire.equals(request, "service_id", "interface", "region_id")
        services = {s.id for s in self._identity.catalog.services.find()}
        found = [e for e in self._all(request)
                 if e.service_id in services and all(getattr(e, k) == v for k, v in wanted.items())]
        return wire.listing(request, "endpoints", (views.endpoint(request, e) for e in found))

    def create(self, request: Request) -> dict[str, Any]:
        return {"endpoint": views.endpoint(request, self._endpoints.create(**self._checked(request)))}

    def show(self, request: Request) -> dict[str, Any]:
        for endpoint in self._all(request):
            if endpoint.id == request.match["id"]:
                return {"endpoint": views.endpoint(request, endpoint)}
        raise self._endpoints.unknown(request.match["id"])

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._endpoints.update(request.match["id"], **self._checked(request))
        return {"endpoint": views.endpoint(request, changed)}

    def delete(self, request: Request) -> None:
        self._endpoints.delete(request.match["id"])

    def _all(self, request: Request) -> list[Endpoint]:
        return self._endpoints.all(base_url(self._identity, request))

    def _checked(self, request: Request) -> dict[str, Any]:
        """The body's attributes, once the service that they name is known to exist. A region that does not is made."""
        values = wire.attributes(request, "endpoint")
        region = values.pop("region", None)  # the name that version 2 had for it
        if region is not None:
            values.setdefault("region_id", region)
        try:
            if "service_id" in values:
                self._identity.catalog.services.get(values["service_id"])
        except errors.NotFound as e:
            raise errors.Invalid(e.message) from e
        if (region_id := values.get("region_id")) is not None and not self._identity.catalog.regions.find(id=region_id):
            with contextlib.suppress(errors.Conflict):  # another request was faster
                self._identity.catalog.regions.create(id=region_id)
        return values


class RegionController:
    def __init__(self, identity: Identity) -> None:
        self._regions = identity.catalog.regions

    def index(self, request: Request) -> dict[str, Any]:
        found = self._regions.find(**wire.equals(request, "parent_region_id"))
        return wire.listing(request, "regions", (views.region(request, r) for r in found))

    def create(self, request: Request) -> dict[str, Any]:
        return {"region": views.region(request, self._regions.create(**self._body(request)))}

    def put(self, request: Request) -> Reply:
        region_id, values = request.match["id"], self._body(request)
        if len(region_id) > 255 or values.get("id", region_id) != region_id:
            raise errors.Invalid("The id of the region in the URL and in the body differ.")
        made = self._regions.create(**(values | {"id": region_id}))
        return Reply({"region": views.region(request, made)}, 201)

    def show(self, request: Request) -> dict[str, Any]:
        return {"region": views.region(request, self._regions.get(request.match["id"]))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._regions.update(request.match["id"], **wire.updates(request, "region"))
        return {"region": views.region(request, changed)}

    def delete(self, request: Request) -> None:
        self._regions.delete(request.match["id"])

    @staticmethod
    def _body(request: Request) -> dict[str, Any]:
        return {k: v for k, v in request.body_json["region"].items() if k != "links"}
