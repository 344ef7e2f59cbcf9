# SPDX-License-Identifier: Apache-2.0
"""Parts of schemas of the Networking API. Members that clients send by habit, and that say what is so anyway, pass."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
UUID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string", "maxLength": 255}
TRUE: Schema = {"type": ["boolean", "string", "null"], "enum": [True, "true", "True", None]}
BOOLEAN: Schema = {"type": ["boolean", "string"], "enum": [True, False, "true", "false", "True", "False"]}
PROJECT: Schema = {name: {"type": "string", "maxLength": 64} for name in ("project_id", "tenant_id")}
UUIDS: Schema = {"type": "array", "items": UUID, "maxItems": 100, "uniqueItems": True}
LIMIT: Schema = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "minimum": -1, "maximum": 0x7FFFFFFF}


def wrapped(name: str, members: Schema, required: tuple[str, ...] = ()) -> Schema:
    needed: Schema = {"required": list(required)} if required else {}
    inner: Schema = {"type": "object", "properties": members, **needed, "additionalProperties": False}
    return {"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": False}


def is_true(value: Any) -> bool:
    return value in (True, "true", "True")
