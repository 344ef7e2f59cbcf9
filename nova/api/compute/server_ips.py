# SPDX-License-Identifier: Apache-2.0
"""Addresses of servers by network label."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute.server_views import plain_addresses
from nova.api.compute.servers import SHOW
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route

ROUTES = (
    Route("GET", "/servers/{server_id}/ips", "index", rule="os_compute_api:ips:index", query=SHOW,
          doc="List addresses"),
    Route("GET", "/servers/{server_id}/ips/{id}", "show", rule="os_compute_api:ips:show", query=SHOW,
          doc="Addresses in one network"),
)


class ServerIps:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, store: ServerStore) -> None:
        self._store = store

    def index(self, request: Request) -> dict[str, Any]:
        return {"addresses": self._read(request)}

    def show(self, request: Request) -> dict[str, Any]:
        found, label = self._read(request), request.match["id"]
        if label not in found:
            raise errors.NotFound("Instance is not a member of specified network")
        return {label: found[label]}

    def _read(self, request: Request) -> dict[str, Any]:
        return plain_addresses(self._store.locate(request.context, request.match["server_id"])[1])
