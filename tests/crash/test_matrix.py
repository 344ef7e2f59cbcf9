# SPDX-License-Identifier: Apache-2.0
"""Every process killed before and after every step of create and delete: it goes on, it ends, nothing leaks."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from nova.workflow.operations import CREATE, SHAPES
from nova.workflow.shape import StepShape
from tests.crash import cases, results
from tests.crash.play import Outcome
from tests.crash.run import Item, groups

ITEMS = [Item(group, case) for group in groups(full=bool(os.environ.get("NOVA_TEST_LONG"))) for case in group.cases]


def test_every_step_has_its_cases() -> None:
    for shapes in (cases.LIVES, cases.MOVES, cases.OTHERS):
        steps = {f"{shape.action}.{step.name}" for shape in shapes for step in shape.steps} - cases.SILENT
        every = cases.cases(shapes)
        found = {(case.step, case.moment, case.victim) for case in every if case.kind == "step"}
        assert found == {(s, m, v) for s in steps for m in cases.MOMENTS for v in cases.PROCESSES
                         if m == "before" or s not in cases.FAILING}
        assert {case.step for case in cases.one_per_step(every)} == steps
    alone = cases.standalone_cases()
    assert {case.step for case in alone} == {f"{s.action}.{step.name}" for s in cases.LIVES for step in s.steps}
    assert {case.step for case in cases.one_per_step(alone)} == {case.step for case in alone}


def test_every_operation_is_in_the_matrix_once() -> None:
    assert sorted(s.action for s in cases.LIVES + cases.MOVES + cases.OTHERS) == sorted(s.action for s in SHAPES)


def test_the_table_is_printed() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.crash", "--table", "json"], capture_output=True, text=True,
                          timeout=300, check=True)
    assert json.loads(done.stdout) == [case.row() for case in cases.all_cases()]


def test_a_step_without_a_case_is_found() -> None:
    """What is added to a workflow needs a scenario that reaches it."""
    step = StepShape("polish", "api", "It shines.")
    longer = dataclasses.replace(CREATE, steps=(*CREATE.steps, step))
    with pytest.raises(KeyError, match=r"create\.polish"):
        list(cases.points(longer))
    undone = dataclasses.replace(CREATE, steps=(*CREATE.steps[:-1], dataclasses.replace(CREATE.steps[0], undo=True)))
    with pytest.raises(KeyError, match=rf"create\.{CREATE.steps[0].name}"):
        list(cases.points(undone))


def test_every_workflow_that_makes_or_removes_a_server_is_in_the_matrix() -> None:
    assert set(cases.LIVES) == {s for s in SHAPES if s.action in ("create", "delete", "delete_unplaced")}


def test_the_table_for_people_has_every_case() -> None:
    every = cases.all_cases()
    played = [results.played(Item(group, case), None) for group in groups(full=True) for case in group.cases]
    for rows in ([case.row() for case in every], played):
        console = Console(width=200)
        with console.capture() as captured:
            console.print(results.tables(rows))
        shown = captured.get()
        assert all(f"{row['operation']}.{row['step']}" in shown and row["process"] in shown for row in rows)
    assert shown.count(results.FAILED) == len(played)


@pytest.mark.parametrize("item", ITEMS, ids=[item.name.replace(" ", "-") for item in ITEMS])
def test_it_ends(item: Item, outcome: Callable[[Item], Outcome]) -> None:
    assert outcome(item).ended == item.case.ends
