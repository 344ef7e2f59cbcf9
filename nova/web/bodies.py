# SPDX-License-Identifier: Apache-2.0
"""JSON bodies: read within bounds, never trusted. What may stand in them is checked by :mod:`nova.web.validation`."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from nova import errors

MAX_DEPTH = 32
_KEY_ENDS = re.compile(rb'"[ \t\r\n]*:')
_MALFORMED = "Malformed request body"


def parse(raw: bytes) -> Any:
    """The value in ``raw``. Raises :class:`errors.Invalid` for bad syntax, deep nesting, repeated keys and NUL.

    NUL is refused because PostgreSQL cannot store it; a repeated key because two readers would see two bodies.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as e:
        raise errors.Invalid(_MALFORMED) from e
    keys, nul = _survey(value, b"\\u0000" in raw)
    if nul:
        raise errors.Invalid("Malformed request body: the NUL character is not allowed")
    if len(_KEY_ENDS.findall(raw)) != keys:  # there may be more in texts, but never fewer
        _refuse_repeated_keys(raw)
    return value


def _survey(value: Any, look_for_nul: bool) -> tuple[int, bool]:
    """How many keys there are in all objects, and whether a string holds NUL."""
    keys, nul = 0, False
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise errors.Invalid(f"Malformed request body: nested deeper than {MAX_DEPTH} levels")
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                keys += len(item)
                below.extend(item.values())
                if look_for_nul:
                    below.extend(item.keys())
            elif isinstance(item, list):
                below.extend(item)
            elif look_for_nul and isinstance(item, str) and "\0" in item:
                nul = True
        level = below
    return keys, nul


def _refuse_repeated_keys(raw: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        if len(seen) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise errors.Invalid(f"Malformed request body: the key '{twice[:100]}' is repeated in one object")
        return seen

    json.loads(raw, object_pairs_hook=once)
