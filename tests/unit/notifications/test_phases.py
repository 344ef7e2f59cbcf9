# SPDX-License-Identifier: Apache-2.0
"""Which events a write to an operation's row means."""

from __future__ import annotations

from typing import Any

import pytest

from nova.store.phases import accepted, given_up, written
from nova.workflow import Row

FAILED = {"event": "x", "result": "Error", "traceback": "Traceback"}
DONE = {"event": "x", "result": "Success"}


def row(action: str, host: str | None = None) -> Row:
    return Row(uuid="o", instance_uuid="i", action=action, step="s", level="api", epoch=1, host=host)


def record(action: str, level: str) -> dict[str, Any]:
    return {"uuid": "o", "action": action, "level": level, "actor": {}, "inputs": {}, "step": "s"}


@pytest.mark.parametrize("action, level, host, phases", [
    ("create", "api", None, ()),
    ("stop", "host", "h", ("start",)),
    ("lock", "api", "h", ("lock",)),
    ("resetState", "api", "h", ()),
    ("delete", "host", "h", ("start", "shutdown_start")),
    ("delete", "api", "h", ("start_compute_down",)),
    ("delete", "api", None, ("start_not_scheduled",)),
    ("delete_unplaced", "api", None, ("start_not_scheduled",)),
])
def test_what_an_acceptance_begins(action: str, level: str, host: str | None, phases: tuple[str, ...]) -> None:
    assert accepted(record(action, level), host).phases == phases


@pytest.mark.parametrize("action, values, event, phases", [
    ("create", {"state": "done"}, DONE, ("end",)),
    ("create", {"level": "api", "step": "reschedule"}, FAILED, ("error",)),
    ("reboot", {"state": "undoing", "fault": {"message": "no"}}, None, ("error",)),
    ("stop", {"state": "undoing", "fault": {"message": "no"}}, FAILED, ("exception",)),
    ("stop", {"state": "failed", "fault": {"message": "no"}}, None, ()),
    ("delete", {"level": "api", "step": "release"}, DONE, ("shutdown_end",)),
])
def test_what_a_host_reports(action: str, values: dict[str, Any], event: Any, phases: tuple[str, ...]) -> None:
    happened = written(row(action, "h"), values | {"step_data": {}}, event, at_host=True)
    assert happened is not None and happened.phases == phases


@pytest.mark.parametrize("action, host, server_host, values, event, phases", [
    ("create", None, "h", {"level": "host", "step": "build"}, DONE, ("start",)),
    ("create", None, None, {"step": "bury"}, FAILED, ()),
    ("create", None, None, {"state": "failed"}, DONE, ("task",)),
    ("delete", "h", "h", {"state": "done"}, DONE, ("end",)),
    ("delete", None, "h", {"state": "done"}, DONE, ("end_compute_down",)),
    ("delete_unplaced", None, None, {"state": "done"}, DONE, ("end_not_scheduled",)),
    ("unshelve", None, "h", {"step": "next"}, DONE, ()),
    ("unshelve", None, "h", {"state": "done"}, DONE, ("end",)),
    ("pause", None, "h", {"state": "undoing", "fault": {"message": "no"}}, None, ("exception",)),
])
def test_what_the_api_level_writes(action: str, host: str | None, server_host: str | None, values: dict[str, Any],
                                   event: Any, phases: tuple[str, ...]) -> None:
    happened = written(row(action, host), values | {"step_data": {}}, event, server_host=server_host)
    assert happened is not None and happened.phases == phases


def test_what_nobody_needs_to_hear() -> None:
    assert written(row("create"), {"state": "moved", "step_data": {}}, DONE) is None
    assert written(row("create"), {"owner": None, "due_in": 2.0}, None) is None


def test_a_failure_carries_its_trace() -> None:
    happened = written(row("create", "h"), {"step_data": {"fault": {"message": "no"}}}, FAILED, at_host=True)
    assert happened is not None and happened.fault == {"message": "no", "traceback": "Traceback"}


@pytest.mark.parametrize("action, phases", [("create", ("error",)), ("stop", ("exception",))])
def test_who_is_given_up_has_failed(action: str, phases: tuple[str, ...]) -> None:
    happened = given_up(record(action, "host") | {"host": "h"}, {"message": "deadline"})
    assert (happened.phases, happened.state, happened.fault) == (phases, "failed", {"message": "deadline"})
