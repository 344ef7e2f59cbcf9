# SPDX-License-Identifier: Apache-2.0
"""What a host reports becomes its provider: inventories and traits, applied whole and never refused for being smaller.

A total below what is claimed blocks new claims on that class and is shown; the servers stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db import schema
from nova.db.api import placement as tables

STATUS_DISABLED = "COMPUTE_STATUS_DISABLED"

Report = Mapping[str, Mapping[str, Any]]


def apply_report(conn: sa.Connection, provider_uuid: str, name: str, inventories: Report, traits: Iterable[str], *,
                 disabled: bool = False) -> bool:
    """Make the provider equal to the report; True when anything changed.

    Each inventory has ``total`` and may have ``reserved``, ``min_unit``, ``max_unit``, ``step_size`` and
    ``allocation_ratio``. A ratio that is absent or None keeps the one in force (1.0 at first), so that what an operator
    set stays. ``disabled`` adds the trait that keeps new servers away. Traits that an operator set are left alone.
    """
    wanted_traits = set(traits) | ({STATUS_DISABLED} if disabled else set())
    new = _ensure_provider(conn, provider_uuid, name)
    if not (new or _differs(conn, provider_uuid, name, inventories, wanted_traits)):
        return False
    tables.touch(conn, provider_uuid)
    p = tables.providers
    conn.execute(sa.update(p).where(p.c.uuid == provider_uuid, p.c.name != name).values(name=name))
    _write_inventories(conn, provider_uuid, inventories)
    _write_traits(conn, provider_uuid, wanted_traits)
    return True


def create_provider(conn: sa.Connection, uuid: str, name: str, *, parent_uuid: str | None = None) -> None:
    """A new provider; :class:`errors.Conflict` when its name or uuid is taken, Invalid when the parent is unknown."""
    p = tables.providers
    taken = conn.execute(sa.select(p.c.uuid).where(sa.or_(p.c.uuid == uuid, p.c.name == name)).limit(1)).scalar()
    if taken is not None:
        what = f"uuid {uuid}" if taken == uuid else f"name {name!r}"
        raise errors.Conflict(f"A resource provider with {what} exists already.", provider_uuid=taken, name=name)
    root = uuid
    if parent_uuid is not None:
        found = conn.execute(sa.select(p.c.root_uuid).where(p.c.uuid == parent_uuid)).scalar()
        if found is None:
            raise errors.Invalid(f"Parent resource provider {parent_uuid} does not exist.")
        root = found
    conn.execute(sa.insert(p).values(uuid=uuid, name=name, generation=0, parent_uuid=parent_uuid, root_uuid=root,
                                     created_at=schema.db_now(), updated_at=schema.db_now()))


def delete_provider(conn: sa.Connection, provider_uuid: str) -> bool:
    """Remove a provider that nothing is claimed on; False when there is none."""
    p, a = tables.providers, tables.allocations
    if not tables.touch(conn, provider_uuid):
        return False
    if conn.execute(sa.select(a.c.consumer_uuid).where(a.c.provider_uuid == provider_uuid).limit(1)).first():
        raise errors.Conflict(f"Resource provider {provider_uuid} has allocations and cannot be deleted.")
    if conn.execute(sa.select(p.c.uuid).where(p.c.parent_uuid == provider_uuid).limit(1)).first():
        raise errors.Conflict(f"Resource provider {provider_uuid} has child providers and cannot be deleted.")
    for table in (tables.provider_traits, tables.provider_aggregates, tables.inventories):
        conn.execute(sa.delete(table).where(table.c.provider_uuid == provider_uuid))
    conn.execute(sa.delete(p).where(p.c.uuid == provider_uuid))
    return True


def complete(values: Mapping[str, Any], known: Any = None) -> dict[str, Any]:
    """All fields of an inventory from those given; the allocation ratio falls back on the ``known`` row's."""
    total = int(values["total"])
    ratio = values.get("allocation_ratio")
    if ratio is None:
        ratio = known.allocation_ratio if known is not None else 1.0
    return {"total": total, "reserved": int(values.get("reserved") or 0), "min_unit": int(values.get("min_unit") or 1),
            "max_unit": int(values.get("max_unit") or max(total, 1)), "step_size": int(values.get("step_size") or 1),
            "allocation_ratio": float(ratio)}


def _ensure_provider(conn: sa.Connection, uuid: str, name: str) -> bool:
    p = tables.providers
    if conn.execute(sa.select(p.c.uuid).where(p.c.uuid == uuid)).scalar() is not None:
        return False
    create_provider(conn, uuid, name)
    return True


def _differs(conn: sa.Connection, uuid: str, name: str, inventories: Report, traits: set[str]) -> bool:
    p, t = tables.providers, tables.provider_traits
    if conn.execute(sa.select(p.c.name).where(p.c.uuid == uuid)).scalar() != name:
        return True
    rows = {row.resource_class: row for row in tables.inventories_of(conn, [uuid])}
    if {n for n, row in rows.items() if row.total} - set(inventories) or set(inventories) - set(rows):
        return True
    for resource_class, values in inventories.items():
        row = rows[resource_class]
        if any(getattr(row, field) != value for field, value in complete(values, row).items()):
            return True
    reported = set(conn.scalars(sa.select(t.c.trait).where(t.c.provider_uuid == uuid, t.c.reported)))
    return reported != traits


def _write_inventories(conn: sa.Connection, uuid: str, inventories: Report) -> None:
    i = tables.inventories
    known = {row.resource_class: row for row in tables.inventories_of(conn, [uuid])}
    for resource_class, values in sorted(inventories.items()):
        row = complete(values, known.get(resource_class))
        if resource_class in known:
            conn.execute(sa.update(i).where(i.c.provider_uuid == uuid, i.c.resource_class == resource_class)
                         .values(**row))
        else:
            conn.execute(sa.insert(i).values(provider_uuid=uuid, resource_class=resource_class, used=0, **row))
    for resource_class in sorted(set(known) - set(inventories)):
        remove_inventory(conn, uuid, resource_class)


def remove_inventory(conn: sa.Connection, uuid: str, resource_class: str) -> None:
    """Drop an inventory. While something is claimed of it, it stays with a total of 0: the counter must not be lost."""
    i = tables.inventories
    mine = sa.and_(i.c.provider_uuid == uuid, i.c.resource_class == resource_class)
    if conn.execute(sa.delete(i).where(mine, i.c.used == 0)).rowcount == 0:
        conn.execute(sa.update(i).where(mine).values(total=0, reserved=0))


def _write_traits(conn: sa.Connection, uuid: str, traits: set[str]) -> None:
    t = tables.provider_traits
    rows = {row.trait: row.reported
            for row in conn.execute(sa.select(t.c.trait, t.c.reported).where(t.c.provider_uuid == uuid))}
    stale = [trait for trait, reported in rows.items() if reported and trait not in traits]
    if stale:
        conn.execute(sa.delete(t).where(t.c.provider_uuid == uuid, t.c.trait.in_(stale)))
    fresh = sorted(traits - set(rows))
    if fresh:
        conn.execute(sa.insert(t), [{"provider_uuid": uuid, "trait": trait, "reported": True} for trait in fresh])
    adopted = [trait for trait, reported in rows.items() if not reported and trait in traits]
    if adopted:
        conn.execute(sa.update(t).where(t.c.provider_uuid == uuid, t.c.trait.in_(adopted)).values(reported=True))
