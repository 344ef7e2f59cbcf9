# SPDX-License-Identifier: Apache-2.0
"""Mappings: which cells there are, which hosts are in them, and where each server lives.

``instance_mappings.fence`` is the highest epoch that has had an effect in the API database for the server. It is raised
in the transaction of each such effect; a lower epoch changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index

from nova.db.api import metadata
from nova.db.schema import BigId, Json, Name, Text, Time, Uuid, db_now, table

CELL0_UUID = "00000000-0000-0000-0000-000000000000"

cell_mappings = table(
    "cell_mappings", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("name", Name),
    Column("transport_url", Text),
    Column("database_connection", Text, nullable=False),
    Column("disabled", sa.Boolean, nullable=False, default=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time),
)

host_mappings = table(
    "host_mappings", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("host", Name, nullable=False, unique=True),
    Column("cell_uuid", Uuid, nullable=False),
    Column("created_at", Time, nullable=False),
)

instance_mappings = table(
    "instance_mappings", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_uuid", Uuid, nullable=False, unique=True),
    Column("cell_uuid", Uuid),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("queued_for_delete", sa.Boolean, nullable=False, default=False),
    Column("fence", sa.BigInteger, nullable=False, default=0),
    Column("charge", Json),
    Column("holds", Json),
    Column("created_at", Time, nullable=False),
    Column("deleted_at", Time),
    Index("ix_instance_mappings_project", "project_id", "queued_for_delete"),
    Index("ix_instance_mappings_cell", "cell_uuid", "queued_for_delete"),
)

build_requests = table(
    "build_requests", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_uuid", Uuid, nullable=False, unique=True),
    Column("project_id", Name, nullable=False),
    Column("instance", Json, nullable=False),
    Column("block_devices", Json, nullable=False),
    Column("created_at", Time, nullable=False),
    Index("ix_build_requests_project", "project_id"),
)

request_specs = table(
    "request_specs", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_uuid", Uuid, nullable=False, unique=True),
    Column("spec", Json, nullable=False),
)


_OF = instance_mappings.c.instance_uuid == sa.bindparam("b_uuid")
_MAPPING = sa.select(instance_mappings).where(_OF)
_FENCE = instance_mappings.update().where(_OF, instance_mappings.c.fence <= sa.bindparam("b_epoch")).values(
    fence=sa.bindparam("b_epoch"))
_PLACE = instance_mappings.update().where(
    _OF, instance_mappings.c.fence <= sa.bindparam("b_epoch"), instance_mappings.c.queued_for_delete.is_(False),
    sa.or_(instance_mappings.c.cell_uuid.is_(None), instance_mappings.c.cell_uuid == sa.bindparam("b_cell"))).values(
    cell_uuid=sa.bindparam("b_cell"), fence=sa.bindparam("b_epoch"))
_CHARGED = instance_mappings.c.charge.is_not(None)
_SETTLE = instance_mappings.update().where(_OF, sa.or_(_CHARGED, instance_mappings.c.deleted_at.is_(None))).values(
    charge=sa.null(), holds=sa.null(), queued_for_delete=True, deleted_at=db_now())
_REQUEST = sa.select(build_requests).where(build_requests.c.instance_uuid == sa.bindparam("b_uuid"))
_DELETE_REQUEST = build_requests.delete().where(build_requests.c.instance_uuid == sa.bindparam("b_uuid"))
#: What an accepted create writes here.
NEW_MAPPING, NEW_REQUEST, NEW_SPEC = instance_mappings.insert(), build_requests.insert(), request_specs.insert()


def list_cells(conn: sa.Connection) -> list[dict[str, Any]]:
    return [dict(r) for r in conn.execute(sa.select(cell_mappings).order_by(cell_mappings.c.id)).mappings()]


def mapping(conn: sa.Connection, instance_uuid: str) -> dict[str, Any] | None:
    row = conn.execute(_MAPPING, {"b_uuid": instance_uuid}).mappings().one_or_none()
    return dict(row) if row else None


def raise_fence(conn: sa.Connection, instance_uuid: str, epoch: int) -> bool:
    """Hold the server's fence at ``epoch`` for the rest of the transaction. False: a newer owner has been here."""
    return conn.execute(_FENCE, {"b_uuid": instance_uuid, "b_epoch": epoch}).rowcount == 1


def place(conn: sa.Connection, instance_uuid: str, cell_uuid: str, epoch: int) -> bool:
    """Make the cell known (T5). False: the server was deleted meanwhile, or a newer owner did it."""
    return conn.execute(_PLACE, {"b_uuid": instance_uuid, "b_epoch": epoch, "b_cell": cell_uuid}).rowcount == 1


def queue_delete(conn: sa.Connection, instance_uuid: str) -> int | None:
    """Mark a server that no cell has yet as deleted, under a new fence. None: it is placed, deleted or unknown."""
    t = instance_mappings
    row = mapping(conn, instance_uuid)
    if row is None or row["cell_uuid"] is not None or row["queued_for_delete"]:
        return None
    done = conn.execute(t.update().where(t.c.instance_uuid == instance_uuid, t.c.cell_uuid.is_(None),
                                         t.c.queued_for_delete.is_(False), t.c.fence == row["fence"])
                        .values(queued_for_delete=True, fence=row["fence"] + 1))
    return row["fence"] + 1 if done.rowcount else None


def charged(conn: sa.Connection, project_id: str, user_id: str) -> dict[str, int]:
    """What the servers of one user in a project are charged with together."""
    t = instance_mappings
    total: dict[str, int] = {}
    for charge in conn.execute(sa.select(t.c.charge).where(
            t.c.project_id == project_id, t.c.user_id == user_id, t.c.charge.is_not(None))).scalars():
        for resource, amount in charge.items():
            total[resource] = total.get(resource, 0) + amount
    return total


def held_mapping(conn: sa.Connection, instance_uuid: str) -> dict[str, Any] | None:
    """The mapping, held for the rest of the transaction."""
    t = instance_mappings
    conn.execute(t.update().where(t.c.instance_uuid == instance_uuid).values(fence=t.c.fence))
    return mapping(conn, instance_uuid)


def set_charge(conn: sa.Connection, instance_uuid: str, charge: dict[str, int],
               holds: dict[str, dict[str, int]]) -> None:
    """``charge`` is what the server is charged with altogether, ``holds`` the part of it by operation; the caller holds
    the mapping."""
    t = instance_mappings
    conn.execute(t.update().where(t.c.instance_uuid == instance_uuid, t.c.charge.is_not(None)).values(
        charge=charge, holds=holds or sa.null()))


def settle_deleted(conn: sa.Connection, instance_uuid: str) -> dict[str, int] | None:
    """Mark the server as gone and hand back its quota charge, once: None when it was handed back before."""
    row = mapping(conn, instance_uuid)
    if row is None or (row["charge"] is None and row["deleted_at"] is not None):
        return None
    charge: dict[str, int] | None = row["charge"]
    return charge if conn.execute(_SETTLE, {"b_uuid": instance_uuid}).rowcount else None


def uncharge(conn: sa.Connection, instance_uuid: str) -> dict[str, int] | None:
    """The server goes on without a charge, which is handed back, once."""
    row = mapping(conn, instance_uuid)
    if row is None or row["charge"] is None:
        return None
    t = instance_mappings
    charge: dict[str, int] = row["charge"]
    done = conn.execute(t.update().where(t.c.instance_uuid == instance_uuid, _CHARGED)
                        .values(charge=sa.null(), holds=sa.null()))
    return charge if done.rowcount else None


def recharge(conn: sa.Connection, instance_uuid: str, charge: dict[str, int]) -> bool:
    """Write down what the server is charged with. False: it is charged already, or being deleted."""
    t = instance_mappings
    done = conn.execute(t.update().where(t.c.instance_uuid == instance_uuid, t.c.charge.is_(None),
                                         t.c.queued_for_delete.is_(False)).values(charge=charge))
    return done.rowcount == 1


def build_request(conn: sa.Connection, instance_uuid: str) -> dict[str, Any] | None:
    row = conn.execute(_REQUEST, {"b_uuid": instance_uuid}).mappings().one_or_none()
    return dict(row) if row else None


def delete_build_request(conn: sa.Connection, instance_uuid: str) -> None:
    conn.execute(_DELETE_REQUEST, {"b_uuid": instance_uuid})


def request_spec(conn: sa.Connection, instance_uuid: str) -> dict[str, Any] | None:
    t = request_specs
    row = conn.execute(sa.select(t.c.spec).where(t.c.instance_uuid == instance_uuid)).one_or_none()
    return row[0] if row else None


def map_host(conn: sa.Connection, host: str, cell_uuid: str) -> bool:
    """Record that ``host`` is in a cell; True when that is new."""
    t = host_mappings
    if conn.execute(sa.select(t.c.id).where(t.c.host == host)).one_or_none():
        return False
    conn.execute(t.insert().values(host=host, cell_uuid=cell_uuid, created_at=db_now()))
    return True


def list_hosts(conn: sa.Connection, hosts: Sequence[str] | None = None) -> list[dict[str, Any]]:
    t = host_mappings
    query = sa.select(t).order_by(t.c.host)
    if hosts is not None:
        query = query.where(t.c.host.in_(list(hosts)))
    return [dict(r) for r in conn.execute(query).mappings()]
