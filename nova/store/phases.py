# SPDX-License-Identifier: Apache-2.0
"""Which events a write to an operation's row means: pure functions of the row and what is written to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova.objects.notifications.catalogue import OPERATIONS
from nova.store.events import Happened
from nova.workflow import Row

_DELETES = ("delete", "delete_unplaced")
_COLD = ("resize", "migrate")
LIVE = "live-migration"
#: What the end of a step of a cold move, and the beginning of the next, mean; None: there is no next.
_MOVING: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("claim", "prep"): ("prep_start",), ("prep", "leave"): ("prep_end", "start"), ("leave", "move"): ("end",),
    ("move", "arrive"): ("finish_start",), ("arrive", None): ("finish_end",)}
#: The same of a live one, and of its way back.
_LIVE: dict[tuple[str, str, str | None], tuple[str, ...]] = {
    ("open", "choose", "prepare"): ("pre_start",), ("open", "examine", "prepare"): ("pre_start",),
    ("open", "prepare", "migrate"): ("pre_end",),
    ("open", "migrate", "switch"): ("post_start",), ("open", "ask", "switch"): ("post_start",),
    ("open", "switch", "land"): ("post_dest_start",), ("open", "arrive", "leave"): ("post_dest_end",),
    ("open", "land", "leave"): ("post_dest_end",), ("open", "land", "settle"): ("post_dest_end", "post_end"),
    ("open", "leave", "settle"): ("post_end",),
    ("done", "land", None): ("post_dest_end", "post_end"), ("undoing", "migrate", "migrate"): ("rollback_start",),
    ("undoing", "migrate", "prepare"): ("rollback_dest_start",),
    ("undoing", "prepare", "choose"): ("rollback_dest_end", "rollback_end")}
_SIGNALS = {"live_migration_cancel": "abort", "live_migration_force_complete": "force_complete"}


def accepted(row: Mapping[str, Any], server_host: str | None = None) -> Happened:
    """An operation was accepted; ``server_host`` is where its server is."""
    return Happened(row["action"], row["uuid"], row["actor"], _beginning(row, server_host), row["step"],
                    row.get("state", "open"), inputs=row["inputs"])


def _beginning(row: Mapping[str, Any], server_host: str | None) -> tuple[str, ...]:
    if row["action"] in _DELETES:
        if row["level"] == "host":
            return ("start", "shutdown_start")
        return ("start_compute_down",) if server_host else ("start_not_scheduled",)
    if row["action"] in ("lock", "unlock"):
        return (row["action"],)
    if row["action"] in _SIGNALS:
        return tuple(f"{_SIGNALS[row['action']]}_{end}" for end in ("start", "end"))
    return ("start",) if row["level"] == "host" else ()


def written(row: Row, values: Mapping[str, Any], event: Mapping[str, Any] | None, *,
            server_host: str | None = None, at_host: bool = False) -> Happened | None:
    """A runner wrote ``values`` (and ``event``, a finished step) to the row it owns; None: nothing that anybody needs
    to hear. ``at_host``: the runner is the host's."""
    state = values.get("state", row.state)
    if state == "moved" or "step_data" not in values:
        return None
    failed = (event is not None and event.get("result") == "Error") or (state == "undoing" and "fault" in values)
    fault: dict[str, Any] = dict(values.get("fault") or values["step_data"].get("fault") or {}) or dict(row.fault or {})
    if event is not None and event.get("traceback"):
        fault["traceback"] = event["traceback"]
    if row.action in _COLD and not failed:
        phases = _MOVING.get((row.step, values.get("step")), ()) if state in ("open", "done") else ()
    else:
        phases = _on_host(row, values, failed) if at_host else _at_api(row, values, failed, server_host)
    if row.action == LIVE:
        parts = _LIVE.get((state, row.step, values.get("step")), ())
        phases = parts + phases if state == "done" else phases + parts
    return Happened(row.action, row.uuid, row.actor, phases, values.get("step", row.step), state,
                    values.get("progress", 0), row.host, fault if failed or state == "failed" else None, row.inputs)


def given_up(row: Mapping[str, Any], fault: Mapping[str, Any]) -> Happened:
    """An operation is ended from outside, because nobody carries it out."""
    return Happened(row["action"], row["uuid"], row["actor"], _failure(row["action"]), row["step"], "failed",
                    host=row["host"], fault=fault, inputs=row["inputs"])


def _on_host(row: Row, values: Mapping[str, Any], failed: bool) -> tuple[str, ...]:
    if failed:
        return _failure(row.action)
    if row.action in _DELETES:
        return ("shutdown_end",) if values.get("level") == "api" else ()
    return ("end",) if values.get("state") == "done" else ()


def _at_api(row: Row, values: Mapping[str, Any], failed: bool, server_host: str | None) -> tuple[str, ...]:
    done = values.get("state") == "done"
    if row.action == "create":
        if values.get("level") == "host" and row.step != "dispatch":  # the first host was told of when it was recorded
            return ("start",)
        return ("task",) if values.get("state") == "failed" else ()
    if row.action in _DELETES:
        if not done:
            return ()
        return ("end",) if row.host else ("end_compute_down",) if server_host else ("end_not_scheduled",)
    if failed:
        return _failure(row.action)
    return ("end",) if done else ()


def _failure(action: str) -> tuple[str, ...]:
    spoken = OPERATIONS.get(action)
    return ("error",) if spoken is not None and spoken.errors else ("exception",)
