# SPDX-License-Identifier: Apache-2.0
"""Server groups and their members. ``generation`` rises with every member: two claims cannot both be last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index

from nova.db.api import metadata
from nova.db.schema import BigId, Json, Name, Time, Uuid, db_now, table

server_groups = table(
    "server_groups", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("name", Name, nullable=False),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("policy", sa.String(32), nullable=False),
    Column("rules", Json, nullable=False),
    Column("generation", sa.BigInteger, nullable=False, default=0),
    Column("created_at", Time, nullable=False),
    Index("ix_server_groups_project", "project_id"),
)

server_group_members = table(
    "server_group_members", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("group_uuid", Uuid, nullable=False),
    Column("instance_uuid", Uuid, nullable=False, unique=True),
    Index("ix_server_group_members_group", "group_uuid"),
)

G, M = server_groups.c, server_group_members.c
_REMOVE_MEMBER = server_group_members.delete().where(M.instance_uuid == sa.bindparam("b_uuid"))


def get(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
    """A group with its ``members`` (uuids of servers)."""
    row = conn.execute(sa.select(server_groups).where(G.uuid == uuid)).mappings().one_or_none()
    return dict(row) | {"members": members_of(conn, [uuid]).get(uuid, [])} if row else None


def page(conn: sa.Connection, project_id: str | None, *, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Groups of a project (None: of all), oldest first, with their members."""
    query = sa.select(server_groups).order_by(G.id).limit(limit).offset(offset)
    if project_id is not None:
        query = query.where(G.project_id == project_id)
    rows = [dict(row) for row in conn.execute(query).mappings()]
    members = members_of(conn, [row["uuid"] for row in rows])
    return [row | {"members": members.get(row["uuid"], [])} for row in rows]


def members_of(conn: sa.Connection, uuids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if uuids:
        query = sa.select(M.group_uuid, M.instance_uuid).where(M.group_uuid.in_(list(uuids))).order_by(M.id)
        for group, member in conn.execute(query):
            found.setdefault(group, []).append(member)
    return found


def group_of(conn: sa.Connection, instance_uuid: str) -> str | None:
    return conn.execute(sa.select(M.group_uuid).where(M.instance_uuid == instance_uuid)).scalar_one_or_none()


def count(conn: sa.Connection, project_id: str, user_id: str = "") -> int:
    """Groups of a project, or of one user in it."""
    query = sa.select(sa.func.count()).where(G.project_id == project_id)
    return int(conn.execute(query.where(G.user_id == user_id) if user_id else query).scalar_one())


def count_members(conn: sa.Connection, uuid: str) -> int:
    return int(conn.execute(sa.select(sa.func.count()).where(M.group_uuid == uuid)).scalar_one())


def create(conn: sa.Connection, values: dict[str, Any]) -> None:
    conn.execute(server_groups.insert().values({"generation": 0, "created_at": db_now(), **values}))


def delete(conn: sa.Connection, uuid: str) -> bool:
    """The group and the memberships; the servers stay."""
    conn.execute(server_group_members.delete().where(M.group_uuid == uuid))
    return conn.execute(server_groups.delete().where(G.uuid == uuid)).rowcount == 1


def add_member(conn: sa.Connection, uuid: str, instance_uuid: str, *, generation: int | None = None) -> bool:
    """Make a server a member. False: the group is gone, or has moved on from ``generation`` since it was read."""
    query = server_groups.update().where(G.uuid == uuid)
    if generation is not None:
        query = query.where(G.generation == generation)
    if not conn.execute(query.values(generation=G.generation + 1)).rowcount:
        return False
    known = conn.execute(sa.select(M.group_uuid).where(M.instance_uuid == instance_uuid)).scalar_one_or_none()
    if known is None:
        conn.execute(server_group_members.insert().values(group_uuid=uuid, instance_uuid=instance_uuid))
    return known in (None, uuid)


def touch(conn: sa.Connection, uuid: str) -> bool:
    """Raise the generation and so hold the group for the rest of the transaction. False: it is gone."""
    return conn.execute(server_groups.update().where(G.uuid == uuid)
                        .values(generation=G.generation + 1)).rowcount == 1


def remove_member(conn: sa.Connection, instance_uuid: str) -> None:
    conn.execute(_REMOVE_MEMBER, {"b_uuid": instance_uuid})
