# SPDX-License-Identifier: Apache-2.0
"""Actions that keep a server as an image: createImage, createBackup, shelve; and those on shelved servers."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute import server_action_schemas as bodies
from nova.api.compute.hosts import Hosts
from nova.db.engine import Database
from nova.operations import Operations
from nova.operations.copies import UNCHANGED
from nova.quota import Quota
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route, Schemas

_RULE = "os_compute_api:"


def _action(name: str, handler: str, rule: str, doc: str, body: Schemas = None) -> Route:
    return Route("POST", "/servers/{id}/action", handler, rule=_RULE + rule, action=name,
                 body=body or s.wrapped(name, {}), success=202, doc=doc)


ROUTES = (
    _action("createImage", "create_image", "servers:create_image", "Make an image of the disk", bodies.CREATE_IMAGE),
    _action("createBackup", "create_backup", "os-create-backup", "Make an image in a rotation", bodies.CREATE_BACKUP),
    _action("shelve", "shelve", "os-shelve:shelve", "Keep an image and stop"),
    _action("shelveOffload", "shelve_offload", "os-shelve:shelve_offload", "Free the host of a shelved server"),
    _action("unshelve", "unshelve", "os-shelve:unshelve", "Bring a shelved server back", bodies.UNSHELVE),
)


class ServerCopies:
    """Handlers of :data:`ROUTES`. ``endpoint`` is where users reach the Image API."""

    def __init__(self, database: Database, operations: Operations, hosts: Hosts, quota: Quota,
                 endpoint: str | None) -> None:
        self._database, self._operations, self._hosts, self._quota = database, operations, hosts, quota
        self._endpoint = endpoint

    def create_image(self, request: Request) -> Reply:
        wanted = request.body_json["createImage"]
        metadata = self._metadata(request, wanted)

        def answer(image: str) -> Reply:
            path = f"images/{image}"
            return _made(request, image,
                         f"{self._endpoint.rstrip('/')}/{path}" if self._endpoint else request.link(path))

        return answer(self._operations.create_image(request.context, request.match["id"], wanted["name"], metadata,
                                                    lambda image: request.promise(answer(image))))

    def create_backup(self, request: Request) -> Reply:
        wanted = request.body_json["createBackup"]
        metadata, rotation = self._metadata(request, wanted), int(wanted["rotation"])

        def answer(image: str) -> Reply:
            return _made(request, image, request.link(f"images/{image}") if rotation else None)

        return answer(self._operations.create_backup(
            request.context, request.match["id"], wanted["name"], wanted["backup_type"], rotation, metadata,
            lambda image: request.promise(answer(image))))

    def shelve(self, request: Request) -> None:
        self._operations.shelve(request.context, request.match["id"])

    def shelve_offload(self, request: Request) -> None:
        self._operations.shelve_offload(request.context, request.match["id"])

    def unshelve(self, request: Request) -> None:
        given = request.body_json["unshelve"] if request.version >= (2, 77) else None
        wanted: dict[str, Any] = given or {}
        host = wanted.get("host")
        if host is not None:
            request.authorize(_RULE + "os-shelve:unshelve_to_host")
        zone = wanted.get("availability_zone", UNCHANGED)
        self._operations.check_state(request.context, request.match["id"], "unshelve", "unshelve")
        zones = self._hosts.zones(fresh=True) if wanted else {}
        if zone not in (None, UNCHANGED) and zone not in set(zones.values()):
            raise errors.Invalid("The requested availability zone is not available")
        if host is not None and host not in zones:
            raise errors.Invalid(f"Compute host {host} could not be found.")
        self._operations.unshelve(request.context, request.match["id"], zone=zone, host=host,
                                  zone_of_host=zones.get(host) if host is not None else None)

    def _metadata(self, request: Request, wanted: dict[str, Any]) -> dict[str, str]:
        metadata: dict[str, str] = wanted.get("metadata") or {}
        who = request.context
        with self._database.read() as conn:
            limit = self._quota.limits(conn, who.project_id or "", who.user_id or "")["metadata_items"]
        self._quota.check_count("metadata_items", limit, len(metadata))
        return metadata


def _made(request: Request, image_id: str, location: str | None) -> Reply:
    if request.version >= (2, 45):
        return Reply({"image_id": image_id})
    return Reply(headers={"Location": location} if location else {})
