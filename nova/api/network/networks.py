# SPDX-License-Identifier: Apache-2.0
"""``/v2.0/networks``: networks of projects, shared ones, and pools of floating addresses as external ones."""

from __future__ import annotations

from typing import Any

from nova.api.network import schemas as s
from nova.api.network import wire
from nova.networks.definitions import Network
from nova.operations.networks import NetworkDefinitions
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.timestamps import iso

_PATH = "/v2.0/networks"
_CREATE = s.wrapped("network", s.PROJECT | {
    "name": s.TEXT, "admin_state_up": s.TRUE, "shared": s.BOOLEAN, "router:external": s.BOOLEAN, "description": s.TEXT,
    "mtu": {"type": "integer", "minimum": 576, "maximum": 65535}, "port_security_enabled": s.TRUE})
_UPDATE = s.wrapped("network", {"name": s.TEXT, "admin_state_up": s.TRUE, "port_security_enabled": s.TRUE})
ROUTES = (
    Route("GET", _PATH, "index", rule="get_network", doc="List networks"),
    Route("POST", _PATH, "create", rule="create_network", body=_CREATE, success=201, doc="Create a network"),
    Route("GET", _PATH + "/{id}", "show", rule="get_network", doc="Show a network"),
    Route("PUT", _PATH + "/{id}", "update", rule="update_network", body=_UPDATE, doc="Rename a network"),
    Route("DELETE", _PATH + "/{id}", "delete", rule="delete_network", success=204, doc="Delete a network"),
)


class NetworkController:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, networks: NetworkDefinitions) -> None:
        self._networks = networks

    def index(self, request: Request) -> dict[str, Any]:
        return wire.listing(request, "networks", [_view(request, n) for n in self._networks.list(request.context)])

    def show(self, request: Request) -> dict[str, Any]:
        network = self._networks.get(request.context, request.match["id"])
        return {"network": wire.chosen(request, _view(request, network))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["network"]
        project: str | None = wire.project_of(request, wanted)
        external, shared = s.is_true(wanted.get("router:external")), s.is_true(wanted.get("shared"))
        if external:
            request.authorize("create_network:router:external")
        if shared:
            request.authorize("create_network:shared")
            project = None
        return {"network": _view(request, self._networks.create(
            request.context, wanted.get("name") or "", project, mtu=wanted.get("mtu", 1500), external=external))}

    def update(self, request: Request) -> dict[str, Any]:
        name = request.body_json["network"].get("name")
        return {"network": _view(request, self._networks.update(request.context, request.match["id"], name))}

    def delete(self, request: Request) -> None:
        self._networks.delete(request.context, request.match["id"])


def _view(request: Request, network: Network) -> dict[str, Any]:
    row, external = network.row, network.kind == "pool"
    created = iso(row["created_at"])
    item = wire.owned(network.project_id) | {
        "id": network.uuid, "name": row["name"] if external else row["label"], "admin_state_up": True,
        "status": "ACTIVE", "shared": not external and network.project_id is None, "router:external": external,
        "subnets": [subnet["uuid"] for subnet in network.subnets], "mtu": 1500 if external else row["mtu"],
        "description": "", "port_security_enabled": True, "availability_zones": [], "availability_zone_hints": [],
        "ipv4_address_scope": None, "ipv6_address_scope": None, "is_default": False, "tags": [],
        "created_at": created, "updated_at": created, "revision_number": 1}
    if request.context.is_admin:
        item |= {"provider:network_type": "flat", "provider:segmentation_id": None,
                 "provider:physical_network": row["interface"] if external else row.get("bridge")}
    return item


def resource(networks: NetworkDefinitions) -> Resource:
    return Resource(ROUTES, NetworkController(networks))
