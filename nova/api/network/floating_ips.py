# SPDX-License-Identifier: Apache-2.0
"""``/v2.0/floatingips``: addresses of a pool that a project holds and leads to its ports."""

from __future__ import annotations

from typing import Any

from nova.api.network import schemas as s
from nova.api.network import wire
from nova.operations.floating_ips import FloatingIp, FloatingIps
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.timestamps import iso

_PATH = "/v2.0/floatingips"
_IP = {"type": ["string", "null"], "format": "ipv4"}
_TARGET: s.Schema = {"port_id": {"type": ["string", "null"], "format": "uuid"}, "fixed_ip_address": _IP,
                     "description": s.TEXT}
_CREATE = s.wrapped("floatingip", s.PROJECT | _TARGET | {
    "floating_network_id": s.UUID, "floating_ip_address": _IP, "subnet_id": s.UUID}, ("floating_network_id",))
_UPDATE = s.wrapped("floatingip", _TARGET)
ROUTES = (
    Route("GET", _PATH, "index", rule="get_floatingip", doc="List floating addresses"),
    Route("POST", _PATH, "create", rule="create_floatingip", body=_CREATE, success=201, doc="Get a floating address"),
    Route("GET", _PATH + "/{id}", "show", rule="get_floatingip", doc="Show a floating address"),
    Route("PUT", _PATH + "/{id}", "update", rule="update_floatingip", body=_UPDATE,
          doc="Lead a floating address to a port, or nowhere"),
    Route("DELETE", _PATH + "/{id}", "delete", rule="delete_floatingip", success=204,
          doc="Give a floating address back"),
)


class FloatingIpController:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, floating: FloatingIps) -> None:
        self._floating = floating

    def index(self, request: Request) -> dict[str, Any]:
        found = self._floating.list(request.context, all_projects=request.context.is_admin)
        return wire.listing(request, "floatingips", [_view(f) for f in found])

    def show(self, request: Request) -> dict[str, Any]:
        return {"floatingip": wire.chosen(request, _view(self._find(request)))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["floatingip"]
        address = wanted.get("floating_ip_address")
        if address:
            request.authorize("create_floatingip:floating_ip_address")
        made = self._floating.allocate(
            request.context, wanted["floating_network_id"], project_id=wire.project_of(request, wanted),
            address=address, description=wanted.get("description") or "", port=wanted.get("port_id"),
            fixed_address=wanted.get("fixed_ip_address"))
        return {"floatingip": _view(made)}

    def update(self, request: Request) -> dict[str, Any]:
        wanted, uuid = request.body_json["floatingip"], request.match["id"]
        changed = self._find(request)
        if "description" in wanted:
            changed = self._floating.describe(request.context, uuid, wanted["description"])
        if "port_id" in wanted:
            changed = self._floating.lead_to_port(request.context, uuid, wanted["port_id"],
                                                  wanted.get("fixed_ip_address"))
        return {"floatingip": _view(changed)}

    def delete(self, request: Request) -> None:
        self._floating.release(request.context, request.match["id"])

    def _find(self, request: Request) -> FloatingIp:
        return self._floating.get(request.context, uuid=request.match["id"])


def _view(floating: FloatingIp) -> dict[str, Any]:
    created = iso(floating["allocated_at"])
    return wire.owned(floating["project_id"]) | {
        "id": floating["uuid"], "floating_ip_address": floating["address"],
        "floating_network_id": floating["pool_uuid"], "fixed_ip_address": floating["fixed_address"],
        "port_id": floating["port_uuid"], "router_id": None, "port_details": None,
        "status": "ACTIVE" if floating["port_uuid"] else "DOWN", "description": floating["description"], "tags": [],
        "dns_name": "", "dns_domain": "", "qos_policy_id": None, "created_at": created,
        "updated_at": iso(floating["updated_at"]) if floating["updated_at"] else created, "revision_number": 1}


def resource(floating: FloatingIps) -> Resource:
    return Resource(ROUTES, FloatingIpController(floating))
