# SPDX-License-Identifier: Apache-2.0
"""After which operations that an evacuation ends nobody can say where the guest is."""

from __future__ import annotations

from typing import Any

import pytest

from nova.operations.evacuate import away
from nova.workflow.operations import LIVE_MIGRATION, MIGRATE, REBUILD, RESIZE, SHAPES


def row(action: str, step: str, state: str = "open", was: str = "active", **data: Any) -> dict[str, Any]:
    return {"action": action, "step": step, "state": state, "step_data": data, "inputs": {"from": {"vm_state": was}}}


@pytest.mark.parametrize("found, expected", [
    (row("migrate", "claim"), False), (row("migrate", "prep"), False), (row("migrate", "leave"), True),
    (row("resize", "move"), True), (row("resize", "arrive", "undoing"), True), (row("resize", "arrive", "done"), False),
    (row("live-migration", "prepare"), False), (row("live-migration", "migrate"), True),
    (row("live-migration", "switch"), True), (row("live-migration", "leave"), False), (row("pause", "pause"), False),
    (row("rebuild", "check"), False), (row("rebuild", "replace"), True),
    (row("evacuate", "claim", dest_compute=None), False), (row("evacuate", "move", dest_compute="h3"), False),
    (row("evacuate", "fence", dest_compute="h2"), True), (row("evacuate", "rebuild", dest_compute="h2"), True),
    (row("evacuate", "claim", dest_compute="h3", fenced=True), True), (row("evacuate", "claim", was="error"), True),
    (row("evacuate", "settle", dest_compute="h2", fenced=True), False),
    (row("evacuate", "rebuild", "superseded", dest_compute="h2"), False)])
def test_when_a_guest_may_be_elsewhere(found: dict[str, Any], expected: bool) -> None:
    assert away(found, "h2") is expected


def test_the_steps_are_those_of_the_shapes() -> None:
    for shape in (RESIZE, MIGRATE, LIVE_MIGRATION, REBUILD):
        assert shape in SHAPES
        steps = [step.name for step in shape.steps]
        assert [name for name in steps if away(row(shape.action, name), "h2")]
