# SPDX-License-Identifier: Apache-2.0
"""Floating addresses: pools that an operator fills, addresses that projects hold, and which port each leads to.

Taking an address is a conditional UPDATE whose row count decides, so two projects never get the same one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.networks import ports

pools = schema.table(
    "floating_pools", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("name", schema.Name, nullable=False, unique=True),
    sa.Column("interface", sa.String(15)),  # of the hosts, where the addresses are known; NULL: the default one
    sa.Column("created_at", schema.Time, nullable=False),
)

ranges = schema.table(
    "floating_ranges", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("pool_uuid", schema.Uuid, nullable=False, index=True),
    sa.Column("cidr", sa.String(43), nullable=False, unique=True),
    sa.Column("created_at", schema.Time, nullable=False),
)

addresses = schema.table(
    "floating_ips", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("pool_uuid", schema.Uuid, nullable=False),
    sa.Column("range_uuid", schema.Uuid, nullable=False, index=True),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("address", sa.String(39), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), index=True),  # NULL: free
    sa.Column("port_uuid", schema.Uuid, index=True),
    sa.Column("fixed_address", sa.String(39)),
    sa.Column("description", schema.Name, nullable=False),
    sa.Column("allocated_at", schema.Time),
    sa.Column("updated_at", schema.Time),
    sa.Index("ix_floating_ips_free", "pool_uuid", "project_id", "number"),
)

A, P = addresses.c, pools.c
_OF_PORTS = sa.select(A.port_uuid, A.fixed_address, A.address).where(
    A.port_uuid.in_(sa.bindparam("wanted", expanding=True))).order_by(A.number)
_LET_GO = sa.update(addresses).where(A.port_uuid.in_(sa.bindparam("wanted", expanding=True))).values(
    port_uuid=None, fixed_address=None, updated_at=schema.db_now())
_LET_GO_ONE = _LET_GO.where(A.fixed_address == sa.bindparam("fixed"))


def list_pools(conn: sa.Connection) -> list[dict[str, Any]]:
    return [dict(r) for r in conn.execute(sa.select(pools).order_by(P.created_at, P.name)).mappings()]


def insert_pool(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(pools).values(**values, created_at=schema.db_now()))


def delete_pool(conn: sa.Connection, uuid: str) -> None:
    """A pool with its addresses, all of which are free."""
    conn.execute(sa.delete(addresses).where(A.pool_uuid == uuid))
    conn.execute(sa.delete(ranges).where(ranges.c.pool_uuid == uuid))
    conn.execute(sa.delete(pools).where(P.uuid == uuid))


def list_ranges(conn: sa.Connection) -> list[dict[str, Any]]:
    return [dict(r) for r in conn.execute(sa.select(ranges).order_by(ranges.c.created_at, ranges.c.cidr)).mappings()]


def insert_range(conn: sa.Connection, values: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """A range with the rows of its addresses: ``uuid`` and ``number``."""
    conn.execute(sa.insert(ranges).values(**values, created_at=schema.db_now()))
    conn.execute(sa.insert(addresses), [
        {"uuid": row["uuid"], "pool_uuid": values["pool_uuid"], "range_uuid": values["uuid"], "number": row["number"],
         "address": str(ipaddress.IPv4Address(row["number"])), "description": ""} for row in rows])


def delete_range(conn: sa.Connection, uuid: str) -> None:
    conn.execute(sa.delete(addresses).where(A.range_uuid == uuid))
    conn.execute(sa.delete(ranges).where(ranges.c.uuid == uuid))


def held(conn: sa.Connection, **columns: Any) -> int:
    """How many addresses with these columns a project has."""
    return int(conn.execute(sa.select(sa.func.count()).where(
        A.project_id.is_not(None), *(A[name] == value for name, value in columns.items()))).scalar_one())


def find(conn: sa.Connection, **columns: Any) -> list[dict[str, Any]]:
    """Addresses that projects hold, with the name of their pool; a list stands for any of its members."""
    where = [A[name].in_(list(v)) if isinstance(v, list | set | tuple) else A[name] == v for name, v in columns.items()]
    query = sa.select(addresses, P.name.label("pool")).join_from(addresses, pools, P.uuid == A.pool_uuid)
    return [dict(r) for r in conn.execute(query.where(A.project_id.is_not(None), *where).order_by(A.number)).mappings()]


def free(conn: sa.Connection, pool_uuid: str, address: str | None = None) -> Any:
    """The first address of the pool that nobody has, or this one if it is free."""
    where = [A.pool_uuid == pool_uuid, A.project_id.is_(None)] + ([A.address == address] if address else [])
    return conn.execute(sa.select(A.uuid, A.address).where(*where).order_by(A.number).limit(1)
                        .with_for_update(skip_locked=True)).first()


def take(conn: sa.Connection, uuid: str, project_id: str, description: str = "") -> bool:
    return conn.execute(sa.update(addresses).where(A.uuid == uuid, A.project_id.is_(None)).values(
        project_id=project_id, description=description, allocated_at=schema.db_now(), updated_at=None)).rowcount == 1


def give_back(conn: sa.Connection, uuid: str, project_id: str) -> bool:
    return conn.execute(sa.update(addresses).where(A.uuid == uuid, A.project_id == project_id).values(
        project_id=None, port_uuid=None, fixed_address=None, description="", allocated_at=None)).rowcount == 1


def change(conn: sa.Connection, uuid: str, project_id: str, values: Mapping[str, Any]) -> bool:
    """Set columns of an address that the project has still."""
    return conn.execute(sa.update(addresses).where(A.uuid == uuid, A.project_id == project_id).values(
        **values, updated_at=schema.db_now())).rowcount == 1


def let_go(conn: sa.Connection, port_uuids: Collection[str], fixed_address: str | None = None) -> int:
    """Addresses that lead to these ports lead nowhere from now on; their projects keep them."""
    known = {"wanted": list(port_uuids)} | ({"fixed": fixed_address} if fixed_address else {})
    return conn.execute(_LET_GO_ONE if fixed_address else _LET_GO, known).rowcount


def of_ports(conn: sa.Connection, port_uuids: Collection[str]) -> Sequence[Any]:
    return conn.execute(_OF_PORTS, {"wanted": list(port_uuids)}).all() if port_uuids else []


def orphans(conn: sa.Connection, within: Callable[[Any], sa.ColumnElement[bool]]) -> Sequence[Any]:
    """Addresses that lead to a port which does not exist."""
    return conn.execute(sa.select(A.uuid, A.port_uuid).join_from(
        addresses, ports, ports.c.uuid == A.port_uuid, isouter=True).where(
        A.port_uuid.is_not(None), ports.c.uuid.is_(None), within(A.port_uuid))).all()
