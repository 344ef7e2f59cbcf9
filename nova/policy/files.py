# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the policy file of an operator. Reading it for use stands in :mod:`nova.policy`."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Iterator, Mapping

import yaml

from nova import errors
from nova.policy import checks, read


class Level(enum.IntEnum):
    """How bad a problem is."""

    WARNING = 1
    ERROR = 2


@dataclasses.dataclass(frozen=True)
class Problem:
    level: Level
    rule: str
    text: str


def problems(path: pathlib.Path, defaults: Mapping[str, str]) -> list[Problem]:
    """All problems of one file; ``defaults`` are the rules that the code asks for, as text."""
    try:
        rules = read(path)
    except errors.ConfigError as e:
        return [Problem(Level.ERROR, "", e.message)]
    found = [*(Problem(Level.ERROR, name, "is written twice; only the last one counts") for name in _twice(path))]
    for name, text in rules.items():
        found += _of_rule(name, text, rules, defaults)
    if not any(problem.level is Level.ERROR for problem in found):
        found += _as_a_whole({**defaults, **rules})
    return found


def _of_rule(name: str, text: str, rules: Mapping[str, str], defaults: Mapping[str, str]) -> Iterator[Problem]:
    try:
        check = checks.parse(name, text)
    except errors.ConfigError:
        yield Problem(Level.ERROR, name, f"{text!r} cannot be understood")
        return
    if name not in defaults and not _named_by_others(name, rules):
        yield Problem(Level.ERROR, name, "nothing asks for this rule; is the name right?")
    for other in sorted(checks.references(check) - set(rules) - set(defaults)):
        yield Problem(Level.ERROR, name, f"refers to the rule {other}, which does not exist; it denies")
    if name in defaults and str(checks.parse(name, defaults[name])) == str(check):
        yield Problem(Level.WARNING, name, "is the same as the default; the entry can go")


def _named_by_others(name: str, rules: Mapping[str, str]) -> bool:
    """A file may have rules of its own that its other rules are made of."""
    for other, text in rules.items():
        try:
            if other != name and name in checks.references(checks.parse(other, text)):
                return True
        except errors.ConfigError:
            continue
    return False


def _as_a_whole(texts: Mapping[str, str]) -> Iterator[Problem]:
    """What only shows when all rules are put together: circles, and checks that call out."""
    try:
        checks.compile_rules(texts)
    except errors.ConfigError as e:
        yield Problem(Level.ERROR, "", e.message)


def _twice(path: pathlib.Path) -> list[str]:
    """Keys that stand in the file more than once; the YAML library keeps the last without a word."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return []
    names = [str(key.value) for key, _ in node.value]
    return sorted({name for name in names if names.count(name) > 1})
