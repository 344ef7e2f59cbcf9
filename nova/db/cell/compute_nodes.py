# SPDX-License-Identifier: Apache-2.0
"""Hypervisors of a cell, as their hosts reported them. ``report_version`` rises with every changed report."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, UniqueConstraint

from nova.db.cell import metadata
from nova.db.schema import BigId, Json, Name, Time, Uuid, db_now, table

compute_nodes = table(
    "compute_nodes", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("host", Name, nullable=False),
    Column("hypervisor_hostname", Name, nullable=False),
    Column("hypervisor_type", sa.String(64), nullable=False),
    Column("hypervisor_version", sa.Integer, nullable=False, default=0),
    Column("host_ip", sa.String(64)),
    Column("vcpus", sa.Integer, nullable=False),
    Column("memory_mb", sa.Integer, nullable=False),
    Column("local_gb", sa.Integer, nullable=False),
    Column("cpu_info", Json, nullable=False),
    Column("traits", Json, nullable=False),
    Column("abilities", Json, nullable=False, default=list),
    Column("inventory", Json, nullable=False),
    Column("supported_instances", Json, nullable=False),
    Column("uptime", Name),
    Column("digest", sa.String(64), nullable=False),
    Column("report_version", sa.BigInteger, nullable=False),
    Column("applied_version", sa.BigInteger, nullable=False, default=0),
    Column("mapped", sa.Boolean, nullable=False, default=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    UniqueConstraint("host", "hypervisor_hostname"),
    Index("ix_compute_nodes_updated", "updated_at"),
)

REPORTED = ("hypervisor_type", "hypervisor_version", "host_ip", "vcpus", "memory_mb", "local_gb", "cpu_info",
            "traits", "abilities", "inventory", "supported_instances", "uptime", "digest")


def report(conn: sa.Connection, uuid: str, host: str, hypervisor_hostname: str,
           values: dict[str, Any]) -> dict[str, Any]:
    """Store a host's report under its next version; an unchanged digest changes nothing. Returns the row."""
    t = compute_nodes
    key = sa.and_(t.c.host == host, t.c.hypervisor_hostname == hypervisor_hostname)
    known = {k: values[k] for k in REPORTED if k in values}
    row = conn.execute(sa.select(t).where(key)).mappings().one_or_none()
    if row is None:
        conn.execute(t.insert().values(uuid=uuid, host=host, hypervisor_hostname=hypervisor_hostname, report_version=1,
                                       applied_version=0, mapped=False, created_at=db_now(), updated_at=db_now(),
                                       **known))
    elif row["digest"] != known["digest"]:
        conn.execute(t.update().where(t.c.id == row["id"]).values(report_version=t.c.report_version + 1,
                                                                 updated_at=db_now(), **known))
    return dict(conn.execute(sa.select(t).where(key)).mappings().one())


def unapplied(conn: sa.Connection) -> list[dict[str, Any]]:
    """Nodes whose newest report has not reached placement."""
    t = compute_nodes
    return [dict(r) for r in conn.execute(sa.select(t).where(t.c.applied_version < t.c.report_version)).mappings()]


def mark_applied(conn: sa.Connection, uuid: str, version: int) -> None:
    t = compute_nodes
    conn.execute(t.update().where(t.c.uuid == uuid, t.c.applied_version < version).values(applied_version=version,
                                                                                         mapped=True))


def abilities(conn: sa.Connection, host: str) -> frozenset[str]:
    """What the driver of a host can do: the names of its interfaces. Empty for a host that has never reported."""
    t = compute_nodes
    found = conn.scalars(sa.select(t.c.abilities).where(t.c.host == host)).all()
    return frozenset(name for names in found for name in names)


def get(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
    t = compute_nodes
    row = conn.execute(sa.select(t).where(t.c.uuid == uuid)).mappings().one_or_none()
    return dict(row) if row else None


def list_nodes(conn: sa.Connection, *, host: str | None = None) -> list[dict[str, Any]]:
    t = compute_nodes
    query = sa.select(t).order_by(t.c.id)
    if host is not None:
        query = query.where(t.c.host == host)
    return [dict(r) for r in conn.execute(query).mappings()]
