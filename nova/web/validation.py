# SPDX-License-Identifier: Apache-2.0
"""Schemas of bodies and queries (JSON Schema draft 4): compiled when first used, refused in known words.

The verdict comes from ``jsonschema_rs``, which is fast; its text from ``jsonschema``, loaded only then.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import jsonschema_rs

from nova import errors
from nova.web import timestamps
from nova.web.routing import Schemas
from nova.web.versions import Version
from nova.web.versions import parse as parse_version

_UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")


def _parses(fn: Callable[[str], Any], *failures: type[Exception]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            fn(value)
        except failures:
            return False
        return True

    return check


#: Formats that schemas may name beside the standard ones. A front may add its own to this table before it is built.
FORMATS: dict[str, Callable[[Any], bool]] = {
    "uuid": lambda v: not isinstance(v, str) or bool(_UUID.match(v)),
    "date-time": _parses(timestamps.parse, errors.Invalid),
    "ipv4": _parses(ipaddress.IPv4Address, ValueError),
    "ipv6": _parses(ipaddress.IPv6Address, ValueError),
    "ip": _parses(ipaddress.ip_address, ValueError),
    "cidr": _parses(lambda v: ipaddress.ip_network(v, strict=False), ValueError),
    "base64": _parses(base64.b64decode, ValueError),  # characters outside the alphabet are passed over, as ever
}


def _is_name(text: str) -> bool:
    """Something to read, without spaces around it: printable characters, and blanks of any script inside."""
    return bool(text) and text == text.strip() and all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


FORMATS["name"] = _is_name

#: Of so many faults the one that says most is told; a list of thousands may have as many.
_ENOUGH = 100
#: What is said of a value that fails a format, where the library's own words would not help.
MESSAGES = {
    "name": "An invalid 'name' value was provided. The name must be: printable characters. "
            "Can not start or end with whitespace.",
}


def query(properties: dict[str, Any], *, strict: bool = False,
          patterns: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of a query string. Every parameter may be repeated; each value is text and must meet its schema.

    Not strict: unknown parameters are dropped. Strict: they are refused.
    """
    def each(schemas: dict[str, Any]) -> dict[str, Any]:
        return {name: {"type": "array", "items": schema} for name, schema in schemas.items()}

    return {"type": "object", "properties": each(properties), "patternProperties": each(patterns or {}),
            "additionalProperties": not strict}


class Validator:
    """One schema for bodies or for queries (``what``), compiled on first use."""

    def __init__(self, schema: dict[str, Any], *, is_query: bool = False) -> None:
        self.schema = schema
        self._is_query = is_query
        self._fast: Any = None
        self._known: set[str] = set(schema.get("properties", ()))
        self._patterns = [re.compile(p) for p in schema.get("patternProperties", ())]
        self._drop = is_query and schema.get("additionalProperties", True) is True

    def check(self, value: Any) -> None:
        """Raise :class:`errors.Invalid` in the words of the wire unless ``value`` meets the schema."""
        if self._fast is None:
            self._fast = jsonschema_rs.Draft4Validator(
                self.schema, formats={k: _tolerant(v) for k, v in FORMATS.items()}, validate_formats=True)
        if not self._fast.is_valid(value):
            raise errors.Invalid(self._explain(value))

    def clean_query(self, args: dict[str, list[str]]) -> dict[str, list[str]]:
        """Check, and leave out parameters that the schema does not know (a strict schema has refused them)."""
        self.check(args)
        if not self._drop:
            return args
        return {k: v for k, v in args.items() if k in self._known or any(p.search(k) for p in self._patterns)}

    def _explain(self, value: Any) -> str:
        import jsonschema  # 60 ms and 10 MiB that a process needs only after the first bad request
        from jsonschema.exceptions import best_match

        checker = jsonschema.FormatChecker(formats=())
        for name, fn in FORMATS.items():
            checker.checks(name)(_tolerant(fn))
        faults = jsonschema.Draft4Validator(self.schema, format_checker=checker).iter_errors(value)
        found = list(itertools.islice(faults, _ENOUGH))
        try:
            return self._words(best_match(found))
        finally:
            for error in found:
                _dissolve(error)

    def _words(self, error: Any) -> str:
        if error is None:
            return "Invalid input"
        if error.validator == "format" and error.validator_value in MESSAGES:
            name = error.absolute_path[-1] if error.absolute_path else ""
            told = MESSAGES[error.validator_value]
            return f"Invalid input for field/attribute {name}. Value: {_short(str(error.instance))}. {told}"
        # What was sent is repeated, but not at any length.
        message = str(error.message).replace(repr(error.instance), _short(repr(error.instance)))
        path = error.absolute_path
        if not path:
            return message
        kind, name = ("query parameters", path[0]) if self._is_query else ("field/attribute", path[-1])
        return f"Invalid input for {kind} {name}. Value: {_short(str(error.instance))}. {message}"


def _dissolve(error: Any) -> None:
    """An error and those in its context know each other. Thousands of them, which a long list can have, would outlive
    several passes of the collector."""
    for inner in error.context:
        _dissolve(inner)
        inner.parent = None


def _short(text: str) -> str:
    return text if len(text) <= 1000 else text[:1000] + "…"


def _tolerant(fn: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A format says nothing about what is not text; its type is another keyword's business."""
    return lambda value: not isinstance(value, str) or fn(value)


class VersionedValidators:
    """The schemas of a route by microversion."""

    def __init__(self, schemas: Schemas, *, is_query: bool = False) -> None:
        if isinstance(schemas, dict):
            schemas = (("0.0", None, schemas),) if schemas else ()
        self._ranges = [(_bound(first), _bound(last) if last else None, Validator(schema, is_query=is_query))
                        for first, last, schema in schemas or ()]

    def at(self, version: Version) -> Validator | None:
        for first, last, validator in self._ranges:
            if first <= version and (last is None or version <= last):
                return validator
        return None


def _bound(text: str) -> Version:
    return Version(0, 0) if text == "0.0" else parse_version(text)


def forgiven(schema: dict[str, Any], value: Any) -> Any:
    """``value`` less the object members that ``schema`` forbids as additional and the blanks around names: the leniency
    of the old /v2 front."""
    if isinstance(value, str):
        return value.strip() if schema.get("format") == "name" else value
    if isinstance(value, dict):
        known = schema.get("properties", {})
        if schema.get("additionalProperties") is False:
            patterns = [re.compile(p) for p in schema.get("patternProperties", ())]
            value = {k: v for k, v in value.items() if k in known or any(p.search(k) for p in patterns)}
        return {k: forgiven(known[k], v) if k in known else v for k, v in value.items()}
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [forgiven(schema["items"], v) for v in value]
    return value
