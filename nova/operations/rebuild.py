# SPDX-License-Identifier: Apache-2.0
"""Accepting a rebuild."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.context import RequestContext
from nova.operations.acceptance import (
    Deps,
    Prepared,
    accept_at_api,
    check_state,
    living_host,
    located,
    refuse_locked,
)
from nova.operations.create import check_image, remembered
from nova.workflow.operations import REBUILD


@dataclasses.dataclass(frozen=True)
class RebuildRequest:
    """``image`` as for a create; ``changes`` are columns of the server that the request sets beside those of the image.
    ``secrets``: password and files for the guest."""

    image: Mapping[str, Any]
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preserve_ephemeral: bool = False
    secrets: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def rebuild(deps: Deps, context: RequestContext, uuid: str, request: RebuildRequest) -> None:
    """The record changes with the acceptance. Raises Invalid for an image that does not fit the flavor, OverQuota for
    too much metadata."""
    _, server = located(deps, context, uuid)
    refuse_locked(context, server)
    check_state(server, "rebuild", "rebuild")
    if not server["image_ref"]:
        raise errors.Invalid("Unable to rebuild with a different image for a volume-backed server.")
    image = request.image
    check_image(server["flavor"], image)
    if "metadata" in request.changes:
        with deps.api.read() as conn:
            limit = deps.quota.limits(conn, context.project_id or "", context.user_id or "")["metadata_items"]
        deps.quota.check_count("metadata_items", limit, len(request.changes["metadata"]))
    properties = dict(image.get("properties") or {})
    changes = {**request.changes, "image_ref": image["id"], "image_properties": properties}

    def prepare(conn: sa.Connection, fresh: dict[str, Any]) -> Prepared:
        _refuse_dead_host(conn, deps, fresh)
        values = changes | {"system_metadata": remembered(fresh["system_metadata"] or {}, image)}
        return {"image_id": image["id"], "preserve_ephemeral": request.preserve_ephemeral,
                "power_on": fresh["vm_state"] != states.STOPPED,
                "check": properties != (fresh["image_properties"] or {}),
                "before": {name: fresh[name] for name in values}}, values

    accept_at_api(deps, context, uuid, REBUILD, "rebuild", "rebuild", prepare=prepare,
                  secrets=dict(request.secrets))


def _refuse_dead_host(conn: sa.Connection, deps: Deps, server: Mapping[str, Any]) -> None:
    if living_host(conn, server["host"], deps.lease) is None:
        raise errors.Conflict(f"Service is unavailable at this time: host of instance {server['uuid']} is down.")
