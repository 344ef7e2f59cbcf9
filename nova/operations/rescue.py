# SPDX-License-Identifier: Apache-2.0
"""Accepting a rescue: from which image a server boots meanwhile."""

from __future__ import annotations

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext
from nova.operations.acceptance import Deps, Prepared, accept_at_api, accept_on_host, living_host
from nova.workflow.operations import RESCUE, UNRESCUE


def rescue(deps: Deps, context: RequestContext, uuid: str, image: str | None, password: str | None) -> None:
    """``image``: None for the server's own. Raises Conflict for lock, state and a host that is down, Invalid for a
    server without an image, NotSupported when its host cannot do it."""
    def prepare(conn: sa.Connection, server: dict[str, object]) -> Prepared:
        chosen = image or server["image_ref"]
        if not chosen:
            raise errors.Invalid("The server was not booted from an image: name one to rescue it with.")
        if living_host(conn, str(server["host"]), deps.lease) is None:
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        return {"image_ref": chosen, "from": server["vm_state"], "host": server["host"]}, {}

    accept_at_api(deps, context, uuid, RESCUE, "rescue", "rescue", prepare=prepare, unable=errors.NotSupported,
                  secrets={"admin_pass": password} if password else None)


def unrescue(deps: Deps, context: RequestContext, uuid: str) -> None:
    accept_on_host(deps, context, uuid, UNRESCUE, "unrescue", "unrescue", {}, unable=errors.NotSupported)
