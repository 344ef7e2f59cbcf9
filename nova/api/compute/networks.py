# SPDX-License-Identifier: Apache-2.0
"""Networks through the Compute API (until 2.35), for clients of old."""

from __future__ import annotations

import ipaddress
from typing import Any

from nova import errors
from nova.networks.manager import Networks
from nova.web.request import Request
from nova.web.routing import Route

_OLD = ("2.1", "2.35")
_RULE = "os_compute_api:"
ROUTES = (
    Route("GET", "/os-networks", "index", rule=_RULE + "os-networks:list", versions=_OLD, doc="List networks"),
    Route("GET", "/os-networks/{id}", "show", rule=_RULE + "os-networks:show", versions=_OLD, doc="Show a network"),
    Route("GET", "/os-tenant-networks", "tenant_index", rule=_RULE + "os-tenant-networks:list", versions=_OLD,
          doc="List networks of the project"),
    Route("GET", "/os-tenant-networks/{id}", "tenant_show", rule=_RULE + "os-tenant-networks:show", versions=_OLD,
          doc="Show a network of the project"),
)
_MEMBERS = ("bridge", "bridge_interface", "broadcast", "cidr", "cidr_v6", "created_at", "deleted", "deleted_at",
            "dhcp_server", "dhcp_start", "dns1", "dns2", "enable_dhcp", "gateway", "gateway_v6", "host", "id",
            "injected", "label", "mtu", "multi_host", "netmask", "netmask_v6", "priority", "project_id", "rxtx_base",
            "share_address", "updated_at", "vlan", "vpn_private_address", "vpn_public_address", "vpn_public_port")


class NetworkProxy:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def index(self, request: Request) -> dict[str, Any]:
        return {"networks": [_view(network) for network in self._visible(request)]}

    def show(self, request: Request) -> dict[str, Any]:
        return {"network": _view(self._find(request))}

    def tenant_index(self, request: Request) -> dict[str, Any]:
        return {"networks": [_tenant_view(network) for network in self._visible(request)]}

    def tenant_show(self, request: Request) -> dict[str, Any]:
        return {"network": _tenant_view(self._find(request))}

    def _visible(self, request: Request) -> list[dict[str, Any]]:
        return self._networks.list(None if request.context.is_admin else request.context.project_id or "")

    def _find(self, request: Request) -> dict[str, Any]:
        for network in self._visible(request):
            if network["id"] == request.match["id"]:
                return network
        raise errors.NotFound("Network not found")


def _view(network: dict[str, Any]) -> dict[str, Any]:
    """All members of old; what a network of ours does not have is null."""
    block = ipaddress.ip_network(network["cidr"])
    dns = [*(network["dns"] or ()), None, None]
    known = {name: network[name] for name in ("id", "label", "cidr", "gateway", "dhcp_server", "mtu", "vlan",
                                              "multi_host", "project_id")}
    known |= {"netmask": str(block.netmask), "broadcast": str(block.broadcast_address), "dns1": dns[0],
              "dns2": dns[1], "enable_dhcp": True, "share_address": False}
    return dict.fromkeys(_MEMBERS) | known


def _tenant_view(network: dict[str, Any]) -> dict[str, Any]:
    return {"id": network["id"], "label": network["label"], "cidr": network["cidr"]}
