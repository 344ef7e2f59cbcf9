# SPDX-License-Identifier: Apache-2.0
"""Bodies that meet a schema, as small as can be. What they name need not exist."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.web.validation import Validator

UUID = "12345678-1234-4234-8234-123456789012"
#: Texts that meet one pattern or format or another.
_TEXTS = ("a", "1", "10.0.0.9", "fd00::9", "10.0.0.0/24", UUID, "2026-01-02T03:04:05Z",
          "YWJj", "ab", "", "True", "a" * 8)
#: What a schema that takes texts and numbers says of numbers.
_OF_NUMBERS = ("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def smallest(schema: dict[str, Any]) -> Any:
    """A value that meets ``schema`` with nothing in it that need not be there."""
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return smallest(schema[several][0])
    kind = schema.get("type", "null")
    if isinstance(kind, list):
        kind = next((k for k in ("object", "array", "string", "integer", "boolean") if k in kind), "null")
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return [smallest(schema["items"])] * schema.get("minItems", 0)
    if kind == "string":
        check = Validator({k: v for k, v in schema.items() if k not in _OF_NUMBERS})
        return next(text for text in _TEXTS if _meets(check, text))
    return {"integer": schema.get("minimum", 0), "number": 1, "boolean": True, "null": None}[kind]


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    wanted = list(schema.get("required", ()))
    if schema.get("minProperties", 0) > len(wanted):
        wanted += list(properties)[:1]
    made = {name: smallest(properties.get(name, {})) for name in wanted}
    if schema.get("minProperties", 0) > len(made):
        made["key"] = smallest(next(iter(schema["patternProperties"].values())))
    return made


def _meets(check: Validator, text: str) -> bool:
    try:
        check.check(text)
    except errors.Invalid:
        return False
    return True
