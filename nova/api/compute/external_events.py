# SPDX-License-Identifier: Apache-2.0
"""What other services tell of servers: a network changed, a volume grew. Each event gets a code of its own."""

from __future__ import annotations

import logging
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.operations import Operations
from nova.store.servers import Servers as ServerStore
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route

LOG = logging.getLogger(__name__)
#: Names of events, by the microversion that brought them.
_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("2.1", ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")),
    ("2.51", ("volume-extended",)), ("2.76", ("power-update",)), ("2.82", ("accelerator-request-bound",)),
    ("2.93", ("volume-reimaged",)))
#: Events that say nothing without a tag.
_TAGGED = frozenset({"volume-extended", "volume-reimaged", "power-update", "accelerator-request-bound"})
_POWER = ("POWER_ON", "POWER_OFF")


def _bodies() -> tuple[tuple[str, str | None, s.Schema], ...]:
    names: tuple[str, ...] = ()
    table: list[tuple[str, str | None, s.Schema]] = []
    for i, (first, more) in enumerate(_NAMES):
        names += more
        last = f"2.{int(_NAMES[i + 1][0].partition('.')[2]) - 1}" if i + 1 < len(_NAMES) else None
        event = s.object_of({
            "server_uuid": s.UUID, "name": {"type": "string", "enum": list(names)},
            "status": {"type": "string", "enum": ["failed", "completed", "in-progress"]},
            "tag": {"type": "string", "maxLength": 255}}, ("server_uuid", "name"))
        table.append((first, last, s.wrapped("events", {"type": "array", "minItems": 1, "items": event})))
    return tuple(table)


ROUTES = (
    Route("POST", "/os-server-external-events", "create", rule="os_compute_api:os-server-external-events:create",
          body=_bodies(), doc="Tell what happened to servers elsewhere"),
)


class ExternalEvents:
    """Handler of :data:`ROUTES`."""

    def __init__(self, operations: Operations, store: ServerStore) -> None:
        self._operations = operations
        self._store = store

    def create(self, request: Request) -> Reply:
        """200 when every event was taken, 207 when one was not. What each is answered is known before the first is
        acted on; acting twice on one does no harm, so who asks again after a crash lets the rest be done."""
        answers = request.noted or request.note([self._one(request, event) for event in request.body_json["events"]])
        for answer in answers:
            # Nothing of ours waits for the others: ports are plugged and volumes resized by operations of our own.
            if answer["code"] == 200 and answer["name"] == "network-changed":
                self._refresh(request, answer["server_uuid"])
        all_taken = all(answer["code"] == 200 for answer in answers)
        return Reply({"events": answers}, status=200 if all_taken else 207)

    def _refresh(self, request: Request, uuid: str) -> None:
        try:
            self._operations.refresh_network(_of_the_cloud(request), uuid)
        except errors.NotFound:
            LOG.info("server %s went while an event of its network was taken", uuid)

    def _one(self, request: Request, event: dict[str, Any]) -> dict[str, Any]:
        code = self._code(request, event)
        return event | {"status": event.get("status", "completed") if code == 200 else "failed", "code": code}

    def _code(self, request: Request, event: dict[str, Any]) -> int:
        """200: taken. 400: a tag is missing or unknown. 404: no such server. 422: it has no host to be told."""
        try:
            _, row = self._store.locate(_of_the_cloud(request), event["server_uuid"])
        except errors.NotFound:
            return 404
        if event["name"] in _TAGGED and not event.get("tag"):
            return 400
        if event["name"] == "power-update" and event["tag"] not in _POWER:
            return 400
        return 200 if row["host"] else 422


def _of_the_cloud(request: Request) -> Any:
    """Services tell of servers of all projects; policy has let the caller in as one."""
    return request.context.elevated()
