# SPDX-License-Identifier: Apache-2.0
"""Actions on servers that need what no host of this cloud offers: checked in full, then refused as such a host would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute import server_action_schemas as bodies
from nova.api.compute import server_create as create
from nova.api.compute.hosts import Hosts
from nova.db.engine import Database
from nova.operations import Operations
from nova.web.request import Request
from nova.web.routing import Route, Schemas

PATH = "/servers/{id}/action"
_RULE = "os_compute_api:"


def _action(name: str, handler: str, rule: str, doc: str, body: Schemas = None, success: int = 202,
            versions: tuple[str, str | None] | None = None) -> Route:
    return Route("POST", PATH, handler, rule=_RULE + rule, action=name, body=body or s.wrapped(name, {}),
                 success=success, versions=versions, doc=doc)


ROUTES = (
    _action("pause", "pause", "os-pause-server:pause", "Freeze the processors"),
    _action("unpause", "unpause", "os-pause-server:unpause", "Thaw the processors"),
    _action("suspend", "suspend", "os-suspend-server:suspend", "Save the memory to disk"),
    _action("resume", "resume", "os-suspend-server:resume", "Go on from saved memory"),
    _action("resize", "resize", "servers:resize", "Change the flavor", bodies.RESIZE),
    _action("confirmResize", "confirm_resize", "servers:confirm_resize", "Keep the new flavor", success=204),
    _action("revertResize", "revert_resize", "servers:revert_resize", "Go back to the old flavor"),
    _action("migrate", "migrate", "os-migrate-server:migrate", "Move to another host", bodies.MIGRATE),
    _action("os-migrateLive", "migrate_live", "os-migrate-server:migrate_live", "Move while running",
            bodies.MIGRATE_LIVE),
    _action("changePassword", "change_password", "os-admin-password", "Set the guest's password",
            bodies.CHANGE_PASSWORD),
    _action("trigger_crash_dump", "crash_dump", "servers:trigger_crash_dump", "Have the guest dump its memory",
            bodies.CRASH_DUMP, versions=("2.17", None)),
    _action("injectNetworkInfo", "inject_network_info", "os-admin-actions:inject_network_info",
            "Write network information into the guest"),
    _action("restore", "restore", "os-deferred-delete:restore", "Undo a soft delete"),
    _action("forceDelete", "force_delete", "os-deferred-delete:force", "Delete now"),
)
_TO_HOST = {"migrate": "os-migrate-server:migrate:host", "os-migrateLive": "os-migrate-server:migrate_live:host"}


class ServerRequests:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, operations: Operations, images: create.ImageReferences,
                 hosts: Hosts) -> None:
        self._database = database
        self._operations = operations
        self._images = images
        self._hosts = hosts

    def pause(self, request: Request) -> None:
        self._operations.pause(request.context, request.match["id"])

    def unpause(self, request: Request) -> None:
        self._operations.unpause(request.context, request.match["id"])

    def suspend(self, request: Request) -> None:
        self._operations.suspend(request.context, request.match["id"])

    def resume(self, request: Request) -> None:
        self._operations.resume(request.context, request.match["id"])

    def resize(self, request: Request) -> None:
        self._operations.check_state(request.context, request.match["id"], "resize", "resize")
        with self._database.read() as conn:
            flavor = create.flavor_of(conn, request, str(request.body_json["resize"]["flavorRef"]))
        self._operations.resize(request.context, request.match["id"], flavor)
        if (disk := request.body_json["resize"].get("OS-DCF:diskConfig")) is not None:
            self._operations.update(request.context, request.match["id"], {"auto_disk_config": disk == "AUTO"})

    def confirm_resize(self, request: Request) -> None:
        self._operations.confirm_resize(request.context, request.match["id"])

    def revert_resize(self, request: Request) -> None:
        self._operations.revert_resize(request.context, request.match["id"])

    def migrate(self, request: Request) -> None:
        wanted = self._to_host(request, "migrate") if request.version >= (2, 56) else {}
        self._operations.migrate(request.context, request.match["id"], wanted.get("host"))

    def migrate_live(self, request: Request) -> None:
        """From 2.34 on what is wrong with the hosts is told by the operation, not by the answer."""
        wanted = self._to_host(request, "os-migrateLive")
        block, forced = wanted["block_migration"], s.is_true(wanted.get("force", request.version < (2, 30)))
        if forced and request.version >= (2, 30) and wanted["host"] is None:
            raise errors.Invalid("Can't force to a non-provided destination")
        self._operations.live_migrate(
            request.context, request.match["id"], wanted["host"],
            block_migration=None if block == "auto" else s.is_true(block),
            disk_over_commit=s.is_true(wanted.get("disk_over_commit", False)), force=forced,
            checked=request.version < (2, 34))

    def change_password(self, request: Request) -> None:
        self._operations.change_password(request.context, request.match["id"],
                                         request.body_json["changePassword"]["adminPass"])

    def crash_dump(self, request: Request) -> None:
        self._operations.trigger_crash_dump(request.context, request.match["id"])

    def inject_network_info(self, request: Request) -> None:
        self._operations.inject_network_info(request.context, request.match["id"])

    def restore(self, request: Request) -> None:
        self._operations.restore(request.context, request.match["id"])

    def force_delete(self, request: Request) -> None:
        self._operations.force_delete(request.context, request.match["id"])

    def _refuse(self, request: Request, what: str, first: Callable[[], Any] = lambda: None) -> None:
        self._operations.refuse(request.context, request.match["id"], what, first)

    @staticmethod
    def _to_host(request: Request, action: str) -> dict[str, Any]:
        """What stands under the action; naming a host there takes a policy of its own."""
        wanted = request.body_json[action]
        members: dict[str, Any] = wanted if isinstance(wanted, dict) else {}
        if members.get("host") is not None:
            request.authorize(_RULE + _TO_HOST[action])
        return members

    def _check_image(self, request: Request, image_id: str | None) -> None:
        if image_id is not None:
            self._images.reference(request.context, image_id)

    def _check_host(self, host: str | None) -> None:
        if host is not None and host not in self._hosts.zones(fresh=True):
            raise errors.Invalid(f"Compute host {host} could not be found.")
