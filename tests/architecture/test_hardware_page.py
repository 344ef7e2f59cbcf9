# SPDX-License-Identifier: Apache-2.0
"""The page on guests' hardware tells what the code does."""

from __future__ import annotations

from nova.virt.hardware import catalogue
from tests.architecture.hardware_page import BOOTED, PAGE, with_tables


def test_the_tables_are_those_of_the_catalogue() -> None:
    text = PAGE.read_text()
    assert text == with_tables(text), "run: python -m tests.architecture.hardware_page"


def test_what_was_run_is_in_the_catalogue() -> None:
    assert BOOTED <= catalogue.wishes().keys()
