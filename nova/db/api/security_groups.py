# SPDX-License-Identifier: Apache-2.0
"""Security groups of projects, their rules, and which ports are in them. What they mean is in ``nova.networks``.

A group's name is unique in its project, so that the group ``default`` is made once whoever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.networks import network_changes, ports

groups = schema.table(
    "security_groups", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("name", schema.Name, nullable=False),
    sa.Column("description", schema.Name, nullable=False),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Column("updated_at", schema.Time),
    sa.UniqueConstraint("project_id", "name"),
)

rules = schema.table(
    "security_group_rules", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("group_uuid", schema.Uuid, nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("direction", sa.String(7), nullable=False),  # ingress or egress
    sa.Column("ethertype", sa.String(4), nullable=False),  # IPv4 or IPv6
    sa.Column("protocol", sa.String(16)),  # NULL: all
    sa.Column("port_min", sa.Integer),  # of ICMP: the type
    sa.Column("port_max", sa.Integer),  # of ICMP: the code
    sa.Column("remote_cidr", sa.String(49)),
    sa.Column("remote_group", schema.Uuid, index=True),
    sa.Column("description", schema.Name, nullable=False),
    sa.Column("created_at", schema.Time, nullable=False),
)

members = schema.table(
    "port_security_groups", metadata,
    sa.Column("port_uuid", schema.Uuid, primary_key=True),
    sa.Column("group_uuid", schema.Uuid, primary_key=True),
    sa.Index("ix_port_security_groups_group_uuid", "group_uuid"),
)

G, R, M = groups.c, rules.c, members.c
_INGRESS = sa.and_(R.group_uuid == G.uuid, R.direction == "ingress", R.ethertype == "IPv4")
_RULE_COLUMNS = (R.uuid.label("rule_uuid"), R.protocol, R.port_min, R.port_max, R.remote_cidr, R.remote_group)
_BY_NAMES = sa.select(G.uuid, G.name, *_RULE_COLUMNS).join_from(groups, rules, _INGRESS, isouter=True).where(
    G.project_id == sa.bindparam("project"), sa.or_(
        G.name.in_(sa.bindparam("names", expanding=True)), G.uuid.in_(sa.bindparam("names", expanding=True))),
).order_by(G.name, R.created_at, R.uuid)
_OF_PORTS = sa.select(M.port_uuid, G.uuid, G.name, *_RULE_COLUMNS).select_from(
    members.join(groups, G.uuid == M.group_uuid).outerjoin(rules, _INGRESS)).where(
    M.port_uuid.in_(sa.bindparam("wanted", expanding=True))).order_by(G.name, R.created_at, R.uuid)
_INSERT_MEMBERS = sa.insert(members)
_LEAVE = sa.delete(members).where(M.port_uuid.in_(sa.bindparam("wanted", expanding=True)))
_LEAVE_ONE = _LEAVE.where(M.group_uuid == sa.bindparam("group"))


def insert(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(groups).values(**values, created_at=schema.db_now()))


def hold(conn: sa.Connection, uuid: str) -> bool:
    """Hold a group until the end of the transaction; False when it is gone."""
    mine = G.uuid == uuid
    return conn.execute(sa.update(groups).where(mine).values(name=G.name)).rowcount > 0


def update(conn: sa.Connection, uuid: str, values: Mapping[str, Any]) -> bool:
    return conn.execute(sa.update(groups).where(G.uuid == uuid).values(
        **values, updated_at=schema.db_now())).rowcount > 0


def delete(conn: sa.Connection, uuid: str) -> None:
    """A group with its rules, and the rules of others that let its members in."""
    conn.execute(sa.delete(rules).where(sa.or_(R.group_uuid == uuid, R.remote_group == uuid)))
    conn.execute(sa.delete(groups).where(G.uuid == uuid))


def find(conn: sa.Connection, **columns: Any) -> list[dict[str, Any]]:
    """Groups whose columns have these values; a list stands for any of its members."""
    query = sa.select(groups).where(*_equal(groups, columns)).order_by(G.project_id, G.name)
    return [dict(row) for row in conn.execute(query).mappings()]


def count(conn: sa.Connection, project_id: str) -> int:
    return int(conn.execute(sa.select(sa.func.count()).where(G.project_id == project_id)).scalar_one())


def with_rules(conn: sa.Connection, project_id: str, names: Collection[str]) -> Sequence[Any]:
    """Groups by name or uuid, a row for each of their rules for IPv4 that let packets in (one without, if none)."""
    return conn.execute(_BY_NAMES, {"project": project_id, "names": list(names)}).all()


def of_ports(conn: sa.Connection, port_uuids: Collection[str]) -> Sequence[Any]:
    """As :func:`with_rules`, of the groups that these ports are in."""
    return conn.execute(_OF_PORTS, {"wanted": list(port_uuids)}).all() if port_uuids else []


def in_use(conn: sa.Connection, uuid: str) -> bool:
    return conn.execute(sa.select(M.port_uuid).where(M.group_uuid == uuid).limit(1)).first() is not None


def join(conn: sa.Connection, port_uuids: Collection[str], group_uuids: Collection[str]) -> None:
    """Ports that are in none of these groups become members of all of them."""
    pairs = [{"port_uuid": port, "group_uuid": group} for port in port_uuids for group in group_uuids]
    if pairs:
        conn.execute(_INSERT_MEMBERS, pairs)


def leave(conn: sa.Connection, port_uuids: Collection[str], group_uuid: str | None = None) -> int:
    """Ports leave a group, or all; returns how many memberships ended."""
    known = {"wanted": list(port_uuids)} | ({"group": group_uuid} if group_uuid else {})
    return conn.execute(_LEAVE_ONE if group_uuid else _LEAVE, known).rowcount


def orphans(conn: sa.Connection, within: Callable[[Any], sa.ColumnElement[bool]]) -> Sequence[Any]:
    """Memberships of ports that do not exist."""
    return conn.execute(sa.select(M.port_uuid).join_from(
        members, ports, ports.c.uuid == M.port_uuid, isouter=True).where(
        ports.c.uuid.is_(None), within(M.port_uuid)).distinct()).all()


# -- rules ---------------------------------------------------------------------------------------------------------


def insert_rules(conn: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        conn.execute(sa.insert(rules).values(**row, created_at=schema.db_now()))


def find_rules(conn: sa.Connection, **columns: Any) -> list[dict[str, Any]]:
    query = sa.select(rules).where(*_equal(rules, columns)).order_by(R.created_at, R.uuid)
    return [dict(row) for row in conn.execute(query).mappings()]


def delete_rule(conn: sa.Connection, uuid: str) -> bool:
    return conn.execute(sa.delete(rules).where(R.uuid == uuid)).rowcount > 0


# -- who must hear of a change ---------------------------------------------------------------------------------------


def mark_members(conn: sa.Connection, group_uuid: str, version: int) -> None:
    """Servers with a port in the group are to be told: their ports get a newer version."""
    inside = sa.select(M.port_uuid).where(M.group_uuid == group_uuid)
    newer = sa.case((ports.c.version >= version, ports.c.version + 1), else_=version)
    conn.execute(sa.update(ports).where(ports.c.uuid.in_(inside)).values(version=newer))
    servers = sa.select(ports.c.instance_uuid, schema.db_now()).where(
        ports.c.uuid.in_(inside), ports.c.instance_uuid.is_not(None)).distinct()
    conn.execute(sa.insert(network_changes).from_select(["instance_uuid", "created_at"], servers))


def _equal(table: sa.Table, columns: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name].in_(list(value)) if isinstance(value, list | tuple | set | frozenset)
            else table.c[name].is_(None) if value is None else table.c[name] == value
            for name, value in columns.items()]
