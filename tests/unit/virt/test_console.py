# SPDX-License-Identifier: Apache-2.0
"""The end of a console log."""

from __future__ import annotations

import pytest

from nova.virt.console import MAX_CHARS, tail


@pytest.mark.parametrize(("text", "lines", "end"), [
    ("a\nb\nc\n", None, "a\nb\nc\n"),
    ("a\nb\nc\n", 3, "b\nc\n"),
    ("a\nb\nc", 2, "b\nc"),
    ("a\r\nb\r\n", 2, "b\r\n"),
    ("a\n", 10, "a\n"),
    ("a\n", 0, ""),
    ("", 5, ""),
    ("x" * MAX_CHARS + "y", None, "x" * (MAX_CHARS - 1) + "y"),
])
def test_tail(text: str, lines: int | None, end: str) -> None:
    assert tail(text, lines) == end


def test_as_many_lines_as_asked_for() -> None:
    assert len(tail("line\n" * 50, 3).split("\n")) == 3
