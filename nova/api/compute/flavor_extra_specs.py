# SPDX-License-Identifier: Apache-2.0
"""Extra specs of flavors: what a size asks of hosts beyond numbers. Known keys are checked from microversion 2.86."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import errors
from nova.api.compute import extra_specs
from nova.api.compute import schemas as s
from nova.api.compute.flavors import find
from nova.db.api import flavors as table
from nova.db.engine import Database
from nova.store import record_events
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_VALUE = {"type": ["string", "number", "boolean"], "maxLength": 255}
_SPECS = {"type": "object", "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": _VALUE}, "additionalProperties": False}
CREATE = s.wrapped("extra_specs", _SPECS)
UPDATE = {**_SPECS, "minProperties": 1, "maxProperties": 1}
READ = (("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))

_PATH = "/flavors/{flavor_id}/os-extra_specs"
_RULE = "os_compute_api:os-flavor-extra-specs:"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "index", query=READ, doc="List extra specs"),
    Route("POST", _PATH, "create", rule=_RULE + "create", body=CREATE, doc="Add or replace extra specs"),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", query=READ, doc="Show an extra spec"),
    Route("PUT", _PATH + "/{id}", "update", rule=_RULE + "update", body=UPDATE, doc="Set an extra spec"),
    Route("DELETE", _PATH + "/{id}", "delete", rule=_RULE + "delete", doc="Remove an extra spec"),
)
_TRIES = 5


class FlavorExtraSpecs:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def index(self, request: Request) -> dict[str, Any]:
        return {"extra_specs": self._read(request)}

    def show(self, request: Request) -> dict[str, Any]:
        key = request.match["id"]
        specs = self._read(request)
        if key not in specs:
            raise self._missing(request)
        return {key: specs[key]}

    def create(self, request: Request) -> dict[str, Any]:
        new = _texts(request.body_json["extra_specs"])
        self._check(request, new)
        self._change(request, lambda specs: specs | new, {"extra_specs": new})
        return {"extra_specs": new}

    def update(self, request: Request) -> dict[str, Any]:
        key = request.match["id"]
        new = _texts(request.body_json)
        if key not in new:
            raise errors.Invalid("Request body and URI mismatch")
        self._check(request, new)
        self._change(request, lambda specs: specs | new)
        return {key: new[key]}

    def delete(self, request: Request) -> None:
        key = request.match["id"]

        def without(specs: dict[str, str]) -> dict[str, str]:
            if key not in specs:
                raise self._missing(request)
            return {k: v for k, v in specs.items() if k != key}

        self._change(request, without)

    def _read(self, request: Request) -> dict[str, str]:
        who = request.context
        with self._database.read() as conn:
            row = find(conn, request.match["flavor_id"], None if who.is_admin else who.project_id)
        specs: dict[str, str] = row["extra_specs"]
        return specs

    def _change(self, request: Request, change: Callable[[dict[str, str]], dict[str, str]],
                answer: dict[str, Any] | None = None) -> None:
        for _ in range(_TRIES):
            with self._database.write() as conn:
                row = find(conn, request.match["flavor_id"])
                if table.set_extra_specs(conn, row, change(row["extra_specs"])):
                    record_events.flavor(conn, request.context, "update", row["flavorid"])
                    request.promise(answer)
                    return
        raise errors.Conflict(f"Flavor {request.match['flavor_id']} id extra spec cannot be updated or created.")

    @staticmethod
    def _check(request: Request, specs: dict[str, str]) -> None:
        if request.version >= (2, 86):
            for key, value in specs.items():
                extra_specs.check(key, value)

    @staticmethod
    def _missing(request: Request) -> errors.NotFound:
        flavorid, key = request.match["flavor_id"], request.match["id"]
        return errors.NotFound(f"Flavor {flavorid} has no extra specs with key {key}.")


def _texts(specs: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else str(value) for key, value in specs.items()}
