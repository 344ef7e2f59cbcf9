# SPDX-License-Identifier: Apache-2.0
"""Good requests, spoilt: each kind of bad input that a client can send, and what must be said to it."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
from typing import Any

from nova import errors
from nova.web import bodies
from nova.web.validation import Validator
from tests.api.compute.bodies import smallest

TEXTS = ("", " ", "é", "\u202e\u2028😀", "a" * 300, "a" * 70000, "' OR 1=1 --", "../../etc/passwd", "%s%n", "\x00",
         "True", "-1", "0", "1e400", "{{7*7}}", "<b>", "(((((((((((((((((((", "٣")
VALUES: tuple[Any, ...] = (None, True, 0, -1, 2**31, 2**63, 10**30, 1.5, -1e308, [], {}, [[]], [None] * 300,
                           {"a": {"b": []}}, list(range(3000)), *TEXTS)
IDS = ("é", "%2e%2e", "..", "a" * 500, "-1", "0", "9" * 25, "%00", "%ff", "%F0%9F%98%80", "a;b", "a%2Fb", "' OR 1=1 --",
       "00000000-0000-4000-8000-000000000000", "null", "{}", "*")
MEDIA = ("text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
         "json", "application/json-patch+json", "/", "application/json/x")
KINDS = ("wrong type", "missing", "extra", "optional", "optional", "null", "huge", "text", "twice", "deep", "media",
         "empty", "broken", "large", "good")
#: What a member may hold that a schema knows of and a client need not send.
WRONG: tuple[Any, ...] = (*VALUES, {"a": [{"b": {"c": [{"d": {"e": [[]]}}]}}]}, [[[[[[1]]]]]], ["\u202e😀"] * 40,
                          {"é" * 50: "\x00"})
BROKEN = (b"{", b"[1,", b'{"a":}', b"\xff\xfe{}", b"NaN", b"{'a': 1}", b'{"a": 1}}', b"\xef\xbb\xbf{}", b'"\\ud800"',
          b"\x00", b'{"a": Infinity}', b"nul", b'{"\\u0000": 1}')


@dataclasses.dataclass(frozen=True)
class Body:
    """``status``: what must be answered; None: whatever is documented."""

    kind: str
    raw: bytes
    media: str
    status: int | None


def spoil(draw: random.Random, good: Any, schema: dict[str, Any] | None, action: str | None) -> Body:
    """A body made from a good one."""
    kind = draw.choice(KINDS)
    raw, media = _text(good), "application/json"
    if kind == "media" and good is not None:
        return Body(kind, raw, draw.choice(MEDIA), 415)
    if kind == "large":
        return Body(kind, b'{"a": "' + b"a" * 120_000 + b'"}', media, 413)
    if kind == "empty":
        return Body(kind, b"", media, _expected(b"", schema, action))
    if kind == "broken":
        raw = draw.choice(BROKEN)
    elif kind == "deep":
        depth = draw.choice((33, 100, 1000, 20000))
        raw = draw.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))
    elif kind == "twice":
        raw = _twice(draw, good)
    elif kind == "optional":
        raw = _text(_filled(draw, json.loads(raw), schema or {}))
    else:
        raw = _text(_changed(draw, kind, json.loads(raw)))
    return Body(kind, raw, media, _expected(raw, schema, action))


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _expected(raw: bytes, schema: dict[str, Any] | None, action: str | None) -> int | None:
    try:
        value = bodies.parse(raw) if raw else None
        if action is not None and (not isinstance(value, dict) or list(value) != [action]):
            return 400
        if schema is not None:
            Validator(schema).check(value)
    except errors.Invalid:
        return 400
    return None


def _twice(draw: random.Random, good: Any) -> bytes:
    """One key two times, with spaces where JSON allows them."""
    if not isinstance(good, dict) or not good:
        return b'{"a" : 1, "a":2}'
    name = draw.choice(list(good))
    colon = draw.choice((":", " :", " : ", "\n:"))
    again = f"{json.dumps(name)}{colon}{json.dumps(good[name])}"
    return ("{" + json.dumps(good)[1:-1] + ", " + again + "}").encode()


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in ``value``."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, item in inner for place in _places(item, (*above, key)))]


def _filled(draw: random.Random, value: Any, schema: dict[str, Any]) -> Any:
    """With one to three members that the schema names and the value has not. Each may be right, so that what comes
    after the schema is reached, or wrong; and what a right one holds may have such members of its own."""
    for _ in range(draw.randint(1, 3)):
        holes = _holes(value, schema)
        if not holes:
            break
        inside, name, known = draw.choice(holes)
        inside[name] = _right(known) if draw.random() < 0.5 else copy.deepcopy(draw.choice(WRONG))
    return value


def _holes(value: Any, schema: dict[str, Any]) -> list[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Objects in ``value``, with the members that they might have and the schemas of these."""
    found: list[tuple[dict[str, Any], str, dict[str, Any]]] = []
    for part in (schema, *(part for several in ("oneOf", "anyOf", "allOf") for part in schema.get(several, ()))):
        if isinstance(value, dict):
            for name, known in part.get("properties", {}).items():
                found += _holes(value[name], known) if name in value else [(value, name, known)]
        elif isinstance(value, list) and isinstance(part.get("items"), dict):
            for item in value:
                found += _holes(item, part["items"])
    return found


def _right(schema: dict[str, Any]) -> Any:
    """As small as may be, but a list has something in it."""
    try:
        value = smallest(schema)
        if value == [] and schema.get("maxItems", 1) > 0:
            value = [smallest(schema.get("items", {}))]
    except StopIteration:
        return "a"  # a text of no kind that is known here
    return copy.deepcopy(value)


def _changed(draw: random.Random, kind: str, value: Any) -> Any:
    if kind == "good":
        return value
    place = draw.choice(_places(value))
    if kind == "extra":
        return _extended(draw, value, place)
    if not place:
        return draw.choice(VALUES)
    parent = value
    for key in place[:-1]:
        parent = parent[key]
    if kind == "missing":
        del parent[place[-1]]
    else:
        choices: dict[str, tuple[Any, ...]] = {"null": (None,), "text": TEXTS,
                                               "huge": ("a" * 70000, 10**30, [1] * 5000)}
        parent[place[-1]] = draw.choice(choices.get(kind, VALUES))
    return value


def _extended(draw: random.Random, value: Any, place: tuple[Any, ...]) -> Any:
    target = value
    for key in place:
        target = target[key]
    if isinstance(target, dict):
        target[draw.choice(("extra", "é", "", "__proto__", "a" * 300))] = draw.choice(VALUES)
    elif isinstance(target, list):
        target.append(draw.choice(VALUES))
    return value
