# SPDX-License-Identifier: Apache-2.0
"""Users, groups and who is in which group."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.identity import Id
from nova.db.api.identity_projects import domains

users = schema.table(
    "identity_users", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("domain_id", Id, sa.ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", schema.Name, nullable=False),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("password_hash", sa.String(255), nullable=True),
    sa.Column("password_changed_at", schema.Time, nullable=True),
    sa.Column("generation", sa.Integer, nullable=False, default=0,
              comment="tokens carry it; raised to make all tokens of the user void"),
    sa.Column("default_project_id", Id, nullable=True, index=True),
    sa.Column("options", schema.Json, nullable=False, default=dict),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
    sa.UniqueConstraint("domain_id", "name"),
)

groups = schema.table(
    "identity_groups", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("domain_id", Id, sa.ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", schema.Name, nullable=False),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
    sa.UniqueConstraint("domain_id", "name"),
)

members = schema.table(
    "identity_group_members", metadata,
    sa.Column("group_id", Id, sa.ForeignKey("identity_groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("identity_users.id", ondelete="CASCADE"), primary_key=True, index=True),
)


_WITH_DOMAIN = sa.select(
    users, domains.c.name.label("domain_name"), domains.c.enabled.label("domain_enabled"),
).join(domains, domains.c.id == users.c.domain_id)
_BY_ID = _WITH_DOMAIN.where(users.c.id == sa.bindparam("user_id"))


def with_domain(conn: sa.Connection, *, user_id: str | None = None, name: str | None = None,
                domain_id: str | None = None, domain_name: str | None = None) -> sa.Row[Any] | None:
    """The user with the domain's name and state, by id or by name within a domain."""
    if user_id is not None:
        return conn.execute(_BY_ID, {"user_id": user_id}).first()
    query = _WITH_DOMAIN.where(users.c.name == name)
    query = query.where(domains.c.id == domain_id if domain_id is not None else domains.c.name == domain_name)
    return conn.execute(query).first()


def raise_generation(conn: sa.Connection, user_id: str) -> None:
    """Make every token of the user void."""
    conn.execute(sa.update(users).where(users.c.id == user_id).values(generation=users.c.generation + 1))


def group_users(conn: sa.Connection, group_id: str) -> list[sa.Row[Any]]:
    query = sa.select(users).join(members, members.c.user_id == users.c.id).where(members.c.group_id == group_id)
    return list(conn.execute(query.order_by(users.c.name)).all())


def user_groups(conn: sa.Connection, user_id: str) -> list[sa.Row[Any]]:
    query = sa.select(groups).join(members, members.c.group_id == groups.c.id).where(members.c.user_id == user_id)
    return list(conn.execute(query.order_by(groups.c.name)).all())


def memberships(conn: sa.Connection) -> list[tuple[str, str]]:
    """(group id, user id) of all."""
    return [(row.group_id, row.user_id) for row in conn.execute(sa.select(members))]


def is_member(conn: sa.Connection, group_id: str, user_id: str) -> bool:
    query = sa.select(members.c.user_id).where(members.c.group_id == group_id, members.c.user_id == user_id)
    return conn.execute(query).first() is not None


def add_member(conn: sa.Connection, group_id: str, user_id: str) -> None:
    if not is_member(conn, group_id, user_id):
        conn.execute(sa.insert(members).values(group_id=group_id, user_id=user_id))


def remove_member(conn: sa.Connection, group_id: str, user_id: str) -> bool:
    query = sa.delete(members).where(members.c.group_id == group_id, members.c.user_id == user_id)
    return conn.execute(query).rowcount > 0
