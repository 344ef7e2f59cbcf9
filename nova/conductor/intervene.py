# SPDX-License-Identifier: Apache-2.0
"""What an operator may do to an operation by hand: make it due at once, or have it undone. Looking is elsewhere.

Neither runs anything: the row is changed under a new epoch and its janitor finds it at its next look, so both work
while the bus is away, and whoever had the row in hand comes too late with what he writes.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES, OperationTables
from nova.store.operation_search import Found
from nova.workflow.operations import SHAPES
from nova.workflow.shape import Shape, StepShape

#: What these have begun is meant to be gone: there is nothing to go back to.
_FINAL = frozenset({"delete", "delete_unplaced", "force_delete", "confirmResize", "reclaim"})
#: A create is not undone but given up: by (place, step) the step that does so.
_GIVE_UP = {("api", "schedule"): "bury", ("api", "record"): "bury", ("cell", "build"): "abandon",
            ("cell", "reschedule"): "abandon"}


def retry(api: Database, found: Found, *, lease: float) -> str:
    """Make it due now, free of an owner whose lease is over. Conflict when it has ended or somebody living moves it.

    Gives what was done, in words.
    """
    row = found.row
    _must_be_open(found)
    if found.owner is not None and found.owner.lives(lease):
        raise errors.Conflict(f"operation {row['uuid']} is in the hands of {_named(found)}, which was heard "
                              f"{found.owner.age:.1f} s ago; it is being moved")
    database, tables = _place(api, found)

    def write(conn: sa.Connection) -> bool:
        _must_be_first(conn, tables, row)
        return bool(tables.advance(conn, row["uuid"], row["epoch"], owner=None, due_in=0.0))

    if not database.run(write):
        raise errors.Conflict(f"operation {row['uuid']} was taken by another at this moment")
    freed = f"freed of {_named(found)}, whose lease is over; " if found.owner is not None else ""
    return f"{freed}due at once"


def cancel(api: Database, found: Found, *, by: str) -> str:
    """Have it undone. Conflict, with the reason, when it has ended or cannot be undone from where it stands.

    ``by`` is who asked, for the fault that the server's owner reads. Gives what was done, in words.
    """
    row = found.row
    _must_be_open(found)
    if row["state"] == "undoing":
        raise errors.Conflict(f"operation {row['uuid']} is being undone already")
    step = _may_be_undone(row)
    fault = {"code": 500, "message": f"The operation was cancelled by {by}.", "retry": False, "host": row["host"],
             "details": f"It stood at step {row['step']}."}
    values: dict[str, Any] = {"owner": None, "epoch": row["epoch"] + 1, "due_in": 0.0}
    if row["action"] == "create":
        target = _GIVE_UP.get(("api" if found.cell is None else "cell", row["step"]))
        if target is None:
            raise errors.Conflict(f"operation {row['uuid']} is just being handed over at step {row['step']}; "
                                  "try again in a moment")
        values |= {"level": "api", "step": target, "step_data": row["step_data"] | {"fault": fault}}
        told = f"the build is given up by step {target}"
    else:
        values |= {"state": "undoing", "fault": fault}
        told = f"it is undone from step {step.name} on"
    _write(api, found, values)
    return told if row["level"] != "host" else f"{told}; host {row['host']} ends what it has in hand first"


def _write(api: Database, found: Found, values: dict[str, Any]) -> None:
    """The row's epoch and its server's fence rise together or not at all."""
    row = found.row
    database, tables = _place(api, found)

    def write(conn: sa.Connection) -> bool:
        _must_be_first(conn, tables, row)
        if not tables.advance(conn, row["uuid"], row["epoch"], **values):
            return False
        raised = (mappings.raise_fence(conn, row["instance_uuid"], row["epoch"] + 1) if found.cell is None
                  else instances.raise_epoch(conn, row["instance_uuid"], row["epoch"]))
        if not raised:
            raise errors.Conflict(f"server {row['instance_uuid']} has another owner by now")
        return True

    if not database.run(write):
        raise errors.Conflict(f"operation {row['uuid']} has moved on at this moment; look at it again")


def _must_be_open(found: Found) -> None:
    if found.row["state"] not in OPEN_STATES:
        raise errors.Conflict(f"operation {found.row['uuid']} has ended: it is {found.row['state']}")


def _must_be_first(conn: sa.Connection, tables: OperationTables, row: dict[str, Any]) -> None:
    """Operations of one server that wait for each other share its epoch: moving a later one strands the first."""
    first = tables.open_of(conn, row["instance_uuid"])[:1]
    if first and first[0]["uuid"] != row["uuid"]:
        raise errors.Conflict(f"operation {row['uuid']} waits for operation {first[0]['uuid']} of the same server to "
                              "end; see to that one")


def _may_be_undone(row: dict[str, Any]) -> StepShape:
    shape = shape_of(row["action"])
    if shape is None:
        raise errors.Conflict(f"operation {row['action']} is unknown to this version")
    if (row["action"], row["step"]) == ("live-migration", "migrate"):
        raise errors.Conflict(f"operation {row['uuid']} moves a running guest, which may have arrived: abort the live "
                              "migration instead (openstack server migration abort)")
    if row["action"] in _FINAL:
        raise errors.Conflict(f"a {row['action']} can not be undone; it is tried until it works")
    steps = list(shape.steps)
    index = next((i for i, s in enumerate(steps) if s.name == row["step"]), None)
    if index is None:
        raise errors.Conflict(f"operation {row['action']} has no step {row['step']} in this version")
    step = steps[index]
    if step.sure and row["action"] != "create":
        raise errors.Conflict(f"step {step.name} of {row['action']} makes good what went before and can not be undone; "
                              "it is tried until it works")
    if step.sure and step.name in ("bury", "abandon"):
        raise errors.Conflict("the create is being given up already")
    if index and row["action"] != "create" and not any(s.undo for s in steps[:index + 1]):
        raise errors.Conflict(f"nothing that {row['action']} did up to step {step.name} can be undone")
    return step


def shape_of(action: str) -> Shape | None:
    return next((s for s in SHAPES if s.action == action), None)


def _place(api: Database, found: Found) -> tuple[Database, Any]:
    return (api, api_operations) if found.cell is None else (found.cell.database, cell_operations)


def _named(found: Found) -> str:
    owner = found.owner
    if owner is None:
        return "nobody"
    return f"{owner.binary} on {owner.host}" if owner.host else f"an earlier start ({owner.incarnation})"
