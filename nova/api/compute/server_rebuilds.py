# SPDX-License-Identifier: Apache-2.0
"""Actions that give a server another disk to boot from: rebuild and evacuate."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from nova import errors
from nova.api.compute import passwords
from nova.api.compute import schemas as s
from nova.api.compute import server_action_schemas as bodies
from nova.api.compute import server_create as create
from nova.api.compute import server_views as views
from nova.api.compute.hosts import Hosts
from nova.db.engine import Database
from nova.operations import Operations
from nova.operations.details import short_v6
from nova.operations.rebuild import RebuildRequest
from nova.quota import Quota
from nova.store.servers import Servers as ServerStore
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route, Schemas

_PATH = "/servers/{id}/action"
_RULE = "os_compute_api:"


def _action(name: str, rule: str, doc: str, body: Schemas = None, success: int = 202) -> Route:
    return Route("POST", _PATH, name, rule=_RULE + rule, action=name, body=body or s.wrapped(name, {}),
                 success=success, doc=doc)


ROUTES = (
    _action("rebuild", "servers:rebuild", "Make the disks anew from an image", bodies.REBUILD),
    _action("evacuate", "os-evacuate", "Build anew when the host is down", bodies.EVACUATE, 200),
)
#: Members of a rebuild that are columns of the server.
_COLUMNS = {"description": "display_description", "hostname": "hostname", "metadata": "metadata",
            "user_data": "user_data", "accessIPv4": "access_ip_v4"}


class ServerRebuilds:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, store: ServerStore, operations: Operations,
                 images: create.ImageReferences, hosts: Hosts, quota: Quota, conf: cfg.ConfigOpts) -> None:
        self._database = database
        self._store = store
        self._operations = operations
        self._images = images
        self._hosts = hosts
        self._quota = quota
        self._conf = conf

    def rebuild(self, request: Request) -> Reply:
        wanted, uuid = request.body_json["rebuild"], request.match["id"]
        if wanted.get("trusted_image_certificates"):
            request.authorize(_RULE + "servers:rebuild:trusted_certs")
            raise errors.Invalid("Image signature certificate validation is not supported by the hosts of this cloud.")
        image = self._images.reference(request.context, wanted["imageRef"])
        password = self._password(wanted)
        with self._database.read() as conn:
            files = create.files_of(conn, request, self._quota, wanted.get("personality") or [])
        self._operations.rebuild(request.context, uuid, RebuildRequest(
            image={"id": image.id, "min_disk": image.min_disk, "min_ram": image.min_ram, "size": image.size,
                   "properties": dict(image.properties)},
            changes=self._changes(request, wanted) | ({"config_drive": "True"} if files else {}),
            secrets=({"admin_pass": password} if password else {}) | ({"files": files} if files else {}),
            preserve_ephemeral=s.is_true(wanted.get("preserve_ephemeral", False))))
        return Reply({"server": self._server(request, uuid) | self._shown(password)},
                     headers={"Location": request.link(f"servers/{uuid}")})

    def _changes(self, request: Request, wanted: dict[str, Any]) -> dict[str, Any]:
        changes = {column: wanted[name] for name, column in _COLUMNS.items() if name in wanted}
        if "name" in wanted:
            changes["display_name"] = wanted["name"].strip()
        if "accessIPv6" in wanted:
            changes["access_ip_v6"] = short_v6(wanted["accessIPv6"])
        if "OS-DCF:diskConfig" in wanted:
            changes["auto_disk_config"] = wanted["OS-DCF:diskConfig"] == "AUTO"
        if wanted.get("trusted_image_certificates", ()) is None:
            changes["trusted_certs"] = None
        if "key_name" in wanted:
            with self._database.read() as conn:
                key = create.key_of(conn, request, wanted["key_name"])
            changes |= {"key_name": key["name"] if key else None, "key_data": key["public_key"] if key else None}
        return changes

    def _server(self, request: Request, uuid: str) -> dict[str, Any]:
        row = self._store.show(request.context, uuid)
        view = views.ServerView(request, host_status=self._hosts.status(), zones=self._hosts.zones(),
                                default_zone=self._hosts.default_zone, single=True,
                                extended=request.version >= (2, 75))
        item: dict[str, Any] = view.one(row)
        if request.version < (2, 75):
            item["addresses"] = views.plain_addresses(row)
        if request.version >= (2, 54):
            item["key_name"] = row["key_name"]
        item.pop("OS-EXT-SRV-ATTR:user_data", None)  # here it has no prefix
        if request.version >= (2, 57):
            item["user_data"] = row["user_data"]
        return item

    def evacuate(self, request: Request) -> Reply | None:
        """A host named before 2.29 was not held against the filters."""
        wanted, version = request.body_json["evacuate"], request.version
        host = wanted.get("host")
        force = s.is_true(wanted.get("force", False)) if version >= (2, 29) else host is not None
        if force and host is None:
            raise errors.Invalid("Can't force to a non-provided destination")
        password = self._password(wanted)
        self._operations.evacuate(request.context, request.match["id"], host, force=force, stopped=version >= (2, 95),
                                  password=password)
        return Reply(self._shown(password)) if version < (2, 14) else None

    def _password(self, wanted: dict[str, Any]) -> str | None:
        """What the request names, or a new one where answers tell passwords."""
        named: str | None = wanted.get("adminPass") or None
        return named or (passwords.generate() if self._conf.api.enable_instance_password else None)

    def _shown(self, password: str | None) -> dict[str, Any]:
        return {"adminPass": password} if self._conf.api.enable_instance_password else {}
