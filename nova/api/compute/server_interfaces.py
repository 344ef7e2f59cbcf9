# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of servers, as their network information tells, plugged in and pulled out."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.server_schemas import TAG
from nova.api.compute.servers import SHOW
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route

_FIXED = {"type": "array", "minItems": 1, "maxItems": 1, "items": s.object_of(
    {"ip_address": {"type": "string", "format": "ip"}}, ("ip_address",))}
_MEMBERS: s.Schema = {"net_id": s.UUID, "port_id": s.UUID, "fixed_ips": _FIXED}


def _body(members: s.Schema) -> s.Schema:
    return {"type": "object", "properties": {"interfaceAttachment": s.object_of(members)},
            "additionalProperties": False}


_PATH = "/servers/{server_id}/os-interface"
_RULE = "os_compute_api:os-attach-interfaces:"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "list", query=SHOW, doc="List interfaces"),
    Route("POST", _PATH, "attach", rule=_RULE + "create", doc="Plug an interface in",
          body=(("2.1", "2.48", _body(_MEMBERS)), ("2.49", None, _body(_MEMBERS | {"tag": TAG})))),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Show an interface"),
    Route("DELETE", _PATH + "/{id}", "detach", rule=_RULE + "delete", success=202, doc="Pull an interface out"),
)


class ServerInterfaces:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore, *, patience: float = 60.0) -> None:
        self._operations, self._store, self._patience = operations, store, patience

    def index(self, request: Request) -> dict[str, Any]:
        return {"interfaceAttachments": [_view(request, vif) for vif in self._vifs(request)]}

    def show(self, request: Request) -> dict[str, Any]:
        return {"interfaceAttachment": _view(request, self._find(request))}

    def attach(self, request: Request) -> dict[str, Any]:
        """The answer shows the port, so it is waited for; the operation ends also when nobody waits any more. What was
        accepted and not answered is waited for again by who asks with the same key."""
        server = request.match["server_id"]
        ended = self._outcome(request, server, request.noted or self._accept(request, server))
        if ended["state"] not in ("open", "undoing", "done"):
            _tell(server, ended)
        vif = ended["step_data"].get("vif")
        if vif is None or ended["state"] == "undoing":
            raise errors.Unavailable("The interface is still being attached; its server's events tell how it ends.",
                                     retry_after=10)
        return {"interfaceAttachment": _view(request, vif)}

    def _accept(self, request: Request, server: str) -> str:
        """The uuid of the operation."""
        wanted = request.body_json.get("interfaceAttachment") or {}
        _check(wanted)
        fixed = wanted.get("fixed_ips") or [{}]
        row = self._operations.attach_interface(
            request.context, server, network=wanted.get("net_id"), port=wanted.get("port_id"),
            fixed_ip=fixed[0].get("ip_address"), tag=wanted.get("tag"), tell=lambda row: request.note(row["uuid"]))
        return str(row["uuid"])

    def _outcome(self, request: Request, server: str, operation: str) -> dict[str, Any]:
        """What nobody begins in time is taken back, so that whoever asks again does not get two."""
        ended = self._operations.outcome(request.context, server, operation, self._patience)
        if ended["state"] == "open" and not ended["step_data"].get("vif"):
            if self._operations.withdraw(request.context, server, ended):
                raise errors.Unavailable("Nobody could attach the interface in time; try again.", retry_after=10)
            ended = self._operations.outcome(request.context, server, operation, self._patience)
        return ended

    def detach(self, request: Request) -> None:
        self._operations.detach_interface(request.context, request.match["server_id"], request.match["id"])

    def _vifs(self, request: Request) -> list[dict[str, Any]]:
        return self._store.locate(request.context, request.match["server_id"])[1]["network_info"] or []

    def _find(self, request: Request) -> dict[str, Any]:
        server, port = request.match["server_id"], request.match["id"]
        for vif in self._vifs(request):
            if vif["id"] == port:
                return vif
        raise errors.NotFound(f"Instance {server} does not have a port with id {port}")


def _tell(server: str, operation: dict[str, Any]) -> None:
    """Why it was not attached, as the error that its fault's code stands for."""
    fault = operation["fault"] or {
        "code": 409, "message": f"It was taken back, or another operation of instance {server} came before it."}
    for kind in (errors.Invalid, errors.Forbidden, errors.NotFound, errors.Conflict):
        if kind.http == fault["code"]:
            raise kind(fault["message"])
    raise errors.HostFailure(f"Failed to attach network adapter device to {server}: {fault['message']}")


def _check(wanted: dict[str, Any]) -> None:
    if wanted.get("net_id") and wanted.get("port_id"):
        raise errors.Invalid("Must not input both network_id and port_id")
    if wanted.get("fixed_ips") and not wanted.get("net_id"):
        raise errors.Invalid("Must input network_id when request IP address")


def _view(request: Request, vif: dict[str, Any]) -> dict[str, Any]:
    """A network of ours is one subnet, so its id stands for both."""
    network = vif["network"]["id"]
    item = {"net_id": network, "port_id": vif["id"], "mac_addr": vif["address"], "port_state": "ACTIVE",
            "fixed_ips": [{"subnet_id": network, "ip_address": ip["address"]} for ip in vif["ips"]]}
    return item | {"tag": vif.get("tag")} if request.version >= (2, 70) else item
