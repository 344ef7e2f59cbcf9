# SPDX-License-Identifier: Apache-2.0
"""Accepting a resize or cold migration, and what ends one: confirm and revert.

What a bigger flavor costs is charged in the API database before the cell accepts; the charge belongs to the operation,
whose id is chosen first, so that one that is not accepted after all leaves nothing that is not found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.cells import Cell
from nova.context import RequestContext
from nova.db.cell.tables import operations as cell_operations
from nova.operations import targets
from nova.operations.acceptance import (
    Deps,
    again,
    check_state,
    held,
    host_is_down,
    living_host,
    located,
    refuse_locked,
    require_ability,
    written,
)
from nova.operations.create import IMAGE_MIN_RAM, check_memory
from nova.quota import holds
from nova.store import moves
from nova.store.beginnings import next_row
from nova.workflow.operations.resize import CONFIRM, MIGRATE, RESIZE, REVERT
from nova.workflow.shape import Shape

Row = dict[str, Any]
#: What an operation adds to a fresh row, and what changes of the server with it; it sees the server held.
Plan = Callable[[sa.Connection, Row], tuple[Row, Row]]
_ENDS = (CONFIRM.action, REVERT.action)


def resize(deps: Deps, context: RequestContext, uuid: str, flavor: dict[str, Any]) -> None:
    """Raises Invalid for a flavor that cannot be had this way, OverQuota, and Conflict for lock and state."""
    cell, server = _checked(deps, context, uuid, "resize")
    _check_flavor(server, flavor)
    operation = concurrency.uuid4()
    deps.api.run(lambda conn: holds.hold(conn, deps.quota, uuid, operation, holds.charge_of(flavor)))
    try:
        _move(deps, context, cell, uuid, RESIZE, operation, {"flavor": flavor, "same_host": deps.same_host})
    except errors.Unavailable:
        raise  # nobody knows whether it was accepted: what is held without need is found by the auditor
    except errors.NovaError:
        deps.api.run(lambda conn: holds.settle(conn, uuid, operation))
        raise


def migrate(deps: Deps, context: RequestContext, uuid: str, host: str | None) -> None:
    """``host``: where to, or None for wherever the scheduler says."""
    cell, server = _checked(deps, context, uuid, "migrate")
    if host is not None:
        targets.check(deps, cell, server, host)
    _move(deps, context, cell, uuid, MIGRATE, concurrency.uuid4(), {"host": host, "same_host": False})


def _checked(deps: Deps, context: RequestContext, uuid: str, name: str) -> tuple[Cell, Row]:
    cell, server = located(deps, context, uuid)
    refuse_locked(context, server)
    check_state(server, "resize", name)
    return cell, server


def _check_flavor(server: Row, flavor: dict[str, Any]) -> None:
    if server["flavorid"] == flavor["flavorid"]:
        raise errors.Invalid("When resizing, instances must change flavor!")
    check_memory((server["system_metadata"] or {}).get(IMAGE_MIN_RAM), flavor)
    if server["root_gb"] and not flavor["root_gb"]:
        raise errors.Invalid("Resize to zero disk flavor is not allowed.")
    # Ephemeral disks that the create named keep their sizes, and may leave a part of the old flavor's unused.
    ephemeral = sum(d["volume_size"] for d in server["block_devices"] or ()
                    if d["source_type"] == "blank" and d["guest_format"] != "swap") or server["ephemeral_gb"]
    if flavor["root_gb"] < server["root_gb"] or flavor["ephemeral_gb"] < ephemeral:
        raise errors.Invalid("Unable to resize disk down: the new flavor's disks must not be smaller.")


def _move(deps: Deps, context: RequestContext, cell: Cell, uuid: str, shape: Shape, operation: str,
          inputs: dict[str, Any]) -> None:
    def plan(conn: sa.Connection, server: Row) -> tuple[Row, Row]:
        check_state(server, "resize", shape.action)
        require_ability(conn, server, shape, shape.action)
        if host_is_down(conn, server["host"], deps.lease):
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        old = server["flavor"]
        new = inputs.get("flavor") or old
        source = {"source_compute": server["host"], "source_node": server["node"],
                  "old_instance_type_id": old.get("id"), "new_instance_type_id": new.get("id")}
        kept = {"vm_state": server["vm_state"], "source_uuid": server["compute_uuid"],
                "zone": server["availability_zone"]}
        return {"uuid": operation, "level": "api", "host": None, "step": "claim", "step_data": source,
                "inputs": {"flavor": new, "old_flavor": old, "host": inputs.get("host"),
                           "same_host": inputs["same_host"], "from": kept}}, {"task_state": "resize_prep"}

    _accept(deps, context, cell, uuid, shape, plan)


# -- what ends a resize ------------------------------------------------------------------------------------------------


def confirm(deps: Deps, context: RequestContext, uuid: str) -> None:
    """The former host need not live: its copy goes when it comes back."""
    def plan(conn: sa.Connection, server: Row) -> tuple[Row, Row]:
        kept = _resized(conn, server, "confirm_resize", "confirmResize")
        owner = living_host(conn, kept["source_compute"], deps.lease)
        if owner is None and kept["source_compute"] == server["host"]:
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        level = {"level": "host", "step": "drop"} if owner else {"level": "api", "step": "settle"}
        moves.mark(conn, kept["operation"], "confirming")
        return {"host": kept["source_compute"], "owner": owner, "inputs": {"from": kept},
                "step_data": _places(kept), **level}, {}

    _end(deps, context, uuid, CONFIRM, "confirm_resize", "confirmResize", plan)


def revert(deps: Deps, context: RequestContext, uuid: str) -> None:
    """Needs both hosts; what would hold a bigger former flavor is charged already."""
    def plan(conn: sa.Connection, server: Row) -> tuple[Row, Row]:
        kept = _resized(conn, server, "revert_resize", "revertResize")
        for host in (kept["source_compute"], server["host"]):
            if host_is_down(conn, host, deps.lease):
                raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        moves.mark(conn, kept["operation"], "reverting")
        return {"host": server["host"], "owner": living_host(conn, server["host"], deps.lease), "level": "host",
                "step": "withdraw", "inputs": {"from": kept}, "step_data": _places(kept)
                }, {"task_state": "resize_reverting"}

    _end(deps, context, uuid, REVERT, "revert_resize", "revertResize", plan)


def _end(deps: Deps, context: RequestContext, uuid: str, shape: Shape, transition: str, name: str, plan: Plan) -> None:
    cell, server = located(deps, context, uuid)
    refuse_locked(context, server)
    check_state(server, transition, name)
    _accept(deps, context, cell, uuid, shape, plan)


def _resized(conn: sa.Connection, server: Row, transition: str, name: str) -> dict[str, Any]:
    """What a resized server came from."""
    check_state(server, transition, name)
    kept: dict[str, Any] | None = server["system_metadata"].get("resized_from")
    if kept is None or any(r["action"] in _ENDS for r in cell_operations.open_of(conn, server["uuid"])):
        raise errors.Invalid("Instance has not been resized.")
    return kept


def _places(kept: dict[str, Any]) -> dict[str, Any]:
    return {"source_compute": kept["source_compute"], "dest_compute": kept["dest_compute"]}


def _accept(deps: Deps, context: RequestContext, cell: Cell, uuid: str, shape: Shape, plan: Plan) -> None:
    """The operation's row and what changes of the server, in one transaction of the cell."""
    def accept(conn: sa.Connection) -> tuple[Row, Row]:
        fresh = held(conn, uuid)
        planned, changes = plan(conn, fresh)
        row = next_row(context, shape, fresh, level=planned["level"], step=planned["step"], inputs=planned["inputs"])
        return written(conn, fresh, row | {"owner": None} | planned, changes)

    row, fresh = again(lambda: cell.database.run(accept), uuid)
    deps.nudge_row(context, cell, row, fresh if row["owner"] is not None else None)
