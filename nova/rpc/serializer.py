# SPDX-License-Identifier: Apache-2.0
"""What may cross the bus: JSON, versioned objects, and lists of them as an argument or result. Nothing else.

Which arguments are objects is said beside them, so data of a user never turns into an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from nova.context import RequestContext
from nova.objects import base
from nova.objects.backport import ALL

__all__ = ["ALL", "Serializer", "dumps", "loads"]

ONE, MANY = "object", "objects"
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def dumps(value: Any) -> str:
    """JSON text. Raises TypeError for what is not JSON, objects in a nested place included."""
    try:
        return orjson.dumps(value, option=_OPTIONS).decode()
    except orjson.JSONEncodeError as e:
        raise TypeError(f"this cannot cross the bus: {e}") from e


def loads(text: str | bytes) -> Any:
    return orjson.loads(text)


class Serializer:
    """Turns arguments and results into JSON values and back; ``backport`` is asked about objects that are too new."""

    def __init__(self, backport: base.Backport | None = None) -> None:
        self._backport = backport

    def plain(self, value: Any) -> tuple[Any, str | None]:
        """The value as JSON, and what it was if it was made of objects."""
        if isinstance(value, base.NovaObject):
            return value.obj_to_primitive(), ONE
        if isinstance(value, list | tuple) and value and isinstance(value[0], base.NovaObject):
            return [v.obj_to_primitive() if isinstance(v, base.NovaObject) else v for v in value], MANY
        return value, None

    def real(self, value: Any, kind: str | None, context: RequestContext | None) -> Any:
        if kind == ONE:
            return base.from_primitive(value, context, self._backport)
        if kind == MANY:
            return [base.from_primitive(v, context, self._backport) for v in value]
        return value

    def plain_args(self, args: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        plain: dict[str, Any] = {}
        kinds: dict[str, str] = {}
        for name, value in args.items():
            plain[name], kind = self.plain(value)
            if kind:
                kinds[name] = kind
        return plain, kinds

    def real_args(self, args: dict[str, Any], kinds: Mapping[str, str], context: RequestContext) -> dict[str, Any]:
        for name, kind in kinds.items():
            args[name] = self.real(args[name], kind, context)
        return args
