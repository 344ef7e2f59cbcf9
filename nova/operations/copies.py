# SPDX-License-Identifier: Apache-2.0
"""Accepting what keeps a server as an image: snapshot, backup, shelve; and what is made of a shelved server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.operations.acceptance import (
    Deps,
    Prepared,
    accept_at_api,
    accept_on_host,
    check_state,
    living_host,
    located,
)
from nova.workflow.operations import BACKUP, SHELVE, SHELVE_OFFLOAD, SNAPSHOT, UNSHELVE
from nova.workflow.shape import Shape

Tell = Callable[[str], object]
#: Stands for "the zone is not to be changed", for None means "in no certain zone".
UNCHANGED = "\0unchanged"


def snapshot(deps: Deps, context: RequestContext, uuid: str, name: str, metadata: dict[str, str],
             tell: Tell = lambda image: None) -> str:
    """Returns the id of the image, which is there from now on, queued. ``tell`` is called with it in the transaction
    that accepts the operation."""
    return _with_image(deps, context, uuid, SNAPSHOT, ("snapshot", "createImage"), name, ("snapshot", metadata), {},
                       tell)


def backup(deps: Deps, context: RequestContext, uuid: str, name: str, backup_type: str, rotation: int,
           metadata: dict[str, str], tell: Tell = lambda image: None) -> str:
    """As :func:`snapshot`; beyond ``rotation`` backups of the type the oldest go, this one too when it is 0."""
    return _with_image(deps, context, uuid, BACKUP, ("backup", "createBackup"), name,
                       ("backup", metadata | {"backup_type": backup_type}),
                       {"backup_type": backup_type, "rotation": rotation}, tell)


def shelve(deps: Deps, context: RequestContext, uuid: str) -> None:
    _, server = located(deps, context, uuid)
    _with_image(deps, context, uuid, SHELVE, ("shelve", "shelve"), f"{server['display_name']}-shelved"[-255:],
                ("snapshot", {}), {})


def _with_image(deps: Deps, context: RequestContext, uuid: str, shape: Shape, names: tuple[str, str], name: str,
                kind: tuple[str, dict[str, str]], more: dict[str, Any], tell: Tell = lambda image: None) -> str:
    """The operation first, then the image's record: whatever happens between the two, the operation makes good."""
    transition, said = names
    _, server = located(deps, context, uuid)
    check_state(server, transition, said)
    image = deps.snapshots.describe(context, server, concurrency.uuid4(), name, *kind)

    def prepare(conn: sa.Connection, fresh: dict[str, Any]) -> Prepared:
        if living_host(conn, fresh["host"], deps.lease) is None:
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        tell(str(image["id"]))
        return {"image": image, "host": fresh["host"]} | more, {}

    row = accept_at_api(deps, context, uuid, shape, transition, said, prepare=prepare)

    def register(conn: sa.Connection) -> None:
        if mappings.raise_fence(conn, uuid, row["epoch"]):
            deps.snapshots.register(conn, image)

    deps.api.run(register)
    return str(image["id"])


def shelve_offload(deps: Deps, context: RequestContext, uuid: str) -> None:
    accept_on_host(deps, context, uuid, SHELVE_OFFLOAD, "shelve_offload", "shelveOffload", {})


def unshelve(deps: Deps, context: RequestContext, uuid: str, *, zone: str | None = UNCHANGED,
             host: str | None = None, zone_of_host: str | None = None) -> None:
    """``zone`` is where the server is to be from now on, None for anywhere; ``host``, which lies in ``zone_of_host``,
    where it goes now. Conflict for both while it still has a host, and for a host that is not in the zone."""
    moves = zone != UNCHANGED or host is not None

    def prepare(conn: sa.Connection, server: dict[str, Any]) -> Prepared:
        if moves and server["vm_state"] != states.SHELVED_OFFLOADED:
            raise errors.Conflict(f"Cannot 'unshelve' instance {uuid} while it is in vm_state {server['vm_state']}: "
                                  "a zone or host can be asked for only when it has left its host.")
        pinned = server["pinned_availability_zone"] if zone == UNCHANGED else zone
        if host is not None and pinned is not None and zone_of_host != pinned:
            raise errors.Conflict(f"Host {host} is not in the availability zone {pinned}.")
        return {"host": host}, {"pinned_availability_zone": pinned}

    accept_at_api(deps, context, uuid, UNSHELVE, "unshelve", "unshelve", prepare=prepare)
