# SPDX-License-Identifier: Apache-2.0
"""Roles, which role implies which, and who has which role where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.identity import Id
from nova.db.api.identity_users import members

roles = schema.table(
    "identity_roles", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", schema.Name, nullable=False),
    sa.Column("domain_id", Id, nullable=False, default="", comment="empty: the role of the whole cloud"),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("options", schema.Json, nullable=False, default=dict),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
    sa.UniqueConstraint("name", "domain_id"),
)

implications = schema.table(
    "identity_role_implications", metadata,
    sa.Column("prior_id", Id, sa.ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("implied_id", Id, sa.ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True, index=True),
)

#: ``target_id`` of the system is ``all``. An inherited assignment holds in the projects below its target, not in it.
assignments = schema.table(
    "identity_assignments", metadata,
    sa.Column("actor_type", sa.String(8), primary_key=True),
    sa.Column("actor_id", Id, primary_key=True),
    sa.Column("target_type", sa.String(8), primary_key=True),
    sa.Column("target_id", Id, primary_key=True),
    sa.Column("role_id", Id, sa.ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("inherited", sa.Boolean, primary_key=True, default=False),
    sa.Index("ix_identity_assignments_target", "target_type", "target_id"),
)


def all_implications(conn: sa.Connection) -> list[tuple[str, str]]:
    return [(r.prior_id, r.implied_id) for r in conn.execute(sa.select(implications))]


def imply(conn: sa.Connection, prior_id: str, implied_id: str) -> None:
    if (prior_id, implied_id) not in all_implications(conn):
        conn.execute(sa.insert(implications).values(prior_id=prior_id, implied_id=implied_id))


def unimply(conn: sa.Connection, prior_id: str, implied_id: str) -> bool:
    where = (implications.c.prior_id == prior_id, implications.c.implied_id == implied_id)
    return conn.execute(sa.delete(implications).where(*where)).rowcount > 0


def _is(values: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [assignments.c[name] == value for name, value in values.items()]


def has_assignment(conn: sa.Connection, values: Mapping[str, Any]) -> bool:
    return conn.execute(sa.select(assignments.c.role_id).where(*_is(values))).first() is not None


def add_assignment(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    if not has_assignment(conn, values):
        conn.execute(sa.insert(assignments).values(dict(values)))


def remove_assignments(conn: sa.Connection, values: Mapping[str, Any]) -> int:
    """Delete the assignments whose columns equal ``values``; the number of them."""
    return int(conn.execute(sa.delete(assignments).where(*_is(values))).rowcount)


def find_assignments(conn: sa.Connection, values: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
    query = sa.select(assignments).where(*_is(values))
    return conn.execute(query.order_by(*assignments.primary_key.columns)).all()


def actor_is(user_id: Any) -> sa.ColumnElement[bool]:
    """The assignment is the user's own or that of a group the user is in."""
    groups = sa.select(members.c.group_id).where(members.c.user_id == user_id)
    return sa.or_(sa.and_(assignments.c.actor_type == "user", assignments.c.actor_id == user_id),
                  sa.and_(assignments.c.actor_type == "group", assignments.c.actor_id.in_(groups)))


def user_assignments(conn: sa.Connection, user_id: str) -> Sequence[sa.Row[Any]]:
    """All assignments of a user, also through groups."""
    return conn.execute(sa.select(assignments).where(actor_is(user_id))).all()


def _on(kind: Any, target_id: Any, inherited: bool) -> sa.ColumnElement[bool]:
    return sa.and_(assignments.c.target_type == kind, assignments.c.target_id == target_id,
                   assignments.c.inherited.is_(inherited))


#: Built once: every token that is looked up asks this, and building takes longer than asking.
_ROLE_IDS = sa.select(assignments.c.role_id).where(
    actor_is(sa.bindparam("user_id")),
    sa.or_(_on(sa.bindparam("kind"), sa.bindparam("target_id"), False),
           _on(sa.bindparam("above_kind"), sa.bindparam("above_id"), True)))


def role_ids(conn: sa.Connection, user_id: str, target: tuple[str, str],
             above: Sequence[tuple[str, str]] = ()) -> set[str]:
    """Roles of a user on ``target`` (type, id), with those inherited from the targets ``above`` it."""
    found: set[str] = set()
    for kind, target_id in above or (("", ""),):
        found |= set(conn.execute(_ROLE_IDS, {
            "user_id": user_id, "kind": target[0], "target_id": target[1], "above_kind": kind, "above_id": target_id,
        }).scalars())
    return found
