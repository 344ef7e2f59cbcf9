# SPDX-License-Identifier: Apache-2.0
"""Actions that change what networks know of a server: security groups, fixed and floating addresses."""

from __future__ import annotations

from nova.api.compute import schemas as s
from nova.api.compute import server_action_schemas as bodies
from nova.operations.floating_ips import FloatingIps
from nova.operations.ports import Ports
from nova.operations.security_groups import SecurityGroups
from nova.web.request import Request
from nova.web.routing import Route

PATH = "/servers/{id}/action"
_RULE = "os_compute_api:"
_OLD = ("2.1", "2.43")


def _action(name: str, handler: str, rule: str, body: s.Schema, doc: str,
            versions: tuple[str, str | None] | None = None) -> Route:
    return Route("POST", PATH, handler, rule=_RULE + rule, action=name, body=body, success=202, versions=versions,
                 doc=doc)


ROUTES = (
    _action("addSecurityGroup", "add_group", "os-security-groups:add", bodies.security_group("addSecurityGroup"),
            "Add a security group"),
    _action("removeSecurityGroup", "remove_group", "os-security-groups:remove",
            bodies.security_group("removeSecurityGroup"), "Remove a security group"),
    _action("addFixedIp", "add_fixed", "os-multinic:add", bodies.ADD_FIXED_IP, "Add a fixed address", _OLD),
    _action("removeFixedIp", "remove_fixed", "os-multinic:remove", bodies.REMOVE_FIXED_IP, "Remove a fixed address",
            _OLD),
    _action("addFloatingIp", "add_floating", "os-floating-ips:add", bodies.ADD_FLOATING_IP,
            "Associate a floating address", _OLD),
    _action("removeFloatingIp", "remove_floating", "os-floating-ips:remove", bodies.REMOVE_FLOATING_IP,
            "Take a floating address away", _OLD),
)


class ServerNetworks:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, groups: SecurityGroups, floating: FloatingIps, ports: Ports) -> None:
        self._groups = groups
        self._floating = floating
        self._ports = ports

    def add_group(self, request: Request) -> None:
        self._groups.add_to_server(request.context, request.match["id"],
                                   request.body_json["addSecurityGroup"]["name"])

    def remove_group(self, request: Request) -> None:
        self._groups.remove_from_server(request.context, request.match["id"],
                                        request.body_json["removeSecurityGroup"]["name"])

    def add_fixed(self, request: Request) -> None:
        self._ports.add_fixed_ip(request.context, request.match["id"],
                                 str(request.body_json["addFixedIp"]["networkId"]))

    def remove_fixed(self, request: Request) -> None:
        self._ports.remove_fixed_ip(request.context, request.match["id"],
                                    request.body_json["removeFixedIp"]["address"])

    def add_floating(self, request: Request) -> None:
        wanted = request.body_json["addFloatingIp"]
        self._floating.lead_to_server(request.context, request.match["id"], wanted["address"],
                                      wanted.get("fixed_address"))

    def remove_floating(self, request: Request) -> None:
        self._floating.take_from_server(request.context, request.match["id"],
                                        request.body_json["removeFloatingIp"]["address"])
