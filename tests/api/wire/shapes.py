# SPDX-License-Identifier: Apache-2.0
"""Shapes of JSON: which members an object has and of what kind they are, without their values.

In a shape, an object has the shape of each member; ``name?`` is one that not every item of a list had, ``{"*": …}`` an
object whose members users or hosts name. A list has the shape of its items, or nothing when it was empty. Kinds are
``text``, ``number``, ``bool`` and ``null``, several joined by ``|``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_KINDS = {str: "text", bool: "bool", int: "number", float: "number", type(None): "null"}


def differences(shape: Any, body: Any, where: str = "body") -> Iterator[str]:
    """What of ``body`` is not as ``shape`` says. What was null or an empty list may be anything now."""
    if isinstance(shape, dict):
        yield from _object(shape, body, where) if isinstance(body, dict) else [f"{where} is no object: {body!r:.80}"]
    elif isinstance(shape, list):
        if not isinstance(body, list):
            yield f"{where} is no list: {body!r:.80}"
        elif shape:
            for number, item in enumerate(body):
                yield from differences(shape[0], item, f"{where}[{number}]")
    else:
        kinds, kind = shape.split("|"), _KINDS.get(type(body), "object or list")
        if kinds != ["null"] and "any" not in kinds and kind not in kinds:
            yield f"{where} is {kind}, not {shape}"


def _object(shape: dict[str, Any], body: dict[str, Any], where: str) -> Iterator[str]:
    if "*" in shape:
        for name in sorted(body):
            yield from differences(shape["*"], body[name], f"{where}.{name}")
        return
    required = {name for name in shape if not name.endswith("?")}
    known = {name.removesuffix("?"): inner for name, inner in shape.items()}
    yield from (f"{where} lacks {name}" for name in sorted(required - set(body)))
    yield from (f"{where} has {name}" for name in sorted(set(body) - set(known)))
    for name in sorted(set(body) & set(known)):
        yield from differences(known[name], body[name], f"{where}.{name}")
