# SPDX-License-Identifier: Apache-2.0
"""Floating addresses through the Compute API (until 2.35), for clients of old."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.operations.floating_ips import FloatingIp, FloatingIps
from nova.web.request import Request
from nova.web.routing import Route

_OLD = ("2.1", "2.35")
_RULE = "os_compute_api:os-floating-ips:"
_POOL: s.Schema = {"type": ["object", "null"], "properties": {"pool": {"type": ["string", "null"], "maxLength": 255}},
                   "additionalProperties": False}
ROUTES = (
    Route("GET", "/os-floating-ip-pools", "pools", rule="os_compute_api:os-floating-ip-pools", versions=_OLD,
          doc="List pools of floating addresses"),
    Route("GET", "/os-floating-ips", "index", rule=_RULE + "list", versions=_OLD, doc="List floating addresses"),
    Route("POST", "/os-floating-ips", "allocate", rule=_RULE + "create", body=_POOL, versions=_OLD,
          doc="Get a floating address"),
    Route("GET", "/os-floating-ips/{id}", "show", rule=_RULE + "show", versions=_OLD, doc="Show a floating address"),
    Route("DELETE", "/os-floating-ips/{id}", "release", rule=_RULE + "delete", success=202, versions=_OLD,
          doc="Give a floating address back"),
)


class FloatingIpProxy:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, floating: FloatingIps) -> None:
        self._floating = floating

    def pools(self, request: Request) -> dict[str, Any]:
        return {"floating_ip_pools": [{"name": pool["name"]} for pool in self._floating.pools()]}

    def index(self, request: Request) -> dict[str, Any]:
        return {"floating_ips": [_view(f) for f in self._floating.list(request.context)]}

    def show(self, request: Request) -> dict[str, Any]:
        return {"floating_ip": _view(self._find(request))}

    def allocate(self, request: Request) -> dict[str, Any]:
        pool = (request.body_json or {}).get("pool")
        return {"floating_ip": _view(self._floating.allocate(
            request.context, pool, tell=lambda made: request.promise({"floating_ip": _view(made)})))}

    def release(self, request: Request) -> None:
        self._floating.release(request.context, self._find(request)["uuid"])

    def _find(self, request: Request) -> FloatingIp:
        try:
            return self._floating.get(request.context, uuid=request.match["id"])
        except errors.NotFound as e:
            raise errors.NotFound(f"Floating IP not found for ID {request.match['id']}") from e


def _view(floating: FloatingIp) -> dict[str, Any]:
    return {"id": floating["uuid"], "ip": floating["address"], "pool": floating["pool"],
            "fixed_ip": floating["fixed_address"], "instance_id": floating["instance_uuid"]}
