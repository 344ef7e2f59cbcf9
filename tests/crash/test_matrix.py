# SPDX-License-Identifier: Apache-2.0
"""Every process killed before and after every step of create and delete: it goes on, it ends, nothing leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nova.workflow.operations import SHAPES
from tests.crash import cases
from tests.crash.run import Item, Runner, groups

ITEMS = [Item(group, case) for group in groups(full=bool(os.environ.get("NOVA_TEST_LONG"))) for case in group.cases]


def test_every_step_has_its_cases() -> None:
    steps = {f"{shape.action}.{step.name}" for shape in SHAPES if shape.action.startswith(("create", "delete"))
             for step in shape.steps}
    found = {(case.step, case.moment, case.victim) for case in cases.cases() if case.kind == "step"}
    assert found == {(s, m, v) for s in steps for m in cases.MOMENTS for v in cases.PROCESSES}
    assert {case.step for case in cases.standalone_cases()} == steps
    for every in (cases.cases(), cases.standalone_cases()):
        assert {case.step for case in cases.one_per_step(every)} == steps


def test_the_table_is_printed() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.crash", "--table", "json"], capture_output=True, text=True,
                          timeout=60, check=True)
    assert json.loads(done.stdout) == [case.row() for case in cases.cases() + cases.standalone_cases()]


@pytest.mark.parametrize("item", ITEMS, ids=[item.name.replace(" ", "-") for item in ITEMS])
def test_it_ends(item: Item, runner: Runner) -> None:
    assert runner.outcome(item).ended == item.case.ends
