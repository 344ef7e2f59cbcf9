# SPDX-License-Identifier: Apache-2.0
"""Volumes of servers, as their block devices tell. Without a volume service none can be attached or detached."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.server_schemas import TAG
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web import paging
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_DEVICE: s.Schema = {"type": ["string", "null"], "pattern": "(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$"}
_ATTACH: s.Schema = {"volumeId": s.UUID, "device": _DEVICE}
_KEEP: s.Schema = {"delete_on_termination": s.BOOLEAN}
_SAME: s.Schema = {"device": s.TEXT, "tag": s.TEXT, "serverId": s.UUID, "id": s.UUID}


def _body(members: s.Schema) -> s.Schema:
    return s.wrapped("volumeAttachment", s.object_of(members, ("volumeId",)))


_PAGES = {"limit": s.NUMBER, "offset": s.NUMBER}
_PATH = "/servers/{server_id}/os-volume_attachments"
_RULE = "os_compute_api:os-volumes-attachments:"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "index", doc="List attached volumes",
          query=(("2.1", "2.74", query(_PAGES)), ("2.75", None, query(_PAGES, strict=True)))),
    Route("POST", _PATH, "attach", rule=_RULE + "create", doc="Attach a volume",
          body=(("2.1", "2.48", _body(_ATTACH)), ("2.49", "2.78", _body(_ATTACH | {"tag": TAG})),
                ("2.79", None, _body(_ATTACH | {"tag": TAG} | _KEEP)))),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", doc="Show an attached volume"),
    Route("PUT", _PATH + "/{id}", "swap", rule=_RULE + "swap", success=202, versions=("2.1", "2.84"),
          doc="Swap a volume", body=_body({"volumeId": s.UUID})),
    # Which rule is asked depends on the body; the handler asks it.
    Route("PUT", _PATH + "/{id}", "update", success=202, versions=("2.85", None),
          doc="Swap a volume, or say if it is deleted with the server", body=_body(_ATTACH | _SAME | _KEEP)),
    Route("DELETE", _PATH + "/{id}", "detach", rule=_RULE + "delete", success=202, doc="Detach a volume"),
)


class VolumeAttachments:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore, max_limit: int) -> None:
        self._operations = operations
        self._store = store
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        first = paging.offset_of(request)
        found = self._volumes(request)[first:first + paging.limit_of(request, self._max_limit)]
        return {"volumeAttachments": [_view(request, volume) for volume in found]}

    def show(self, request: Request) -> dict[str, Any]:
        return {"volumeAttachment": _view(request, self._find(request))}

    def attach(self, request: Request) -> None:
        self._refuse(request, "attach_volume")

    def swap(self, request: Request) -> None:
        self._refuse(request, "swap_volume", find=True)

    def update(self, request: Request) -> None:
        """From 2.85 the same volume with another flag changes the flag; another volume means a swap."""
        wanted = request.body_json["volumeAttachment"]
        if wanted["volumeId"] != request.match["id"]:
            request.authorize(_RULE + "swap")
            return self.swap(request)
        request.authorize(_RULE + "update")
        volume = self._find(request)
        _refuse_changes(request, volume, wanted)
        if "delete_on_termination" in wanted:
            self._operations.keep_volume(request.context, request.match["server_id"], volume["uuid"],
                                         keep=not s.is_true(wanted["delete_on_termination"]))

    def detach(self, request: Request) -> None:
        self._refuse(request, "detach_volume", find=True)

    def _refuse(self, request: Request, what: str, *, find: bool = False) -> None:
        self._operations.refuse(request.context, request.match["server_id"], what,
                                lambda: self._find(request) if find else None)

    def _volumes(self, request: Request) -> list[dict[str, Any]]:
        volumes: list[dict[str, Any]] = self._store.show(request.context, request.match["server_id"])["volumes"]
        return volumes

    def _find(self, request: Request) -> dict[str, Any]:
        server, wanted = request.match["server_id"], request.match["id"]
        for volume in self._volumes(request):
            if volume["volume_id"] == wanted:
                return volume
        raise errors.NotFound(f"Instance {server} is not attached to volume {wanted}")


def _refuse_changes(request: Request, volume: dict[str, Any], wanted: dict[str, Any]) -> None:
    known = {"device": volume["device_name"], "tag": volume["tag"], "id": volume["volume_id"],
             "serverId": request.match["server_id"]}
    for name, value in known.items():
        if name in wanted and wanted[name] != value:
            raise errors.Invalid(f"The {name} of an attached volume cannot be changed.")


def _view(request: Request, volume: dict[str, Any]) -> dict[str, Any]:
    version = request.version
    item = {"volumeId": volume["volume_id"], "serverId": request.match["server_id"], "device": volume["device_name"]}
    if version < (2, 89):
        item["id"] = volume["volume_id"]
    if version >= (2, 70):
        item["tag"] = volume["tag"]
    if version >= (2, 79):
        item["delete_on_termination"] = bool(volume["delete_on_termination"])
    if version >= (2, 89):
        item |= {"attachment_id": volume["attachment_id"], "bdm_uuid": volume["uuid"]}
    return item
