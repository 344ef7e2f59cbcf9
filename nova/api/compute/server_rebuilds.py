# SPDX-License-Identifier: Apache-2.0
"""Actions that give a server another disk to boot from: rebuild and evacuate."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from nova import errors
from nova.api.compute import passwords
from nova.api.compute import schemas as s
from nova.api.compute import server_action_schemas as bodies
from nova.operations import Operations
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route

_RULE = "os_compute_api:"

ROUTES = (
    Route("POST", "/servers/{id}/action", "evacuate", rule=_RULE + "os-evacuate", action="evacuate",
          body=bodies.EVACUATE, doc="Build anew when the host is down", success=200),
)


class ServerRebuilds:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, conf: cfg.ConfigOpts) -> None:
        self._operations = operations
        self._conf = conf

    def evacuate(self, request: Request) -> Reply | None:
        """A host named before 2.29 was not held against the filters."""
        wanted, version = request.body_json["evacuate"], request.version
        host = wanted.get("host")
        force = s.is_true(wanted.get("force", False)) if version >= (2, 29) else host is not None
        if force and host is None:
            raise errors.Invalid("Can't force to a non-provided destination")
        self._operations.evacuate(request.context, request.match["id"], host, force=force, stopped=version >= (2, 95))
        return Reply(self._password(wanted)) if version < (2, 14) else None

    def _password(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What answers show of the password, if they do."""
        shown = self._conf.api.enable_instance_password
        return {"adminPass": wanted.get("adminPass") or passwords.generate()} if shown else {}
