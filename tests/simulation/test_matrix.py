# SPDX-License-Identifier: Apache-2.0
"""The matrix: operation × point of its way × who is lost there. A long run plays all of it, a short one a sample."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.simulation import matrix

SHORT = 6
#: Seconds for all cases of an operation on a slow machine; there are hundreds.
PATIENCE = 3600


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("operation", matrix.OPERATIONS)
def test_it_ends_whoever_is_lost_on_the_way(operation: str, record_property: Callable[[str, object], None]) -> None:
    passed = matrix.run(None, operation)
    assert passed, "nothing was passed on its way"
    every = matrix.cases(operation, len(passed))
    chosen = every if os.environ.get("NOVA_TEST_LONG") else matrix.sample(every, SHORT)
    failed = {}
    for case in chosen:
        try:
            matrix.run(case, operation)
        except Exception as e:
            failed[str(case)] = f"{type(e).__name__}: {e}"
    record_property("matrix", (operation, len(passed), len(chosen)))
    assert not failed, failed


def test_every_button_has_what_comes_first() -> None:
    assert set(matrix.FIRST) <= set(matrix.BUTTONS)
    assert all(name in matrix.BUTTONS for names in matrix.FIRST.values() for name in names)
