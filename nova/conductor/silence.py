# SPDX-License-Identifier: Apache-2.0
"""What becomes of a move or an unshelve while one of its hosts says nothing: a pure function of its row, as a table.

Before the guest leaves, a silent destination is passed over or left to clean up after itself when it is back. Whether a
guest has left a silent source, the destination tells. What is left at a silent source is a stranger there.

Cold moves go back rather than on: a server whose new host falls silent is its former host's again, and one whose former
host does is left there. Disks that were put aside are taken when the server is started.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova.workflow.operations import CONFIRM, EVACUATE, LIVE_MIGRATION, MIGRATE, RESIZE, REVERT, UNSHELVE

#: How sure it must be that the host is gone: silent for a lease, shown as down, or past the operation's deadline.
DOWN, DEAD, LATE = 1, 2, 3


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """Where the row goes on. ``place`` names the host of a host step; ``told``: the silence is its fault."""

    after: int
    step: str
    state: str = "open"
    place: str | None = None
    told: bool = False


_ASK = Way(DEAD, "ask", place="dest_compute")
#: (state, step) → the way out.
WAYS = {
    ("open", "examine"): Way(DEAD, "choose", "undoing", told=True),
    ("open", "prepare"): Way(DOWN, "another", told=True),
    ("open", "ask"): Way(LATE, "choose", "undoing", told=True),
    ("open", "migrate"): _ASK,
    ("open", "arrive"): Way(LATE, "settle"),
    ("open", "leave"): Way(DOWN, "settle"),
    ("undoing", "migrate"): _ASK,
    ("undoing", "prepare"): Way(DOWN, "choose", "undoing"),
}
#: The same for an evacuation, whose destination may die like its source.
EVACUATION = {("open", "rebuild"): Way(DEAD, "elsewhere", told=True),
              ("undoing", "rebuild"): Way(DOWN, "move", "undoing")}
COLD = {
    ("open", "prep"): Way(DOWN, "elsewhere", told=True),
    ("open", "leave"): Way(LATE, "claim", "undoing", told=True),
    ("open", "arrive"): Way(DEAD, "move", "undoing", told=True),
    ("undoing", "arrive"): Way(DEAD, "move", "undoing"),
    ("undoing", "leave"): Way(LATE, "claim", "undoing"),
}
#: An unshelve: the server stays shelved, where it was or on no host.
UNSHELVING = {("open", "start"): Way(DEAD, "schedule", "undoing", told=True),
              ("open", "spawn"): Way(DEAD, "schedule", "undoing", told=True),
              ("undoing", "spawn"): Way(DOWN, "schedule", "undoing")}
_TABLES = {LIVE_MIGRATION.action: WAYS, EVACUATE.action: EVACUATION, RESIZE.action: COLD, MIGRATE.action: COLD,
           CONFIRM.action: {("open", "drop"): Way(DOWN, "settle")},
           REVERT.action: {("open", "withdraw"): Way(LATE, "back")}, UNSHELVE.action: UNSHELVING}


def way_out(row: Mapping[str, Any], sure: int) -> Way | None:
    """None: it is waited for."""
    if row["level"] != "host":
        return None
    way = _TABLES.get(row["action"], {}).get((row["state"], row["step"]))
    return way if way is not None and sure >= way.after else None


def values(row: Mapping[str, Any], way: Way) -> dict[str, Any]:
    """The columns of the row on its way, under a new epoch, so that the silent host's own writes come too late."""
    host = row["step_data"].get(way.place) if way.place is not None else None
    found: dict[str, Any] = {"level": "host" if host else "api", "step": way.step, "state": way.state, "owner": None,
                             "epoch": row["epoch"] + 1, "due_in": 0.0}
    if host:
        found["host"] = host
    if way.told:
        fault = {"code": 500, "message": f"Host {row['host']} does not answer.", "retry": True, "host": row["host"],
                 "details": ""}
        found |= {"fault": fault} if way.state == "undoing" else {"step_data": row["step_data"] | {"fault": fault}}
    return found
