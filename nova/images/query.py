# SPDX-License-Identifier: Apache-2.0
"""List questions: filters, sort keys and markers in the form of the Image API, as conditions on the images table."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import images as db
from nova.images import model

SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
SORT_DIRS = ("asc", "desc")
_IN_ATTRIBUTES = ("id", "name", "status", "container_format", "disk_format")
_TEXT_ATTRIBUTES = (*_IN_ATTRIBUTES, "owner", "checksum", "os_hash_algo", "os_hash_value")
_NUMBERS = ("size", "virtual_size", "min_disk", "min_ram")
_TIMES = ("created_at", "updated_at")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq,
    "neq": operator.ne}
_MAX_VALUE = 65535


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """A list question: ``filters`` (name, value) as the client wrote them, ``sort`` (key, direction)."""

    filters: Sequence[tuple[str, str]] = ()
    sort: Sequence[tuple[str, str]] = ()
    limit: int | None = None
    marker: str | None = None

    def last(self, name: str) -> str | None:
        return next((v for n, v in reversed(self.filters) if n == name), None)


def parse_sort(keys: Sequence[str], dirs: Sequence[str], combined: str | None) -> list[tuple[str, str]]:
    """Sort pairs out of ``sort_key``/``sort_dir`` lists or of ``sort=name:asc,status``; the two do not mix."""
    if combined is not None:
        if keys or dirs:
            raise errors.Invalid("Old and new sorting syntax cannot be combined")
        parts = [p.strip().partition(":") for p in combined.split(",") if p.strip()]
        pairs = [(key, direction or "desc") for key, _, direction in parts]
    else:
        if len(dirs) > 1 and len(dirs) != len(keys):
            raise errors.Invalid("Number of sort dirs does not match the number of sort keys")
        each = list(dirs) if len(dirs) > 1 else [dirs[0] if dirs else "desc"] * max(len(keys), 1)
        pairs = list(zip(keys or ["created_at"], each, strict=True))
    for key, direction in pairs:
        if key not in SORT_KEYS:
            raise errors.Invalid(f"Invalid sort key: {key[:64]}. It must be one of: {', '.join(SORT_KEYS)}")
        if direction not in SORT_DIRS:
            raise errors.Invalid(f"Invalid sort direction: {direction[:64]}")
    return pairs


def order_columns(sort: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The sort pairs made a total order: created_at and id break ties in the direction of the last key."""
    pairs = list(dict(sort or [("created_at", "desc")]).items())
    for key in ("created_at", "id"):
        if key not in dict(pairs):
            pairs.append((key, pairs[-1][1]))
    return pairs


def _sortable(key: str) -> sa.ColumnElement[Any]:
    """Nulls compare as the smallest value on every engine."""
    column = db.images.c[key]
    if not column.nullable:
        return column
    return sa.func.coalesce(column, -1 if key == "size" else "")


def order_by(pairs: Iterable[tuple[str, str]]) -> list[sa.ColumnElement[Any]]:
    return [_sortable(k).asc() if d == "asc" else _sortable(k).desc() for k, d in pairs]


def after(pairs: Sequence[tuple[str, str]], marker: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """Rows that come after the marker's row in this order."""
    alternatives = []
    equal: list[sa.ColumnElement[bool]] = []
    for key, direction in pairs:
        value = marker[key]
        if value is None:
            value = -1 if key == "size" else ""
        column = _sortable(key)
        alternatives.append(sa.and_(*equal, column > value if direction == "asc" else column < value))
        equal.append(column == value)
    return sa.or_(*alternatives)


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """The WHERE of the filters; visibility and membership are not in it (see :mod:`nova.images.access`)."""
    found: list[sa.ColumnElement[bool]] = [db.images.c.deleted_at.is_(None)]
    if query.last("os_hidden") is None:
        found.append(db.images.c.os_hidden.is_(False))
    for name, value in query.filters:
        if len(value) > _MAX_VALUE or len(name) > 255:
            raise errors.Invalid("A filter of the list is too long")
        if "\x00" in name or "\x00" in value:
            raise errors.Invalid("A filter of the list contains characters that cannot be stored")
        if name not in ("visibility", "member_status"):
            found.append(_condition(name, value))
    return found


def _condition(name: str, value: str) -> sa.ColumnElement[bool]:
    columns = db.images.c
    if name in _IN_ATTRIBUTES and value.startswith("in:"):
        return columns[name].in_(_in_values(value))
    if name in _TEXT_ATTRIBUTES:
        _check_status(name, value)
        return columns[name] == value
    if name in ("protected", "os_hidden"):
        return columns[name].is_(_boolean(name, value))
    if name in _NUMBERS:
        return columns[name] == _number(name, value)
    if name in ("size_min", "size_max"):
        bound = _number(name, value)
        return columns.size >= bound if name == "size_min" else columns.size <= bound
    if name in _TIMES:
        return _time_condition(name, value)
    if name == "tag":
        tags = db.image_tags.c
        return sa.exists().where(tags.image_id == columns.id, tags.tag == value)
    if name in ("changes-since", "deleted", "is_public"):
        raise errors.Invalid(f"Filtering by {name} is not supported")
    properties = db.image_properties.c
    return sa.exists().where(properties.image_id == columns.id, properties.name == name, properties.value == value)


def _check_status(name: str, value: str) -> None:
    if name == "status" and value not in model.STATUSES:
        raise errors.Invalid(f"Invalid status value: {value[:64]}")


def _in_values(value: str) -> list[str]:
    """``in:a,b,"c,d"``: commas inside double quotes do not part."""
    text = value.removeprefix("in:")
    if not text or text.count('"') % 2:
        raise errors.Invalid("Invalid filter value: the list after 'in:' is empty or has an unclosed quote")
    return [v for row in csv.reader([text], skipinitialspace=True, strict=False) for v in row if v]


def _boolean(name: str, value: str) -> bool:
    try:
        return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
    except KeyError:
        raise errors.Invalid(f"Invalid value for {name}: it must be true or false") from None


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value[:20]) > 2**63 - 1:
        raise errors.Invalid(f"Invalid value for {name}: it must be a number that is not negative")
    return int(value)


def _time_condition(name: str, value: str) -> sa.ColumnElement[bool]:
    word, colon, rest = value.partition(":")
    if colon and word in _COMPARE:
        compare, text = _COMPARE[word], rest
    elif word.isalpha():
        raise errors.Invalid(f"Unable to filter by {name}: unknown operator {word[:16]}; "
                             f"use one of {', '.join(_COMPARE)}")
    else:
        compare, text = operator.eq, value
    column = db.images.c[name]
    moment = parse_time(name, text)
    if compare is operator.eq:  # the wire shows whole seconds, so equality means this second
        return sa.and_(column >= moment, column < moment + 1)
    if compare is operator.ne:
        return sa.or_(column < moment, column >= moment + 1)
    if compare in (operator.gt, operator.le):
        return column >= moment + 1 if compare is operator.gt else column < moment + 1
    condition: sa.ColumnElement[bool] = compare(column, moment)
    return condition


def parse_time(name: str, text: str) -> float:
    """Epoch seconds of an ISO 8601 time; one without a zone is UTC."""
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise errors.Invalid(f"Bad format for {name}: it must be an ISO 8601 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
