# SPDX-License-Identifier: Apache-2.0
"""Actions on servers: POST /servers/{id}/action with one key in the body that says which."""

from __future__ import annotations

from typing import Any

from nova.api.compute import schemas as s
from nova.api.compute.numbers import to_int
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route

_PATH = "/servers/{id}/action"
_RULE = "os_compute_api:"


def _empty(action: str) -> s.Schema:
    """Actions without parameters; old clients send anything there."""
    return s.wrapped(action, {})


_REBOOT = s.wrapped("reboot", s.object_of(
    {"type": {"type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}, ("type",)))
_RESET = s.wrapped("os-resetState", s.object_of({"state": {"type": "string", "enum": ["active", "error"]}}, ("state",)))
_LENGTH: s.Schema = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1}
_CONSOLE = s.wrapped("os-getConsoleOutput", {"type": "object", "properties": {"length": _LENGTH},
                                             "additionalProperties": False})
_LOCK = {"type": ["object", "null"], "additionalProperties": False,
         "properties": {"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}}}


def _action(name: str, handler: str, rule: str, body: s.Schema | tuple[Any, ...], doc: str,
            success: int = 202) -> Route:
    return Route("POST", _PATH, handler, rule=_RULE + rule, action=name, body=body, doc=doc, success=success)


ROUTES = (
    _action("os-start", "start", "servers:start", _empty("os-start"), "Power on"),
    _action("os-stop", "stop", "servers:stop", _empty("os-stop"), "Power off"),
    _action("reboot", "reboot", "servers:reboot", _REBOOT, "Reboot"),
    _action("lock", "lock", "os-lock-server:lock", (("2.1", "2.72", _empty("lock")),
                                                    ("2.73", None, s.wrapped("lock", _LOCK))), "Lock"),
    _action("unlock", "unlock", "os-lock-server:unlock", _empty("unlock"), "Unlock"),
    _action("os-resetState", "reset_state", "os-admin-actions:reset_state", _RESET, "Force the state"),
    _action("os-getConsoleOutput", "console_output", "os-console-output", _CONSOLE, "End of the console log", 200),
)
_OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"


class ServerActions:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore) -> None:
        self._operations = operations
        self._store = store

    def start(self, request: Request) -> None:
        self._operations.start(request.context, request.match["id"])

    def stop(self, request: Request) -> None:
        self._operations.stop(request.context, request.match["id"])

    def reboot(self, request: Request) -> None:
        hard = request.body_json["reboot"]["type"].upper() == "HARD"
        self._operations.reboot(request.context, request.match["id"], "HARD" if hard else "SOFT")

    def lock(self, request: Request) -> None:
        asked = request.body_json["lock"] if request.version >= (2, 73) else None
        self._operations.lock(request.context, request.match["id"], (asked or {}).get("locked_reason"))

    def unlock(self, request: Request) -> None:
        self._operations.unlock(request.context, request.match["id"], may_override=request.allowed(_OVERRIDE))

    def reset_state(self, request: Request) -> None:
        self._operations.reset_state(request.context, request.match["id"], request.body_json["os-resetState"]["state"])

    def console_output(self, request: Request) -> dict[str, Any]:
        length = request.body_json["os-getConsoleOutput"].get("length")
        lines = None if length is None else to_int(length, "length", -1)
        output = self._operations.console_output(request.context, request.match["id"], None if lines == -1 else lines)
        return {"output": output}
