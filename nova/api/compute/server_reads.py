# SPDX-License-Identifier: Apache-2.0
"""Small things to read of a server: its topology, its counters, and the password that its guest has posted."""

from __future__ import annotations

from typing import Any

from nova.api.compute.servers import SHOW
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_SERVER = "/servers/{server_id}"
_RULE = "os_compute_api:"
_HOST_SIDE = "compute:server:topology:host:index"
_PASSWORD = "password"  # noqa: S105  # a key of the system metadata
ROUTES = (
    Route("GET", _SERVER + "/topology", "topology", rule="compute:server:topology:index", versions=("2.78", None),
          query=query({}, strict=True), doc="NUMA topology of the guest"),
    Route("GET", _SERVER + "/diagnostics", "diagnostics", rule=_RULE + "os-server-diagnostics", query=SHOW,
          doc="Counters of the hypervisor"),
    Route("GET", _SERVER + "/os-server-password", "password", rule=_RULE + "os-server-password:show", query=SHOW,
          doc="The encrypted password"),
    Route("DELETE", _SERVER + "/os-server-password", "clear_password", rule=_RULE + "os-server-password:clear",
          success=204, doc="Forget the password"),
)


class ServerReads:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore) -> None:
        self._operations = operations
        self._store = store

    def topology(self, request: Request) -> dict[str, Any]:
        """What the host reported of the guest; which host nodes and processors it uses, administrators see."""
        known = self._row(request)["system_metadata"].get("numa_topology") or {}
        guest = ("memory_mb", "siblings", "vcpu_set")
        shown = (*guest, "host_node", "cpu_pinning") if request.allowed(_HOST_SIDE) else guest
        nodes = [{name: node[name] for name in shown if name in node} for node in known.get("nodes", ())]
        return {"nodes": nodes, "pagesize_kb": known.get("pagesize_kb")}

    def diagnostics(self, request: Request) -> dict[str, Any]:
        return self._operations.diagnostics(request.context, request.match["server_id"],
                                            common=request.version >= (2, 48))

    def password(self, request: Request) -> dict[str, Any]:
        return {"password": self._row(request)["system_metadata"].get(_PASSWORD) or ""}

    def clear_password(self, request: Request) -> None:
        self._operations.forget_system_metadata(request.context, request.match["server_id"], _PASSWORD)

    def _row(self, request: Request) -> dict[str, Any]:
        return self._store.locate(request.context, request.match["server_id"])[1]
