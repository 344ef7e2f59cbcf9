# SPDX-License-Identifier: Apache-2.0
"""What becomes of a live migration whose host says nothing: never a guess about where the guest is."""

from __future__ import annotations

from typing import Any

import pytest

from nova.conductor import silence
from nova.conductor.silence import DEAD, DOWN, LATE
from nova.workflow.operations import LIVE_MIGRATION


def row(step: str, state: str = "open", **values: Any) -> dict[str, Any]:
    return {"action": "live-migration", "level": "host", "state": state, "step": step, "host": "h1", "epoch": 7,
            "step_data": {"source_compute": "h1", "dest_compute": "h2"}} | values


@pytest.mark.parametrize("step, state, waits, then", [
    ("examine", "open", DOWN, "choose"), ("prepare", "open", 0, "another"), ("migrate", "open", DOWN, "ask"),
    ("migrate", "undoing", DOWN, "ask"), ("prepare", "undoing", 0, "choose"), ("arrive", "open", DEAD, "settle"),
    ("leave", "open", 0, "settle")])
def test_how_long_a_silent_host_is_waited_for(step: str, state: str, waits: int, then: str) -> None:
    for sure in (DOWN, DEAD, LATE):
        way = silence.way_out(row(step, state), sure)
        assert (way.step if way else None) == (then if sure > waits else None)


def test_every_step_on_a_host_has_a_way_out() -> None:
    for step in LIVE_MIGRATION.steps:
        if step.level == "host":
            assert silence.way_out(row(step.name), LATE) is not None
            if step.undo:
                assert silence.way_out(row(step.name, "undoing"), LATE) is not None


@pytest.mark.parametrize("step, state, waits", [
    ("start", "open", DOWN), ("spawn", "open", DOWN), ("spawn", "undoing", 0)])
def test_an_unshelve_does_not_wait_for_a_dead_host(step: str, state: str, waits: int) -> None:
    for sure in (DOWN, DEAD, LATE):
        way = silence.way_out(row(step, state, action="unshelve"), sure)
        assert ((way.step, way.state) if way else None) == (("schedule", "undoing") if sure > waits else None)


def test_the_destination_is_asked_where_the_guest_is() -> None:
    found = row("migrate")
    way = silence.way_out(found, DEAD)
    assert way is not None
    values = silence.values(found, way)
    assert (values["level"], values["host"], values["step"], values["state"]) == ("host", "h2", "ask", "open")
    assert (values["epoch"], values["owner"]) == (8, None) and "fault" not in values


def test_a_host_that_is_passed_over_is_named() -> None:
    found = row("prepare", host="h2")
    way = silence.way_out(found, DOWN)
    assert way is not None
    values = silence.values(found, way)
    assert values["level"] == "api" and values["step_data"]["fault"]["message"] == "Host h2 does not answer."
    assert silence.way_out(row("migrate", level="api"), LATE) is None
    assert silence.way_out(row("power_off", action="stop"), LATE) is None
