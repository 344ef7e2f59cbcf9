# SPDX-License-Identifier: Apache-2.0
"""Interfaces to services that this cloud does not have: volumes, shares, bare metal. They answer as without them."""

from __future__ import annotations

from typing import Any

import orjson

from nova import errors
from nova.api.compute import schemas as s
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_RULE = "os_compute_api:"
_OLD = ("2.1", "2.35")
_TEXT: s.Schema = {"type": ["string", "null"], "maxLength": 255}
_FLAG = s.BOOLEAN
_VOLUME = s.wrapped("volume", s.object_of(
    {"size": s.integer(1), "volume_type": _TEXT, "metadata": {"type": "object"}, "snapshot_id": _TEXT,
     "availability_zone": _TEXT, "display_name": _TEXT, "display_description": _TEXT}, ("size",)))
_SNAPSHOT = s.wrapped("snapshot", s.object_of(
    {"volume_id": s.TEXT, "force": _FLAG, "display_name": _TEXT, "display_description": _TEXT}, ("volume_id",)))
_SHARE = s.wrapped("share", s.object_of(
    {"share_id": s.UUID, "tag": {"type": "string", "minLength": 1, "maxLength": 255,
                                 "pattern": "^[a-zA-Z0-9-]*$"}}, ("share_id",)))
_ASSISTED = s.wrapped("snapshot", s.object_of({"volume_id": s.TEXT, "create_info": s.object_of(
    {"snapshot_id": s.TEXT, "type": {"type": "string", "enum": ["qcow2"]}, "new_file": s.TEXT, "id": s.TEXT},
    ("snapshot_id", "type", "new_file"))}, ("volume_id", "create_info")))
_DELETE_INFO = {"delete_info": s.TEXT}
_PAGES = query({"limit": s.NUMBER, "offset": s.NUMBER})


def _proxy(path: str, rule: str, create: s.Schema) -> tuple[Route, ...]:
    return (
        Route("GET", path, "away", rule=f"{rule}:list", query=_PAGES, versions=_OLD, doc="List"),
        Route("POST", path, "away", rule=f"{rule}:create", body=create, versions=_OLD, doc="Create"),
        Route("GET", path + "/detail", "away", rule=f"{rule}:detail", query=_PAGES, versions=_OLD,
              doc="List with details"),
        Route("GET", path + "/{id}", "missing", rule=f"{rule}:show", versions=_OLD, doc="Show"),
        Route("DELETE", path + "/{id}", "missing", rule=f"{rule}:delete", success=202, versions=_OLD, doc="Delete"))


_SHARES = "/servers/{server_id}/shares"
_SINCE = ("2.97", None)
_NODES = "/os-baremetal-nodes"
_LIST, _SHOW = _RULE + "os-baremetal-nodes:list", _RULE + "os-baremetal-nodes:show"
ROUTES = (
    *_proxy("/os-volumes", _RULE + "os-volumes", _VOLUME),
    *_proxy("/os-snapshots", _RULE + "os-volumes:snapshots", _SNAPSHOT),
    Route("GET", _NODES, "no_nodes", rule=_LIST, versions=_OLD, doc="List nodes"),
    Route("POST", _NODES, "elsewhere", rule=_LIST, versions=_OLD, doc="Register a node"),
    Route("GET", _NODES + "/{id}", "missing", rule=_SHOW, versions=_OLD, doc="Show a node"),
    Route("DELETE", _NODES + "/{id}", "elsewhere", rule=_LIST, versions=_OLD, doc="Remove a node"),
    *(Route("POST", _NODES + "/{id}/action", "elsewhere", rule=_LIST, action=action, versions=_OLD,
            doc="Change a node's interfaces") for action in ("add_interface", "remove_interface")),
    Route("GET", _SHARES, "shares", rule=_RULE + "os-server-shares:index", query=query({}, strict=True),
          versions=_SINCE, doc="List attached shares"),
    Route("POST", _SHARES, "attach_share", rule=_RULE + "os-server-shares:create", body=_SHARE, success=201,
          versions=_SINCE, doc="Attach a share"),
    Route("GET", _SHARES + "/{id}", "missing_share", rule=_RULE + "os-server-shares:show",
          query=query({}, strict=True), versions=_SINCE, doc="Show an attached share"),
    Route("DELETE", _SHARES + "/{id}", "missing_share", rule=_RULE + "os-server-shares:delete", versions=_SINCE,
          doc="Detach a share"),
    Route("POST", "/os-assisted-volume-snapshots", "assist", rule=_RULE + "os-assisted-volume-snapshots:create",
          body=_ASSISTED, doc="Snapshot an attached volume file"),
    Route("DELETE", "/os-assisted-volume-snapshots/{id}", "assist_delete",
          rule=_RULE + "os-assisted-volume-snapshots:delete", success=204, doc="Remove such a snapshot",
          query=(("2.1", "2.74", query(_DELETE_INFO)), ("2.75", None, query(_DELETE_INFO, strict=True)))),
)


class AbsentServices:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore) -> None:
        self._operations = operations
        self._store = store

    def away(self, request: Request) -> None:
        raise errors.Unavailable("There is no volume service in this cloud.")

    def missing(self, request: Request) -> None:
        raise errors.NotFound("The resource could not be found.")

    def no_nodes(self, request: Request) -> None:
        raise errors.NotSupported("There is no bare metal service in this cloud.")

    def elsewhere(self, request: Request) -> None:
        raise errors.Invalid("Command Not supported. Please use the bare metal service to perform this action.")

    def shares(self, request: Request) -> dict[str, Any]:
        self._store.locate(request.context, request.match["server_id"])
        return {"shares": []}

    def attach_share(self, request: Request) -> None:
        self._operations.refuse(request.context, request.match["server_id"], "attach_share")

    def missing_share(self, request: Request) -> None:
        self._store.locate(request.context, request.match["server_id"])
        raise errors.NotFound(f"Share {request.match['id']} is not attached to server {request.match['server_id']}.")

    def assist(self, request: Request) -> None:
        volume = request.body_json["snapshot"]["volume_id"]
        raise errors.Invalid(f"Volume {volume} is not attached to a server.")

    def assist_delete(self, request: Request) -> None:
        """What is to be deleted stands in the query, as JSON."""
        told = _json(request.arg("delete_info"))
        if not isinstance(told, dict) or "volume_id" not in told:
            raise errors.Invalid("The query must have delete_info: a JSON object with a volume_id.")
        raise errors.NotFound(f"Volume {told['volume_id']} is not attached to a server.")


def _json(text: str | None) -> Any:
    try:
        return orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
