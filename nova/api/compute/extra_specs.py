# SPDX-License-Identifier: Apache-2.0
"""Checks extra specs of flavors against the table of those that are known. Unknown namespaces belong to operators."""

from __future__ import annotations

import dataclasses
import functools
import re

from nova import errors
from nova.api.compute import extra_spec_table

_TRUE_OR_FALSE = frozenset("true t yes y on 1 false f no n off 0".split())
_INTEGER = re.compile(r"[+-]?\d{1,18}")
#: What may stand for a parameter in a name.
_PARAMETERS = {"{id}": r"\d+", "{filter}": r"(?::\w+)*", "{key}": r".+", "{custom}": r"[A-Z0-9_]+",
               "{group}": r"[a-zA-Z0-9_-]{0,64}"}
_GROUPED = re.compile(r"(resources|trait)[a-zA-Z0-9_-]{0,64}")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One known extra spec. ``rest`` is what the table says beside the kind."""

    name: str
    kind: str
    rest: str

    def refusal(self, value: str) -> str | None:
        """Why ``value`` cannot be; None when it can."""
        if self.kind == "boolean":
            return None if value.strip().lower() in _TRUE_OR_FALSE else "it must be true or false"
        if self.kind == "integer":
            if not _INTEGER.fullmatch(value):
                return "it must be an integer"
            return f"it must be at least {self.rest}" if self.rest and int(value) < int(self.rest) else None
        if self.kind == "words":
            words = self.rest.split()
            return None if value in words else f"it must be one of {', '.join(words)}"
        if self.kind == "pattern":
            return None if re.fullmatch(self.rest, value) else f"it must match {self.rest}"
        return None


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every known extra spec, in the order of the table."""
    parsed = []
    for line in extra_spec_table.lines():
        name, kind, *rest = line.split(maxsplit=2)
        parsed.append(Entry(name, kind, rest[0].strip() if rest else ""))
    return tuple(parsed)


@functools.cache
def _namespaces() -> dict[str, tuple[dict[str, Entry], list[tuple[re.Pattern[str], Entry]]]]:
    """Namespace → entries by the rest of their name, and those with parameters there."""
    found: dict[str, tuple[dict[str, Entry], list[tuple[re.Pattern[str], Entry]]]] = {}
    for entry in entries():
        space, key = _split(entry.name.replace("{group}", ""))
        plain, patterns = found.setdefault(space, ({}, []))
        if "{" not in key:
            plain[key] = entry
            continue
        parts = re.split(r"(\{\w+\})", key)
        patterns.append((re.compile("".join(_PARAMETERS.get(part) or re.escape(part) for part in parts)), entry))
    return found


def _split(name: str) -> tuple[str, str]:
    space, colon, key = name.partition(":")
    return (space, key) if colon else ("", name)


def _find(name: str) -> Entry | None:
    """The entry of a name; Invalid when a known namespace has none."""
    space, key = _split(name)
    grouped = _GROUPED.fullmatch(space)
    known = _namespaces().get(grouped[1] if grouped else space)
    if known is None:
        return None
    plain, patterns = known
    entry = plain.get(key) or next((entry for pattern, entry in patterns if pattern.fullmatch(key)), None)
    if entry is None and space:
        raise errors.Invalid(f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec.")
    return entry


def check(name: str, value: str) -> None:
    """Raise :class:`errors.Invalid` for a key that a known namespace does not have, or a value that it cannot have."""
    entry = _find(name)
    reason = entry.refusal(value) if entry is not None else None
    if reason:
        raise errors.Invalid(f"Validation failed; '{value}' is not a valid value for extra spec '{name}': {reason}.")
