# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is when only so many may run at once: who was refused is called, when he can be taken."""

from __future__ import annotations

import pytest

from nova import errors
from nova.compute.watching import Watching
from tests.unit.compute.cell import CellInMemory


class Line:
    def __init__(self, limit: int) -> None:
        self.called: list[tuple[str, int]] = []
        self.watching = Watching(CellInMemory(), limit,  # type: ignore[arg-type]
                                 lambda operation, epoch: self.called.append((operation, epoch)))

    def refused(self, operation: str, epoch: int) -> None:
        with (pytest.raises(errors.Unavailable, match="go first"),
              self.watching.turn(operation, f"server of {operation}", epoch)):
            raise AssertionError("there was no turn")


def test_who_was_refused_is_called_when_a_turn_ends() -> None:
    line = Line(1)
    with line.watching.turn("a", "server of a", 1):
        line.refused("b", 7)
        line.watching.let_go("b")
        assert line.called == []
    assert line.called == [("b", 7)]


def test_one_that_is_still_in_hand_is_called_when_it_is_let_go() -> None:
    line = Line(1)
    with line.watching.turn("a", "server of a", 1):
        line.refused("b", 7)
    assert line.called == []
    line.watching.let_go("b")
    assert line.called == [("b", 7)]
    line.watching.let_go("b")
    assert line.called == [("b", 7)]


def test_those_who_wait_are_called_in_their_order() -> None:
    line = Line(1)
    with line.watching.turn("a", "server of a", 1):
        for number, operation in enumerate("bcd"):
            line.refused(operation, number)
            line.watching.let_go(operation)
    assert line.called == [("b", 0)]
    with line.watching.turn("b", "server of b", 1):
        line.watching.let_go("a")
    assert line.called == [("b", 0), ("c", 1)]


def test_one_that_came_by_itself_is_not_called_any_more() -> None:
    line = Line(1)
    with line.watching.turn("a", "server of a", 1):
        line.refused("b", 7)
        line.watching.let_go("b")
    line.called.clear()
    with line.watching.turn("b", "server of b", 8):
        pass
    assert line.called == []


def test_without_a_limit_nobody_waits() -> None:
    line = Line(0)
    with line.watching.turn("a", "server of a", 1), line.watching.turn("b", "server of b", 1):
        pass
    assert line.called == []
