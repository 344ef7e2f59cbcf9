# SPDX-License-Identifier: Apache-2.0
"""Metadata of servers: all of it, or one item at a time."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import server_schemas as schemas
from nova.api.compute.servers import SHOW
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route

_PATH = "/servers/{server_id}/metadata"
_RULE = "os_compute_api:server-metadata:"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "index", query=SHOW, doc="List metadata"),
    Route("POST", _PATH, "merge", rule=_RULE + "create", body=schemas.METADATA, doc="Add or change metadata"),
    Route("PUT", _PATH, "replace", rule=_RULE + "update_all", body=schemas.METADATA, doc="Replace all metadata"),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Show an item"),
    Route("PUT", _PATH + "/{id}", "update", rule=_RULE + "update", body=schemas.META, doc="Set an item"),
    Route("DELETE", _PATH + "/{id}", "delete", rule=_RULE + "delete", success=204, doc="Remove an item"),
)


class ServerMetadata:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore) -> None:
        self._operations = operations
        self._store = store

    def index(self, request: Request) -> dict[str, Any]:
        return {"metadata": self._read(request)}

    def show(self, request: Request) -> dict[str, Any]:
        metadata, key = self._read(request), request.match["id"]
        if key not in metadata:
            raise errors.NotFound("Metadata item was not found")
        return {"meta": {key: metadata[key]}}

    def merge(self, request: Request) -> dict[str, Any]:
        return {"metadata": self._operations.merge_metadata(
            request.context, request.match["server_id"], request.body_json["metadata"],
            lambda merged: request.promise({"metadata": merged}))}

    def replace(self, request: Request) -> dict[str, Any]:
        return {"metadata": self._operations.replace_metadata(
            request.context, request.match["server_id"], request.body_json["metadata"])}

    def update(self, request: Request) -> dict[str, Any]:
        item, key = request.body_json["meta"], request.match["id"]
        if key not in item:
            raise errors.Invalid("Request body and URI mismatch")
        self._operations.merge_metadata(request.context, request.match["server_id"], item)
        return {"meta": item}

    def delete(self, request: Request) -> None:
        self._operations.delete_metadata(request.context, request.match["server_id"], request.match["id"])

    def _read(self, request: Request) -> dict[str, str]:
        metadata: dict[str, str] = self._store.locate(request.context, request.match["server_id"])[1]["metadata"]
        return metadata
