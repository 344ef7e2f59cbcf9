# SPDX-License-Identifier: Apache-2.0
"""Tags of servers: short words to find them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.server_schemas import TAG
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import Validator

MAX_TAGS = 50
REPLACE = s.wrapped("tags", {"type": "array", "items": TAG, "maxItems": MAX_TAGS})
_ONE: s.Schema = {"type": "null"}

_PATH = "/servers/{server_id}/tags"
_RULE = "os_compute_api:os-server-tags:"
_SINCE = ("2.26", None)
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "index", versions=_SINCE, doc="List tags"),
    Route("PUT", _PATH, "replace", rule=_RULE + "update_all", body=REPLACE, versions=_SINCE, doc="Replace all tags"),
    Route("DELETE", _PATH, "clear", rule=_RULE + "delete_all", success=204, versions=_SINCE, doc="Remove all tags"),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", success=204, versions=_SINCE, doc="Ask for a tag"),
    Route("PUT", _PATH + "/{id}", "add", rule=_RULE + "update", body=_ONE, versions=_SINCE, doc="Add a tag"),
    Route("DELETE", _PATH + "/{id}", "delete", rule=_RULE + "delete", success=204, versions=_SINCE,
          doc="Remove a tag"),
)
_CHECK = Validator({"type": "object", "properties": {"tag": TAG}})


class ServerTags:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore) -> None:
        self._operations = operations
        self._store = store

    def index(self, request: Request) -> dict[str, Any]:
        return {"tags": self._read(request)}

    def show(self, request: Request) -> None:
        if request.match["id"] not in self._read(request):
            raise errors.NotFound(f"Server {request.match['server_id']} has no tag '{request.match['id']}'")

    def replace(self, request: Request) -> dict[str, Any]:
        wanted = list(dict.fromkeys(request.body_json["tags"]))
        return {"tags": self._change(request, lambda before: wanted)}

    def clear(self, request: Request) -> None:
        self._change(request, lambda before: [])

    def add(self, request: Request) -> Reply:
        """201 with the tag's address when it is new, 204 when the server had it."""
        tag = request.match["id"]
        _CHECK.check({"tag": tag})
        known: list[str] = []

        def with_it(before: list[str]) -> list[str]:
            known[:] = before
            if tag in before:
                return before
            if len(before) >= MAX_TAGS:
                raise errors.Invalid(f"The number of tags exceeded the per-server limit {MAX_TAGS}")
            return [*before, tag]

        self._change(request, with_it)
        if tag in known:
            return Reply(status=204)
        place = request.link(f"servers/{request.match['server_id']}/tags/{tag}")
        return Reply(status=201, headers={"Location": place})

    def delete(self, request: Request) -> None:
        uuid, tag = request.match["server_id"], request.match["id"]

        def without_it(before: list[str]) -> list[str]:
            if tag not in before:
                raise errors.NotFound(f"Instance {uuid} has no tag '{tag}'")
            return [known for known in before if known != tag]

        self._change(request, without_it)

    def _read(self, request: Request) -> list[str]:
        tags: list[str] = self._store.locate(request.context, request.match["server_id"])[1]["tags"]
        return tags

    def _change(self, request: Request, change: Callable[[list[str]], list[str]]) -> list[str]:
        return self._operations.change_tags(request.context, request.match["server_id"], change)
