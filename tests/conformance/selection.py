# SPDX-License-Identifier: Apache-2.0
"""Which tests run: all that tempest has for our fronts, but what ``selection.yaml`` excludes, with reasons."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("selection.yaml")


class Wrong(Exception):
    """The selection does not fit the tests that there are."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """``features`` are tempest's switches; ``excluded`` has for each reason the names of tests, classes or modules."""

    features: Mapping[str, bool | str]
    excluded: Mapping[str, tuple[str, ...]]
    smoke: tuple[str, ...]

    def reasons(self, tests: Iterable[str]) -> dict[str, str]:
        """Test → why it does not run. Wrong for a name that is nobody's, or that stands there twice."""
        tests, found = list(tests), {}
        for reason, names in self.excluded.items():
            for name in names:
                meant = [test for test in tests if _is(test, name)]
                if not meant:
                    raise Wrong(f"{FILE.name} excludes {name}, which tempest does not know")
                if known := [test for test in meant if test in found]:
                    raise Wrong(f"{FILE.name} excludes {plain(known[0])} twice")
                found |= dict.fromkeys(meant, reason)
        return found

    def short(self, tests: Iterable[str]) -> list[str]:
        """The tests of the smoke run. Wrong for a name that is nobody's."""
        tests = list(tests)
        for name in self.smoke:
            if not any(_is(test, name) for test in tests):
                raise Wrong(f"{FILE.name} has {name} in the smoke run: unknown to tempest, or excluded")
        return [test for test in tests if any(_is(test, name) for name in self.smoke)]


def load() -> Selection:
    known: dict[str, Any] = yaml.safe_load(FILE.read_text())
    groups = known["excluded"]
    if double := [reason for reason, count in Counter(group["reason"] for group in groups).items() if count > 1]:
        raise Wrong(f"{FILE.name} has two groups with the reason: {double[0]}")
    return Selection(
        {f"{group}.{name}": value for group, names in known["features"].items() for name, value in names.items()},
        {group["reason"]: tuple(_full(name) for name in group["tests"]) for group in groups},
        tuple(_full(name) for name in known["smoke"]))


def plain(test: str) -> str:
    """The name without the tags that tempest puts behind it."""
    return re.sub(r"\[.*\]$", "", test)


def _full(name: str) -> str:
    return f"tempest.{name}" if name.startswith("serial_tests.") else f"tempest.api.{name}"


def _is(test: str, name: str) -> bool:
    """Is ``test`` the one that ``name`` names, or below it?"""
    return plain(test) == name or plain(test).startswith(f"{name}.")
