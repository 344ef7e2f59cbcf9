# SPDX-License-Identifier: Apache-2.0
"""Parts of schemas that several resources use. What belongs to one resource stands in its file."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

MAX_INT = 0x7FFFFFFF

NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
UUID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string"}
#: A query value that is a number of zero or more, as text.
NUMBER: Schema = {"type": "string", "pattern": "^[0-9]*$"}

_TRUE = ("True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t")
_FALSE = ("False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f")
BOOLEAN: Schema = {"type": ["boolean", "string"], "enum": [True, *_TRUE, False, *_FALSE]}


def is_true(value: Any) -> bool:
    """The meaning of a value that met :data:`BOOLEAN`."""
    return value is True or value in _TRUE


def integer(minimum: int = 0, maximum: int = MAX_INT) -> Schema:
    """A whole number, or the same as text; :func:`to_int` reads it and checks text against the bounds too."""
    return {"type": ["integer", "string"], "pattern": "^-?[0-9]+$" if minimum < 0 else "^[0-9]+$",
            "minimum": minimum, "maximum": maximum, "minLength": 1, "maxLength": 19}


def object_of(properties: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with these members and no others."""
    # The order of the keywords decides which of several errors is told.
    needed: Schema = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False, **more}


def wrapped(name: str, inner: Schema) -> Schema:
    """``{name: inner}``, as bodies come."""
    return object_of({name: inner}, (name,))


#: Keys and values that users attach to things.
METADATA: Schema = {"type": "object", "additionalProperties": False,
                    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}}}

PAGING = {"limit": NUMBER, "marker": TEXT}
