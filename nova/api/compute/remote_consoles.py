# SPDX-License-Identifier: Apache-2.0
"""Screens and serial lines of servers through a proxy. This cloud runs no console proxies, so no kind is available."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.server_requests import PATH as ACTION
from nova.operations import Operations
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_RULE = "os_compute_api:os-remote-consoles"
_PROTOCOLS = ["vnc", "spice", "rdp", "serial"]
_TYPES = ["novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial"]


def _console(protocols: list[str], types: list[str]) -> s.Schema:
    return s.wrapped("remote_console", s.object_of({"protocol": {"type": "string", "enum": protocols},
                                                    "type": {"type": "string", "enum": types}}, ("protocol", "type")))


CREATE = (
    ("2.6", "2.7", _console(_PROTOCOLS, _TYPES)),
    ("2.8", "2.98", _console([*_PROTOCOLS, "mks"], [*_TYPES, "webmks"])),
    ("2.99", None, _console([*_PROTOCOLS, "mks"], [*_TYPES, "webmks", "spice-direct"])))


def _old(action: str, *types: str) -> Route:
    body = s.wrapped(action, s.object_of({"type": {"type": "string", "enum": list(types)}}, ("type",)))
    return Route("POST", ACTION, "old", rule=_RULE, action=action, body=body, versions=("2.1", "2.5"),
                 doc="Address of a console")


ROUTES = (
    Route("POST", "/servers/{id}/remote-consoles", "create", rule=_RULE, body=CREATE, versions=("2.6", None),
          doc="Address of a console"),
    _old("os-getVNCConsole", "novnc", "xvpvnc"), _old("os-getSPICEConsole", "spice-html5"),
    _old("os-getSerialConsole", "serial"),
)
TOKEN_ROUTES = (
    Route("GET", "/os-console-auth-tokens/{id}", "show", rule="os_compute_api:os-console-auth-tokens",
          query=(("2.1", "2.98", query({})), ("2.99", None, query({}, strict=True))),
          doc="Where a console's token leads to"),
)


class RemoteConsoles:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def create(self, request: Request) -> dict[str, Any]:
        return self._find(request, request.body_json["remote_console"]["type"])

    def old(self, request: Request) -> dict[str, Any]:
        return self._find(request, next(iter(request.body_json.values()))["type"])

    def _find(self, request: Request, kind: str) -> dict[str, Any]:
        self._operations.check_state(request.context, request.match["id"], "console", "get_console")
        raise errors.Invalid(f"Unavailable console type {kind}.")


class ConsoleAuthTokens:
    """Handler of :data:`TOKEN_ROUTES`. Without proxies no token is ever given out."""

    def show(self, request: Request) -> dict[str, Any]:
        if request.version < (2, 31):
            raise errors.Invalid("The server could not comply with the request since it is either malformed or "
                                 "otherwise incorrect.")
        raise errors.NotFound("Token not found")
