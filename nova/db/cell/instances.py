# SPDX-License-Identifier: Apache-2.0
"""Servers of a cell. The wire calls them servers; the table keeps the name that operators know.

Metadata, tags, the flavor as it was at boot and the network information are columns of the row: a page of servers is
one select without a join. ``block_devices`` are the local disks that the create named, if it did; the table of them
has the volumes too. ``epoch`` is the server's fence: every accepted takeover raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index

from nova import states
from nova.db.cell import metadata
from nova.db.prepared import Prepared
from nova.db.schema import BigId, Json, Name, Text, Time, Uuid, db_now, table

instances = table(
    "instances", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("display_name", Name, nullable=False),
    Column("display_description", Name),
    Column("hostname", Name),
    Column("name", Name),
    Column("reservation_id", Name),
    Column("launch_index", sa.Integer, nullable=False, default=0),
    Column("image_ref", Name),
    Column("image_properties", Json),
    Column("kernel_id", Name),
    Column("ramdisk_id", Name),
    Column("key_name", Name),
    Column("key_data", Text),
    Column("user_data", Text),
    Column("host", Name),
    Column("node", Name),
    Column("compute_uuid", Uuid),
    Column("availability_zone", Name),
    Column("pinned_availability_zone", Name),
    Column("vm_state", sa.String(32), nullable=False),
    Column("task_state", sa.String(48)),
    Column("power_state", sa.Integer, nullable=False, default=0),
    Column("progress", sa.Integer, nullable=False, default=0),
    Column("flavor", Json, nullable=False),
    Column("flavorid", Name, nullable=False),
    Column("vcpus", sa.Integer, nullable=False),
    Column("memory_mb", sa.Integer, nullable=False),
    Column("root_gb", sa.Integer, nullable=False),
    Column("ephemeral_gb", sa.Integer, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("system_metadata", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("network_info", Json, nullable=False),
    Column("block_devices", Json),
    Column("addresses", Text),
    Column("security_groups", Json, nullable=False),
    Column("scheduler_hints", Json, nullable=False),
    Column("server_group", Uuid),
    Column("trusted_certs", Json),
    Column("config_drive", Name),
    Column("access_ip_v4", sa.String(64)),
    Column("access_ip_v6", sa.String(64)),
    Column("auto_disk_config", sa.Boolean, nullable=False, default=False),
    Column("root_device_name", Name),
    Column("locked_by", sa.String(16)),
    Column("locked_reason", Name),
    Column("epoch", sa.BigInteger, nullable=False, default=0),
    Column("op_seq", sa.BigInteger, nullable=False, default=0),
    Column("deleted", sa.Boolean, nullable=False, default=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("launched_at", Time),
    Column("terminated_at", Time),
    Column("deleted_at", Time),
    Index("ix_instances_project", "project_id", "deleted", "created_at", "uuid"),
    Index("ix_instances_deleted", "deleted", "created_at", "uuid"),
    Index("ix_instances_host", "host", "deleted"),
    Index("ix_instances_updated", "project_id", "updated_at"),
    Index("ix_instances_reservation", "reservation_id"),
)

instance_faults = table(
    "instance_faults", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_uuid", Uuid, nullable=False),
    Column("code", sa.Integer, nullable=False),
    Column("message", Name, nullable=False),
    Column("details", Text),
    Column("host", Name),
    Column("created_at", Time, nullable=False),
    Index("ix_instance_faults_instance", "instance_uuid", "id"),
)

block_devices = table(
    "block_device_mapping", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("instance_uuid", Uuid, nullable=False),
    Column("boot_index", sa.Integer),
    Column("source_type", sa.String(16), nullable=False),
    Column("destination_type", sa.String(16), nullable=False),
    Column("guest_format", sa.String(32)),
    Column("device_type", sa.String(32)),
    Column("disk_bus", sa.String(32)),
    Column("device_name", Name),
    Column("image_id", Uuid),
    Column("volume_id", Uuid),
    Column("snapshot_id", Uuid),
    Column("volume_size", sa.Integer),
    Column("volume_type", Name),
    Column("delete_on_termination", sa.Boolean, nullable=False, default=False),
    Column("tag", Name),
    Column("attachment_id", Uuid),
    Column("connection_info", Json),
    Column("created_at", Time, nullable=False),
    Index("ix_block_device_mapping_instance", "instance_uuid"),
)


def guest_name(number: int, name: str | None) -> str:
    """What the guest is called on its hypervisor: it follows from the row's id unless the row has a name."""
    return name or f"instance-{number:08x}"


_OF = instances.c.uuid == sa.bindparam("b_uuid")
_AT = instances.c.epoch == sa.bindparam("b_epoch")
_NAMES = tuple(c.name for c in instances.columns)
_GET = Prepared(sa.select(instances).where(_OF))
_GET_FOR_UPDATE = sa.select(instances).where(_OF).with_for_update()
_INSERT = instances.insert()
NEW_DEVICE = block_devices.insert()
_KNOWN = sa.select(instances.c.id).where(_OF)
_UPDATE = instances.update().where(_OF, _AT, instances.c.deleted.is_(False)).values(updated_at=db_now())
_BURY = instances.update().where(_OF, instances.c.deleted.is_(False)).values(
    vm_state=states.DELETED, task_state=None, power_state=states.NOSTATE, deleted=True, terminated_at=db_now(),
    deleted_at=db_now(), updated_at=db_now())
_VOLUMES = sa.select(block_devices).where(
    block_devices.c.instance_uuid.in_(sa.bindparam("b_uuids", expanding=True)),
    block_devices.c.volume_id.is_not(None)).order_by(block_devices.c.id)
#: Whether any volume is attached, to be asked beside the columns of a server: most have none.
HAS_VOLUMES = sa.exists().where(block_devices.c.instance_uuid == instances.c.uuid,
                                block_devices.c.volume_id.is_not(None)).correlate(instances).label("has_volumes")
_SHOW = Prepared(sa.select(instances, HAS_VOLUMES).where(_OF))
_SHOW_NAMES = (*_NAMES, "has_volumes")
_RAISE = instances.update().where(_OF, _AT).values(epoch=sa.bindparam("b_new"))


def insert(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """New servers; the guest's name on its hypervisor follows from the row's id unless it is given."""
    conn.execute(_INSERT, list(rows))


def insert_one(conn: sa.Connection, row: dict[str, Any]) -> int:
    """A new server; returns the row's id."""
    made = conn.execute(_INSERT, row).inserted_primary_key
    return int(made[0]) if made else known(conn, row["uuid"]) or 0


def known(conn: sa.Connection, uuid: str) -> int | None:
    """The id of a server's row, if there is one."""
    found: int | None = conn.execute(_KNOWN, {"b_uuid": uuid}).scalar_one_or_none()
    return found


def get_for_update(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
    """The row, held for the rest of the transaction: what is written is what follows from what was read."""
    row = conn.execute(_GET_FOR_UPDATE, {"b_uuid": uuid}).one_or_none()
    return dict(zip(_NAMES, row, strict=True)) if row else None


def get(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
    row = _GET.one(conn, {"b_uuid": uuid})
    return dict(zip(_NAMES, row, strict=True)) if row else None


def show(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
    """The row with ``has_volumes`` beside its columns."""
    row = _SHOW.one(conn, {"b_uuid": uuid})
    return dict(zip(_SHOW_NAMES, row, strict=True)) if row else None


def update(conn: sa.Connection, uuid: str, *, epoch: int | None = None, expected: dict[str, Any] | None = None,
           raised_to: int | None = None, **values: Any) -> bool:
    """Change a living server; with ``epoch``, only if the fence still stands there, and ``raised_to`` is where it
    stands then. False: it does not."""
    t = instances
    if raised_to is not None:
        values["epoch"] = raised_to
    if epoch is not None and not expected and not any(isinstance(v, sa.ClauseElement) for v in values.values()):
        return conn.execute(_UPDATE, {"b_uuid": uuid, "b_epoch": epoch} | values).rowcount == 1
    where = [t.c.uuid == uuid, t.c.deleted.is_(False)]
    if epoch is not None:
        where.append(t.c.epoch == epoch)
    for column, allowed in (expected or {}).items():
        options = list(allowed) if isinstance(allowed, list | tuple | set | frozenset) else [allowed]
        some = [o for o in options if o is not None]
        choice = [t.c[column].in_(some)] if some else []
        where.append(sa.or_(*choice, *([t.c[column].is_(None)] if None in options else [])))
    return conn.execute(t.update().where(*where).values({"updated_at": db_now()} | values)).rowcount == 1


def mark_deleted(conn: sa.Connection, uuid: str) -> bool:
    """The server is gone; its row stays for who asks for deleted ones. False: it was so before."""
    return conn.execute(_BURY, {"b_uuid": uuid}).rowcount == 1


def raise_epoch(conn: sa.Connection, uuid: str, seen: int) -> bool:
    """Take over the server: its fence goes from ``seen`` to ``seen + 1``."""
    return conn.execute(_RAISE, {"b_uuid": uuid, "b_epoch": seen, "b_new": seen + 1}).rowcount == 1


def on_host(conn: sa.Connection, host: str) -> list[dict[str, Any]]:
    t = instances
    return [dict(r) for r in conn.execute(sa.select(t).where(t.c.host == host, t.c.deleted.is_(False))).mappings()]


def remove_copy(conn: sa.Connection, uuid: str) -> None:
    """Forget a server that was recorded here but deleted before the cell was made known."""
    for belonging in (block_devices, instance_faults):
        conn.execute(belonging.delete().where(belonging.c.instance_uuid == uuid))
    conn.execute(instances.delete().where(instances.c.uuid == uuid))


def add_fault(conn: sa.Connection, uuid: str, fault: dict[str, Any]) -> None:
    conn.execute(instance_faults.insert().values(
        instance_uuid=uuid, code=fault.get("code", 500), message=str(fault.get("message", ""))[:255],
        details=fault.get("details"), host=fault.get("host"), created_at=db_now()))


def latest_faults(conn: sa.Connection, uuids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The newest fault of each server that has one."""
    t = instance_faults
    if not uuids:
        return {}
    newest = sa.select(sa.func.max(t.c.id)).where(t.c.instance_uuid.in_(list(uuids))).group_by(t.c.instance_uuid)
    return {r["instance_uuid"]: dict(r) for r in conn.execute(sa.select(t).where(t.c.id.in_(newest))).mappings()}


def volumes_of(conn: sa.Connection, uuids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Attached volumes by server."""
    if not uuids:
        return {}
    result: dict[str, list[dict[str, Any]]] = {}
    for row in conn.execute(_VOLUMES, {"b_uuids": list(uuids)}).mappings():
        result.setdefault(row["instance_uuid"], []).append(dict(row))
    return result
