# SPDX-License-Identifier: Apache-2.0
"""Emptying hosts: asking for it, how far it is, calling it off. An addition of ours, the same at every microversion."""

from __future__ import annotations

from typing import Any

from nova.api.compute import schemas as s
from nova.db.engine import Database
from nova.operations import drains
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
CREATE = s.wrapped("drain", s.object_of({
    "host": _NAME, "mode": {"type": "string", "enum": list(drains.MODES)},
    "parallel": {"type": "integer", "minimum": 1, "maximum": drains.MOST_PARALLEL},
    "confirm_resizes": {"type": "boolean"},
    "reason": {"type": "string", "minLength": 1, "maxLength": 255}}, ("host",)))

_RULE = "compute:host-drains:"
ROUTES = (
    Route("GET", "/os-host-drains", "index", rule=_RULE + "index", query=query({"host": s.TEXT}, strict=True),
          doc="List drains of hosts"),
    Route("POST", "/os-host-drains", "create", rule=_RULE + "create", body=CREATE, success=202, doc="Empty a host"),
    Route("GET", "/os-host-drains/{id}", "show", rule=_RULE + "show", doc="Show how far a drain is"),
    Route("DELETE", "/os-host-drains/{id}", "delete", rule=_RULE + "delete", success=204, doc="Call a drain off"),
)


class HostDrains:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def index(self, request: Request) -> dict[str, Any]:
        return {"drains": [_view(drain) for drain in drains.find(self._database, request.arg("host"))]}

    def create(self, request: Request) -> dict[str, Any]:
        asked = request.body_json["drain"]
        wanted = drains.Wanted(asked["host"], asked.get("mode", "auto"), asked.get("parallel", 20), asked.get("reason"),
                               asked.get("confirm_resizes", False))
        return {"drain": _view(drains.accept(self._database, request.context, wanted))}

    def show(self, request: Request) -> dict[str, Any]:
        found = drains.show(self._database, request.match["id"])
        servers = [{"id": row["instance_uuid"], "state": row["state"], "way": row["way"], "message": row["message"],
                    "tried": row["tried"]} for row in found["servers"]]
        return {"drain": _view(found) | {"servers": servers}}

    def delete(self, request: Request) -> None:
        drains.cancel(self._database, request.match["id"])


def _view(drain: dict[str, Any]) -> dict[str, Any]:
    return {"id": drain["uuid"], "host": drain["host"], "kind": drain["kind"], "mode": drain["mode"],
            "parallel": drain["parallel"], "confirm_resizes": bool(drain["confirm_resizes"]),
            "reason": drain["reason"], "state": drain["state"],
            "message": drain["message"], "counts": drain["counts"],
            "created_at": timestamps.micro(drain["created_at"]), "updated_at": timestamps.micro(drain["updated_at"])}
