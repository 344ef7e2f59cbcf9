# SPDX-License-Identifier: Apache-2.0
"""Limits and usage of projects. Usage moves by one conditional UPDATE whose row count decides; it cannot be passed.

The words of a refusal and the resolution of limits are in :mod:`nova.quota`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, UniqueConstraint

from nova.db.api import metadata
from nova.db.schema import BigId, Name, Time, db_now, insert_or_leave, table

#: Limits of a project, or of one user in it; ``user_id`` is '' for the project itself.
quotas = table(
    "quotas", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name, nullable=False, default=""),
    Column("resource", sa.String(64), nullable=False),
    Column("hard_limit", sa.Integer, nullable=False),
    Column("updated_at", Time),
    UniqueConstraint("project_id", "user_id", "resource"),
)

quota_classes = table(
    "quota_classes", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("class_name", Name, nullable=False),
    Column("resource", sa.String(64), nullable=False),
    Column("hard_limit", sa.Integer, nullable=False),
    Column("updated_at", Time),
    UniqueConstraint("class_name", "resource"),
)

quota_usages = table(
    "quota_usages", metadata,
    Column("project_id", Name, primary_key=True),
    Column("resource", sa.String(64), primary_key=True),
    Column("used", sa.BigInteger, nullable=False, default=0),
)

Q, C, U = quotas.c, quota_classes.c, quota_usages.c
UNLIMITED = -1


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What the database says about a project: limits that are set, and usage by resource."""

    of_class: dict[str, int]
    of_project: dict[str, int]
    of_user: dict[str, int]
    used: dict[str, int]


#: Built once: putting the expression together costs more than running it.
_STATE = sa.union_all(
    sa.select(Q.user_id, Q.resource, Q.hard_limit).where(
        Q.project_id == sa.bindparam("project"), Q.user_id.in_(["", sa.bindparam("user")])),
    sa.select(sa.literal("/class"), C.resource, C.hard_limit).where(C.class_name == sa.bindparam("class_name")),
    sa.select(sa.literal("/used"), U.resource, U.used).where(U.project_id == sa.bindparam("project")))


def state(conn: sa.Connection, project_id: str, user_id: str = "", class_name: str = "default") -> State:
    """Limits and usage in one select; ``user_id`` adds the limits of that user in the project."""
    found = State({}, {}, {}, {})
    kinds = {"/class": found.of_class, "/used": found.used, "": found.of_project}
    asked = {"project": project_id, "user": user_id, "class_name": class_name}
    for kind, resource, value in conn.execute(_STATE, asked):
        kinds.get(kind, found.of_user)[resource] = value
    return found


def class_limits(conn: sa.Connection, class_name: str) -> dict[str, int]:
    rows = conn.execute(sa.select(C.resource, C.hard_limit).where(C.class_name == class_name))
    return {resource: limit for resource, limit in rows}


def set_limits(conn: sa.Connection, project_id: str, user_id: str, values: Mapping[str, int]) -> None:
    _set(conn, quotas, {"project_id": project_id, "user_id": user_id}, values)


def set_class_limits(conn: sa.Connection, class_name: str, values: Mapping[str, int]) -> None:
    _set(conn, quota_classes, {"class_name": class_name}, values)


def _set(conn: sa.Connection, target: sa.Table, key: dict[str, Any], values: Mapping[str, int]) -> None:
    for resource, limit in sorted(values.items()):
        row = {**key, "resource": resource}
        update = target.update().where(*(target.c[k] == v for k, v in row.items()))
        changed = {"hard_limit": limit, "updated_at": db_now()}
        if not conn.execute(update.values(changed)).rowcount:
            insert_or_leave(conn, target, [{**row, "hard_limit": limit}])
            conn.execute(update.values(changed))


def clear_limits(conn: sa.Connection, project_id: str, user_id: str | None = None) -> None:
    """Back to the defaults: one user's limits, or the project's with those of all its users."""
    query = quotas.delete().where(Q.project_id == project_id)
    conn.execute(query if user_id is None else query.where(Q.user_id == user_id))


def limits_of_users(conn: sa.Connection, project_id: str, *, besides: str = "") -> dict[str, int]:
    """What the limits of single users add up to, by resource; limits of −1 do not count."""
    rows = conn.execute(sa.select(Q.resource, sa.func.sum(Q.hard_limit)).where(
        Q.project_id == project_id, Q.user_id.not_in(["", besides]), Q.hard_limit > 0).group_by(Q.resource))
    return {resource: int(total) for resource, total in rows}


def usages(conn: sa.Connection, project_id: str) -> dict[str, int]:
    rows = conn.execute(sa.select(U.resource, U.used).where(U.project_id == project_id))
    return {resource: used for resource, used in rows}


def charge(conn: sa.Connection, project_id: str, amounts: Mapping[str, int], limits: Mapping[str, int],
           known: Collection[str] = ()) -> bool:
    """Add ``amounts`` if every sum stays within its limit (−1: none). False: it does not, and the caller rolls back.

    All resources move in one statement. ``known`` are resources that are sure to have a row; the others get one.
    """
    amounts = {resource: n for resource, n in sorted(amounts.items()) if n}
    if not amounts:
        return True
    missing = [resource for resource in amounts if resource not in known]
    if missing:
        insert_or_leave(conn, quota_usages, [{"project_id": project_id, "resource": r, "used": 0} for r in missing])
    bounded = tuple(r for r in amounts if limits.get(r, UNLIMITED) >= 0)
    values = {"project": project_id} | {f"add_{r}": n for r, n in amounts.items()} | {
        f"limit_{r}": limits[r] for r in bounded}
    return conn.execute(_charge_statement(tuple(amounts), bounded), values).rowcount == len(amounts)


@functools.lru_cache(maxsize=256)
def _charge_statement(resources: tuple[str, ...], bounded: tuple[str, ...]) -> sa.Update:
    added = sa.case({r: sa.bindparam(f"add_{r}", type_=sa.BigInteger) for r in resources}, value=U.resource)
    query = quota_usages.update().where(U.project_id == sa.bindparam("project"), U.resource.in_(list(resources)))
    if bounded:
        room = sa.case({r: sa.bindparam(f"limit_{r}", type_=sa.BigInteger) for r in bounded}, value=U.resource)
        query = query.where(sa.or_(U.resource.not_in(list(bounded)), U.used + added <= room))
    return query.values(used=U.used + added)


def release(conn: sa.Connection, project_id: str, amounts: Mapping[str, int]) -> None:
    """Take ``amounts`` back; never below zero."""
    amounts = {resource: n for resource, n in sorted(amounts.items()) if n}
    if amounts:
        less = {f"less_{resource}": n for resource, n in amounts.items()}
        conn.execute(_release_statement(tuple(amounts)), {"project": project_id} | less)


@functools.lru_cache(maxsize=256)
def _release_statement(resources: tuple[str, ...]) -> sa.Update:
    less = sa.case({r: sa.bindparam(f"less_{r}", type_=sa.BigInteger) for r in resources}, value=U.resource)
    return quota_usages.update().where(
        U.project_id == sa.bindparam("project"), sa.or_(sa.false(), *(U.resource == r for r in resources))).values(
        used=sa.case((U.used > less, U.used - less), else_=0))


def correct(conn: sa.Connection, project_id: str, resource: str, seen: int, actual: int) -> bool:
    """Set a usage that an audit has recounted, unless it has moved since it was ``seen``."""
    insert_or_leave(conn, quota_usages, [{"project_id": project_id, "resource": resource, "used": 0}])
    return conn.execute(quota_usages.update().where(U.project_id == project_id, U.resource == resource, U.used == seen)
                        .values(used=actual)).rowcount == 1
