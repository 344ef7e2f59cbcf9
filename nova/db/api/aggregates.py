# SPDX-License-Identifier: Apache-2.0
"""Host aggregates: named sets of hosts with metadata; the key ``availability_zone`` makes one a zone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, UniqueConstraint

from nova.db.api import metadata
from nova.db.schema import BigId, Json, Name, Time, Uuid, db_now, table

aggregates = table(
    "aggregates", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("name", Name, nullable=False, unique=True),
    Column("metadata", Json, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time),
)

aggregate_hosts = table(
    "aggregate_hosts", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("aggregate_id", BigId, sa.ForeignKey("aggregates.id", ondelete="CASCADE"), nullable=False),
    Column("host", Name, nullable=False),
    UniqueConstraint("aggregate_id", "host"),
    Index("ix_aggregate_hosts_host", "host"),
)

ZONE = "availability_zone"
A, H = aggregates.c, aggregate_hosts.c


def list_all(conn: sa.Connection) -> list[dict[str, Any]]:
    """Every aggregate with its ``hosts``."""
    rows = [dict(row) | {"hosts": []} for row in conn.execute(sa.select(aggregates).order_by(A.id)).mappings()]
    by_id = {row["id"]: row for row in rows}
    for aggregate_id, host in conn.execute(sa.select(H.aggregate_id, H.host).order_by(H.id)):
        if aggregate_id in by_id:
            by_id[aggregate_id]["hosts"].append(host)
    return rows


def get(conn: sa.Connection, aggregate_id: int) -> dict[str, Any] | None:
    row = conn.execute(sa.select(aggregates).where(A.id == aggregate_id)).mappings().one_or_none()
    if row is None:
        return None
    hosts = conn.execute(sa.select(H.host).where(H.aggregate_id == aggregate_id).order_by(H.id)).scalars()
    return dict(row) | {"hosts": list(hosts)}


def create(conn: sa.Connection, uuid: str, name: str, values: dict[str, str]) -> int:
    """A new aggregate's id; a name that is taken raises :class:`sqlalchemy.exc.IntegrityError`."""
    done = conn.execute(aggregates.insert().values(uuid=uuid, name=name, metadata=values, created_at=db_now()))
    key = done.inserted_primary_key
    return int(key[0]) if key else 0


def update(conn: sa.Connection, aggregate_id: int, **values: Any) -> bool:
    return conn.execute(aggregates.update().where(A.id == aggregate_id)
                        .values({"updated_at": db_now()} | values)).rowcount == 1


def delete(conn: sa.Connection, aggregate_id: int) -> bool:
    return conn.execute(aggregates.delete().where(A.id == aggregate_id)).rowcount == 1


def add_host(conn: sa.Connection, aggregate_id: int, host: str) -> None:
    """Twice raises :class:`sqlalchemy.exc.IntegrityError`."""
    conn.execute(aggregate_hosts.insert().values(aggregate_id=aggregate_id, host=host))


def remove_host(conn: sa.Connection, aggregate_id: int, host: str) -> bool:
    return conn.execute(aggregate_hosts.delete().where(H.aggregate_id == aggregate_id, H.host == host)).rowcount == 1


def metadata_by_host(conn: sa.Connection) -> dict[str, dict[str, frozenset[str]]]:
    """What the aggregates of each host say, merged: host → key → values."""
    merged: dict[str, dict[str, set[str]]] = {}
    joined = sa.select(H.host, A.metadata).join_from(aggregate_hosts, aggregates, H.aggregate_id == A.id)
    for host, values in conn.execute(joined):
        keys = merged.setdefault(host, {})
        for key, value in values.items():
            keys.setdefault(key, set()).add(value)
    return {host: {k: frozenset(v) for k, v in keys.items()} for host, keys in merged.items()}


def zones(conn: sa.Connection) -> dict[str, str]:
    """The availability zone of each host that has one."""
    return {host: min(keys[ZONE]) for host, keys in metadata_by_host(conn).items() if keys.get(ZONE)}
