# SPDX-License-Identifier: Apache-2.0
"""``GET /servers/events``: what happens to the caller's servers, as server-sent events. An addition of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nova import errors, states
from nova.cells import Cells
from nova.context import RequestContext
from nova.db.api.outbox import outbox as api_outbox
from nova.db.cell.outbox import outbox as cell_outbox
from nova.db.engine import Database
from nova.notifications.feed import Source
from nova.notifications.hub import FIRST, Hub, Limits, Wanted
from nova.store.recorder import HEARSAY
from nova.web import timestamps
from nova.web.channel import HANDOVER
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route

LOG = logging.getLogger(__name__)
EVENTS = ("server.created", "server.state", "server.updated", "server.operation", "server.deleted")
#: More filters than that are rather no filter.
_MANY = 1000


def _several(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "maxItems": _MANY}


QUERY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "server": _several({"type": "string", "format": "uuid"}),
        "event": _several({"type": "string", "enum": list(EVENTS)}),
        "status": _several({"type": "string", "enum": sorted(states.STATUSES)}),
        "all_tenants": {"type": "array", "items": {"type": "string", "enum": ["", "0", "1", "true", "false", "True",
                                                                              "False"]}, "maxItems": 1},
        "last_event_id": {"type": "array", "items": {"type": "string", "maxLength": 65536}, "maxItems": 1},
    },
    "additionalProperties": False,
}

ROUTES = (
    Route("GET", "/servers/events", "listen", rule="os_compute_api:servers:events", query=QUERY,
          doc="Follow what happens to the servers of the project, as a stream of server-sent events"),
)
_ALL = "os_compute_api:servers:events:all_tenants"

Authenticate = Callable[[dict[str, Any]], RequestContext]


class ServerEvents:
    """``authenticate`` is asked again while a stream is open: who loses a role or a token loses the stream."""

    def __init__(self, hub: Hub, authenticate: Authenticate) -> None:
        self._hub, self._authenticate = hub, authenticate

    def listen(self, request: Request) -> Reply:
        environ = request.environ
        accept = environ.get(HANDOVER) if environ["REQUEST_METHOD"] == "GET" else None
        last = environ.get("HTTP_LAST_EVENT_ID") or request.arg("last_event_id")
        body = self._hub.open(self._wanted(request), last or None, accept, ends_at=_expiry(environ),
                              valid=self._still_valid(environ, request.context))
        return Reply(body, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
                     content_type="text/event-stream")

    def _wanted(self, request: Request) -> Wanted:
        project: str | None = request.context.project_id
        if request.arg("all_tenants", "0") in ("", "1", "true", "True"):
            request.authorize(_ALL)
            project = None
        elif project is None:
            raise errors.Invalid("The token is not for a project; ask for all_tenants, or use a token of a project.")
        chosen = {name: frozenset(request.args[name]) if name in request.args else None
                  for name in ("server", "event", "status")}
        return Wanted(project, chosen["server"], chosen["event"], chosen["status"])

    def _still_valid(self, environ: dict[str, Any], who: RequestContext) -> Callable[[], bool]:
        names = ("HTTP_X_AUTH_TOKEN", "REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME")
        kept: dict[str, Any] = {name: environ[name] for name in names if name in environ}
        roles, project = set(who.roles), who.project_id

        def valid() -> bool:
            try:
                now = self._authenticate(dict(kept))
            except errors.Unauthorized:
                return False
            except errors.NovaError as e:
                LOG.info("whether a stream may go on is asked again later: %s", e.message)
                return True
            return now.project_id == project and roles <= set(now.roles)

        return valid


def _expiry(environ: dict[str, Any]) -> float | None:
    """When the token ends, as far as the authenticator tells."""
    session = environ.get("nova.session")
    if session is not None:
        expires: float = session.token.expires_at
        return expires
    told = (environ.get("keystone.token_info") or {}).get("token", {}).get("expires_at")
    return timestamps.parse(told) if isinstance(told, str) else None


def make_hub(api: Database, cells: Cells, conf: Any, **limits: Any) -> Hub:
    """The hub over the API database and every cell; nothing runs until somebody listens."""
    def sources() -> list[Source]:
        return [Source(FIRST, api, api_outbox),
                *(Source(cell.uuid[:8].lower(), cell.database, cell_outbox) for cell in cells.all())]

    options = conf.notifications
    return Hub(sources, Limits(streams=options.stream_limit, backlog=options.stream_backlog,
                               keepalive=options.stream_keepalive, retention=float(options.stream_retention),
                               hearsay=HEARSAY + 0.5, **limits))
