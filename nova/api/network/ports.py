# SPDX-License-Identifier: Apache-2.0
"""``/v2.0/ports``: ports of servers, and those that users make to bring to a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.api.network import schemas as s
from nova.api.network import wire
from nova.operations.ports import Port, Ports
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.timestamps import iso

_PATH = "/v2.0/ports"
_FIXED = {"type": "array", "maxItems": 1, "items": {
    "type": "object", "properties": {"ip_address": {"type": "string", "format": "ipv4"}, "subnet_id": s.UUID},
    "additionalProperties": False}}
_SETTABLE: s.Schema = {"name": s.TEXT, "security_groups": s.UUIDS, "admin_state_up": s.TRUE,
                       "port_security_enabled": s.TRUE, "description": s.TEXT}
_CREATE = s.wrapped("port", s.PROJECT | _SETTABLE | {
    "network_id": s.UUID, "fixed_ips": _FIXED, "binding:vnic_type": {"enum": ["normal"]},
    "mac_address": {"type": "string", "pattern": "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"}}, ("network_id",))
_UPDATE = s.wrapped("port", _SETTABLE)
ROUTES = (
    Route("GET", _PATH, "index", rule="get_port", doc="List ports"),
    Route("POST", _PATH, "create", rule="create_port", body=_CREATE, success=201, doc="Create a port"),
    Route("GET", _PATH + "/{id}", "show", rule="get_port", doc="Show a port"),
    Route("PUT", _PATH + "/{id}", "update", rule="update_port", body=_UPDATE, doc="Change name or security groups"),
    Route("DELETE", _PATH + "/{id}", "delete", rule="delete_port", success=204, doc="Delete a port"),
)
#: Filters that the database applies, by column.
_COLUMNS = {"id": "uuid", "device_id": "instance_uuid", "network_id": "network_uuid", "mac_address": "mac",
            "project_id": "project_id", "tenant_id": "project_id"}


class PortController:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def index(self, request: Request) -> dict[str, Any]:
        columns = {column: request.args[name] for name, column in _COLUMNS.items()
                   if any(request.args.get(name, ()))}
        if not request.context.is_admin and "project_id" in columns:
            del columns["project_id"]
        found = self._ports.list(request.context, all_projects=request.context.is_admin, **columns)
        return wire.listing(request, "ports", [_view(request, port) for port in found])

    def show(self, request: Request) -> dict[str, Any]:
        port = self._ports.get(request.context, request.match["id"])
        return {"port": wire.chosen(request, _view(request, port))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["port"]
        address: Mapping[str, Any] = next(iter(wanted.get("fixed_ips") or ()), {})
        if address.get("subnet_id", wanted["network_id"]) != wanted["network_id"]:
            raise errors.Invalid(f"Subnet {address['subnet_id']} is not a part of network {wanted['network_id']}.")
        return {"port": _view(request, self._ports.create(
            request.context, wanted["network_id"], project_id=wire.project_of(request, wanted),
            name=wanted.get("name") or "", fixed_ip=address.get("ip_address"), groups=wanted.get("security_groups"),
            mac=wanted["mac_address"].lower() if wanted.get("mac_address") else None))}

    def update(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["port"]
        return {"port": _view(request, self._ports.update(
            request.context, request.match["id"], name=wanted.get("name"), groups=wanted.get("security_groups")))}

    def delete(self, request: Request) -> None:
        self._ports.delete(request.context, request.match["id"])


def _view(request: Request, port: Port) -> dict[str, Any]:
    """A network of ours is one subnet, so its id stands for both."""
    server, created = port["instance_uuid"], iso(port["created_at"])
    item = wire.owned(port["project_id"]) | {
        "id": port["uuid"], "name": port["name"], "network_id": port["network_uuid"], "mac_address": port["mac"],
        "admin_state_up": True, "status": "ACTIVE" if server else "DOWN", "device_id": server or "",
        "device_owner": "compute:nova" if server else "", "security_groups": port["groups"],
        "fixed_ips": [{"subnet_id": port["network_uuid"], "ip_address": a} for a in port["addresses"]],
        "port_security_enabled": True, "allowed_address_pairs": [], "extra_dhcp_opts": [],
        "binding:vnic_type": "normal", "description": "", "tags": [], "created_at": created, "updated_at": created,
        "revision_number": 1}
    if request.context.is_admin:
        item |= {"binding:host_id": port["host"] or "", "binding:vif_type": "bridge" if server else "unbound",
                 "binding:profile": {}, "binding:vif_details": {}}
    return item


def resource(ports: Ports) -> Resource:
    return Resource(ROUTES, PortController(ports))
