# SPDX-License-Identifier: Apache-2.0
"""``/v2.0/subnets``: the addresses of networks. One for a network of servers, any number for a pool."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.api.network import schemas as s
from nova.api.network import wire
from nova.networks.definitions import Network
from nova.operations.networks import NetworkDefinitions
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.timestamps import iso

_PATH = "/v2.0/subnets"
_IP = {"type": "string", "format": "ipv4"}
_DNS = {"type": "array", "items": {"type": "string", "format": "ip"}, "maxItems": 5}
_POOL = {"type": "object", "properties": {"start": _IP, "end": _IP}, "required": ["start", "end"],
         "additionalProperties": False}
_CREATE = s.wrapped("subnet", s.PROJECT | {
    "network_id": s.UUID, "cidr": s.TEXT, "name": s.TEXT, "description": s.TEXT, "dns_nameservers": _DNS,
    "ip_version": {"enum": [4]}, "gateway_ip": {"type": ["string", "null"]}, "enable_dhcp": s.BOOLEAN,
    "allocation_pools": {"type": "array", "items": _POOL, "maxItems": 1},
    "host_routes": {"type": "array", "maxItems": 0}}, ("network_id", "cidr", "ip_version"))
_UPDATE = s.wrapped("subnet", {"name": s.TEXT, "dns_nameservers": _DNS})
ROUTES = (
    Route("GET", _PATH, "index", rule="get_subnet", doc="List subnets"),
    Route("POST", _PATH, "create", rule="create_subnet", body=_CREATE, success=201, doc="Give a network addresses"),
    Route("GET", _PATH + "/{id}", "show", rule="get_subnet", doc="Show a subnet"),
    Route("PUT", _PATH + "/{id}", "update", rule="update_subnet", body=_UPDATE, doc="Change a subnet"),
    Route("DELETE", _PATH + "/{id}", "delete", rule="delete_subnet", success=204, doc="Delete a subnet"),
)


class SubnetController:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, networks: NetworkDefinitions) -> None:
        self._networks = networks

    def index(self, request: Request) -> dict[str, Any]:
        return wire.listing(request, "subnets", [
            _view(network, subnet) for network in self._networks.list(request.context) for subnet in network.subnets])

    def show(self, request: Request) -> dict[str, Any]:
        network = self._networks.subnet(request.context, request.match["id"])
        return {"subnet": wire.chosen(request, _of(network, request.match["id"]))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["subnet"]
        name, options = wanted.get("name") or "", _options(wanted)
        network, uuid = self._networks.add_subnet(request.context, wanted["network_id"], wanted["cidr"], name,
                                                  **options)
        return {"subnet": _of(network, uuid)}

    def update(self, request: Request) -> dict[str, Any]:
        wanted, uuid = request.body_json["subnet"], request.match["id"]
        network = self._networks.update_subnet(request.context, uuid, name=wanted.get("name"),
                                               dns=wanted.get("dns_nameservers"))
        return {"subnet": _of(network, uuid)}

    def delete(self, request: Request) -> None:
        self._networks.delete_subnet(request.context, request.match["id"])


def _options(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What a new network of servers may be told. It always has DHCP and a gateway: its hosts."""
    options: dict[str, Any] = {"dns": wanted.get("dns_nameservers") or ()}
    if "gateway_ip" in wanted and wanted["gateway_ip"] is None:
        raise errors.Invalid("Every network of this cloud has a gateway: leave gateway_ip out or give an address.")
    if wanted.get("gateway_ip"):
        options["gateway"] = wanted["gateway_ip"]
    for pool in wanted.get("allocation_pools") or ():
        options |= {"range_start": pool["start"], "range_end": pool["end"]}
    return options


def _of(network: Network, uuid: str) -> dict[str, Any]:
    return _view(network, next(subnet for subnet in network.subnets if subnet["uuid"] == uuid))


def _view(network: Network, subnet: Mapping[str, Any]) -> dict[str, Any]:
    external = network.kind == "pool"
    block = ipaddress.IPv4Network(subnet["cidr"])
    first, last = (block[0], block[-1]) if block.prefixlen > 30 else (block[1], block[-2])
    if not external:
        first, last = (ipaddress.IPv4Address(subnet[end]) for end in ("range_start", "range_end"))
    created = iso(subnet["created_at"])
    return wire.owned(network.project_id) | {
        "id": subnet["uuid"], "network_id": network.uuid, "name": "" if external else subnet["subnet_name"],
        "cidr": subnet["cidr"], "ip_version": 4, "gateway_ip": None if external else subnet["gateway"],
        "enable_dhcp": not external, "dns_nameservers": [] if external else list(subnet["dns"] or ()),
        "allocation_pools": [{"start": str(first), "end": str(last)}], "host_routes": [], "ipv6_ra_mode": None,
        "ipv6_address_mode": None, "subnetpool_id": None, "service_types": [], "description": "", "tags": [],
        "created_at": created, "updated_at": created, "revision_number": 1}


def resource(networks: NetworkDefinitions) -> Resource:
    return Resource(ROUTES, SubnetController(networks))
