# SPDX-License-Identifier: Apache-2.0
"""Operations that are gone for good: who asks for one is told so, whatever the microversion."""

from __future__ import annotations

from nova import errors
from nova.web.request import Request
from nova.web.routing import Route

_PATHS = """
GET /os-agents, POST /os-agents, PUT /os-agents/{id}, DELETE /os-agents/{id},
GET /os-cells, POST /os-cells, GET /os-cells/capacities, GET /os-cells/detail, GET /os-cells/info,
POST /os-cells/sync_instances, GET /os-cells/{id}, PUT /os-cells/{id}, DELETE /os-cells/{id},
GET /os-cells/{id}/capacities, POST /os-certificates, GET /os-certificates/{id},
GET /os-cloudpipe, POST /os-cloudpipe, PUT /os-cloudpipe/{id}, GET /os-fixed-ips/{id},
GET /os-floating-ip-dns, PUT /os-floating-ip-dns/{id}, DELETE /os-floating-ip-dns/{id},
GET /os-floating-ip-dns/{domain_id}/entries/{id}, PUT /os-floating-ip-dns/{domain_id}/entries/{id},
DELETE /os-floating-ip-dns/{domain_id}/entries/{id}, GET /os-floating-ips-bulk, POST /os-floating-ips-bulk,
GET /os-floating-ips-bulk/{id}, PUT /os-floating-ips-bulk/{id}, GET /os-fping, GET /os-fping/{id},
POST /os-networks, POST /os-networks/add, DELETE /os-networks/{id},
GET /os-security-group-default-rules, POST /os-security-group-default-rules,
GET /os-security-group-default-rules/{id}, DELETE /os-security-group-default-rules/{id},
POST /os-tenant-networks, DELETE /os-tenant-networks/{id},
GET /servers/{server_id}/consoles, POST /servers/{server_id}/consoles, GET /servers/{server_id}/consoles/{id},
DELETE /servers/{server_id}/consoles/{id}, GET /servers/{server_id}/os-virtual-interfaces
"""
_ACTIONS = {
    "/os-fixed-ips/{id}/action": ("reserve", "unreserve"),
    "/os-networks/{id}/action": ("disassociate", "disassociate_host", "disassociate_project", "associate_host"),
    "/servers/{id}/action": ("resetNetwork", "os-getRDPConsole"),
}


def _routes() -> list[Route]:
    plain = [Route(method, path, "gone", doc="Removed")
             for method, path in (line.split() for line in _PATHS.replace("\n", " ").split(",") if line.strip())]
    return plain + [Route("POST", path, "gone", action=action, doc="Removed")
                    for path, actions in _ACTIONS.items() for action in actions]


ROUTES = tuple(_routes())


class Removed:
    """Handler of :data:`ROUTES`."""

    def gone(self, request: Request) -> None:
        raise errors.Gone("This resource is no longer available. No forwarding address is given.")
