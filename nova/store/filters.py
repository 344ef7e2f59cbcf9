# SPDX-License-Identifier: Apache-2.0
"""Filters of server lists, once as SQL and once over plain rows (for servers that only have a build request).

Names are columns of ``instances`` or one of: ``name_regex``, ``statuses`` (list of status words), ``tags_all``,
``tags_any``, ``not_tags_all``, ``not_tags_any``, ``ip_regex``, ``ip6_regex``, ``changes_since``, ``changes_before``,
``locked``, ``metadata`` (dict), ``uuids``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import orjson
import sqlalchemy as sa

from nova import errors, states
from nova.db import regex
from nova.db.cell.instances import instances
from nova.store.query import Query

T = instances.c


@functools.total_ordering
class Reverse:
    """Sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reverse) and bool(self.value == other.value)

    def __lt__(self, other: Reverse) -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def sort_value(value: Any) -> tuple[int, Any]:
    """Nothing comes first."""
    return (0, 0) if value is None else (1, value)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _regex_sql(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    regex.compile(text)
    if re.fullmatch(r"([\w :@.-]|\\\.)*", text):  # words and dots: a LIKE is the same, and engines are fast at it
        likes = "_".join(_like(part) for part in text.replace(r"\.", "\0").split(".")).replace("\0", ".")
        return column.ilike(f"%{likes}%", escape="\\")
    return regex.regex_match(column, text)


def _status_sql(wanted: list[str]) -> sa.ColumnElement[bool]:
    choices: list[sa.ColumnElement[bool]] = []
    for word in wanted:
        for vm_state, tasks in states.states_of(word):
            if tasks is not None:
                choices.append(sa.and_(T.vm_state == vm_state, T.task_state.in_([t for t in tasks if t])))
                continue
            others = states.tasks_shown_otherwise(vm_state)
            free = sa.or_(T.task_state.is_(None), T.task_state.not_in(others)) if others else sa.true()
            choices.append(sa.and_(T.vm_state == vm_state, free))
    return sa.or_(*choices) if choices else sa.false()


def _tag_sql(tag: str) -> sa.ColumnElement[bool]:
    """Tags are a JSON list of words, so a word is found by the text that stands for it there."""
    return regex.text_holds(sa.type_coerce(T.tags, sa.Text), orjson.dumps(tag).decode())


_SPECIAL: dict[str, Callable[[Any], sa.ColumnElement[bool]]] = {
    "name_regex": lambda v: _regex_sql(T.display_name, v),
    "hostname_regex": lambda v: _regex_sql(T.hostname, v),
    "ip_regex": lambda v: _regex_sql(T.addresses, v),
    "ip6_regex": lambda v: _regex_sql(T.addresses, v),
    "statuses": _status_sql,
    "uuids": lambda v: T.uuid.in_(v),
    "tags_all": lambda v: sa.and_(*(_tag_sql(t) for t in v)),
    "tags_any": lambda v: sa.or_(*(_tag_sql(t) for t in v)),
    "not_tags_all": lambda v: sa.not_(sa.and_(*(_tag_sql(t) for t in v))),
    "not_tags_any": lambda v: sa.not_(sa.or_(*(_tag_sql(t) for t in v))),
    "soft_deleted": lambda v: T.vm_state == states.SOFT_DELETED if v else T.vm_state != states.SOFT_DELETED,
    "changes_since": lambda v: T.updated_at >= v,
    "changes_before": lambda v: T.updated_at <= v,
    "locked": lambda v: T.locked_by.is_not(None) if v else T.locked_by.is_(None),
    "metadata": lambda v: sa.and_(*(T.metadata[k].as_string() == str(x) for k, x in v.items())),
}


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """The WHERE of a page."""
    where: list[sa.ColumnElement[bool]] = []
    if query.project_id is not None:
        where.append(T.project_id == query.project_id)
    if query.deleted is not None:
        where.append(T.deleted.is_(query.deleted))
    for name, value in query.filters.items():
        if name in _SPECIAL:
            where.append(_SPECIAL[name](value))
        elif name not in instances.columns:
            raise errors.Invalid(f"Servers cannot be filtered by {name}.")
        elif isinstance(value, list | tuple | set):
            where.append(T[name].in_(list(value)))
        else:
            where.append(T[name].is_(None) if value is None else T[name] == value)
    return where


def _has(row: dict[str, Any], tags: list[str]) -> list[bool]:
    return [t in row["tags"] for t in tags]


def _ips(row: dict[str, Any]) -> str:
    return "\n".join(ip["address"] for vif in row.get("network_info") or [] for ip in vif["ips"])


_PLAIN: dict[str, Callable[[dict[str, Any], Any], bool]] = {
    "name_regex": lambda row, v: bool(regex.compile(v).search(row["display_name"])),
    "hostname_regex": lambda row, v: bool(regex.compile(v).search(row.get("hostname") or "")),
    "ip_regex": lambda row, v: bool(regex.compile(v).search(_ips(row))),
    "ip6_regex": lambda row, v: bool(regex.compile(v).search(_ips(row))),
    "statuses": lambda row, v: states.status(row["vm_state"], row["task_state"]) in v,
    "uuids": lambda row, v: row["uuid"] in v,
    "tags_all": lambda row, v: all(_has(row, v)),
    "tags_any": lambda row, v: any(_has(row, v)),
    "not_tags_all": lambda row, v: not all(_has(row, v)),
    "not_tags_any": lambda row, v: not any(_has(row, v)),
    "soft_deleted": lambda row, v: (row["vm_state"] == states.SOFT_DELETED) == v,
    "changes_since": lambda row, v: row["updated_at"] >= v,
    "changes_before": lambda row, v: row["updated_at"] <= v,
    "locked": lambda row, v: (row.get("locked_by") is not None) == v,
    "metadata": lambda row, v: all(row["metadata"].get(k) == str(x) for k, x in v.items()),
}


def matches(row: dict[str, Any], filters: dict[str, Any]) -> bool:
    """The same filters over one plain row."""
    for name, value in filters.items():
        if name in _PLAIN:
            if not _PLAIN[name](row, value):
                return False
        elif isinstance(value, list | tuple | set):
            if row.get(name) not in value:
                return False
        elif row.get(name) != value:
            return False
    return True
