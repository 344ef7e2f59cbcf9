# SPDX-License-Identifier: Apache-2.0
"""Actions that boot a server from another image for a while, and back."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from nova.api.compute import passwords
from nova.api.compute import schemas as s
from nova.api.compute import server_action_schemas as bodies
from nova.api.compute import server_create as create
from nova.operations import Operations
from nova.web.request import Request
from nova.web.routing import Route

_PATH = "/servers/{id}/action"

ROUTES = (
    Route("POST", _PATH, "rescue", rule="os_compute_api:os-rescue", action="rescue", body=bodies.RESCUE, success=200,
          doc="Boot a rescue image"),
    Route("POST", _PATH, "unrescue", rule="os_compute_api:os-unrescue", action="unrescue",
          body=s.wrapped("unrescue", {}), success=202, doc="Leave the rescue image"),
)


class ServerRescues:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, operations: Operations, images: create.ImageReferences, conf: cfg.ConfigOpts) -> None:
        self._operations, self._images, self._conf = operations, images, conf

    def rescue(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["rescue"] or {}
        image, uuid = wanted.get("rescue_image_ref"), request.match["id"]
        self._operations.check_state(request.context, uuid, "rescue", "rescue")
        if image is not None:
            self._images.reference(request.context, image)
        password = wanted.get("adminPass") or passwords.generate()
        self._operations.rescue(request.context, uuid, image, password)
        return {"adminPass": password} if self._conf.api.enable_instance_password else {}

    def unrescue(self, request: Request) -> None:
        self._operations.unrescue(request.context, request.match["id"])
