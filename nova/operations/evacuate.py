# SPDX-License-Identifier: Apache-2.0
"""Accepting an evacuation: the server's host is down, and the target, if one is named, is another host of its cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.context import RequestContext
from nova.db.cell.tables import services
from nova.db.operations import OPEN_STATES
from nova.operations import targets
from nova.operations.acceptance import Deps, Prepared, accept_at_api, check_state, located
from nova.operations.leftovers import images_of, moves_of, unfinished
from nova.workflow.operations import EVACUATE, LIVE_MIGRATION, MIGRATE, REBUILD, RESIZE

#: Operations that take a guest away from its host, or make it anew there, and the steps at which it may be neither.
_AWAY = {RESIZE.action: ("leave", "move", "arrive"), MIGRATE.action: ("leave", "move", "arrive"),
         LIVE_MIGRATION.action: ("migrate", "ask", "switch"), REBUILD.action: ("replace", "spawn")}


def evacuate(deps: Deps, context: RequestContext, uuid: str, host: str | None, *, force: bool = False,
             stopped: bool = False, password: str | None = None, unheard: bool = False) -> dict[str, Any]:
    """``force``: without asking the filters whether ``host`` will do. ``stopped``: the guest is built and not started.
    ``unheard``: only if its host says nothing, for one that was started again may have started its guests, too.
    Returns the operation. Raises Invalid for a host that is not down, or a target that cannot be one."""
    cell, server = located(deps, context, uuid)
    check_state(server, "evacuate", "evacuate")
    if host is not None:
        targets.check(deps, cell, server, host)

    def prepare(conn: sa.Connection, fresh: dict[str, Any]) -> Prepared:
        if not services.is_down(conn, fresh["host"], "nova-compute", deps.down_after):
            raise errors.Invalid(f"Compute service of {fresh['host']} is still in use.")
        if unheard and services.is_heard(conn, fresh["host"], "nova-compute", deps.lease):
            raise errors.Conflict(f"Host {fresh['host']} was started again: the server stays there.")
        before = unfinished(conn, fresh)
        kept = {"vm_state": states.ERROR if any(away(row, fresh["host"]) for row in before) else
                fresh["vm_state"], "compute_uuid": fresh["compute_uuid"], "zone": fresh["availability_zone"]}
        runs = fresh["vm_state"] != states.STOPPED and not stopped
        ended = moves_of(fresh, before)
        images = images_of(fresh, before)
        return {"moves": ended.get("moves", []), "unfinished": images.get("unfinished", []), "host": host,
                "force": bool(host and force), "power_on": runs,
                "from": kept, "down_after": deps.down_after}, {}

    def data(fresh: dict[str, Any]) -> dict[str, Any]:
        number = fresh["flavor"].get("id")
        return {"source_compute": fresh["host"], "source_node": fresh["node"], "status": "accepted",
                "old_instance_type_id": number, "new_instance_type_id": number}

    return accept_at_api(deps, context, uuid, EVACUATE, "evacuate", "evacuate", prepare=prepare, data=data,
                         secrets={"admin_pass": password} if password else None)


def away(row: Mapping[str, Any], host: str) -> bool:
    """Is this an operation in whose middle the guest may not be at ``host``, where its record says that it is?"""
    if row["state"] not in OPEN_STATES:
        return False
    if row["action"] != EVACUATE.action:
        return row["step"] in _AWAY.get(row["action"], ())
    data, was = row["step_data"], row["inputs"]["from"]["vm_state"]
    moved = bool(data.get("fenced")) or data.get("dest_compute") == host
    return bool(was == states.ERROR or (moved and row["step"] != "settle"))
