# SPDX-License-Identifier: Apache-2.0
"""Providers as the Placement API asks for them: one, or those that match; writes guarded by the generation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import placement as tables
from nova.placement.resources import capacity_of

CONCURRENT = "placement.concurrent_update"


@dataclass(frozen=True, slots=True)
class Query:
    """What a provider must match. ``member_of``: for each entry, in at least one of its aggregates."""

    name: str | None = None
    uuid: str | None = None
    in_tree: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    member_of: Sequence[Collection[str]] = ()


def get(conn: sa.Connection, uuid: str) -> Any:
    """The provider's row, or :class:`errors.NotFound`."""
    row = conn.execute(sa.select(tables.providers).where(tables.providers.c.uuid == uuid)).first()
    if row is None:
        raise errors.NotFound(f"No resource provider with uuid {uuid} found.")
    return row


def search(conn: sa.Connection, query: Query) -> list[Any]:
    """Rows of the providers that match, by name."""
    p, t, g = tables.providers, tables.provider_traits, tables.provider_aggregates
    found = sa.select(p).order_by(p.c.name)
    if query.name is not None:
        found = found.where(p.c.name == query.name)
    if query.uuid is not None:
        found = found.where(p.c.uuid == query.uuid)
    if query.in_tree is not None:
        root = sa.select(p.c.root_uuid).where(p.c.uuid == query.in_tree).scalar_subquery()
        found = found.where(p.c.root_uuid == root)
    for trait in sorted(query.required):
        found = found.where(sa.exists().where(t.c.provider_uuid == p.c.uuid, t.c.trait == trait))
    if query.forbidden:
        found = found.where(~sa.exists().where(t.c.provider_uuid == p.c.uuid, t.c.trait.in_(sorted(query.forbidden))))
    for aggregates in query.member_of:
        found = found.where(sa.exists().where(g.c.provider_uuid == p.c.uuid,
                                              g.c.aggregate_uuid.in_(sorted(aggregates))))
    rows = list(conn.execute(found).all())
    if query.resources:
        room = fitting(conn, query.resources)
        rows = [row for row in rows if row.uuid in room]
    return rows


def fitting(conn: sa.Connection, resources: Mapping[str, int]) -> set[str]:
    """Providers on which all of ``resources`` could be claimed now."""
    i = tables.inventories
    fits: dict[str, int] = {}
    for row in conn.execute(sa.select(i).where(i.c.resource_class.in_(sorted(resources)))):
        amount = resources[row.resource_class]
        if (row.used + amount <= capacity_of(row.total, row.reserved, row.allocation_ratio)
                and row.min_unit <= amount <= row.max_unit and amount % row.step_size == 0):
            fits[row.provider_uuid] = fits.get(row.provider_uuid, 0) + 1
    return {uuid for uuid, count in fits.items() if count == len(resources)}


def guard(conn: sa.Connection, uuid: str, generation: int | None) -> None:
    """Raise the provider's generation, from ``generation`` if given; Conflict when another has changed it."""
    if not tables.touch(conn, uuid, generation):
        get(conn, uuid)
        raise errors.Conflict(f"Resource provider generation conflict: {generation} is not the current one of {uuid}.",
                              placement_code=CONCURRENT)


def rename(conn: sa.Connection, uuid: str, name: str) -> None:
    p = tables.providers
    get(conn, uuid)
    if conn.execute(sa.select(p.c.uuid).where(p.c.name == name, p.c.uuid != uuid)).first():
        raise errors.Conflict(f"A resource provider with the name {name!r} exists already.",
                              placement_code="placement.duplicate_name")
    tables.touch(conn, uuid)
    conn.execute(sa.update(p).where(p.c.uuid == uuid).values(name=name))


def adopt(conn: sa.Connection, uuid: str, parent_uuid: str | None) -> None:
    """Give a root provider a parent; a parent that is set already cannot be changed. Its whole tree moves along."""
    p = tables.providers
    row = get(conn, uuid)
    if row.parent_uuid == parent_uuid:
        return
    if row.parent_uuid is not None:
        raise errors.Invalid("Un-parenting or re-parenting a provider is not allowed before version 1.37.")
    parent = conn.execute(sa.select(p).where(p.c.uuid == parent_uuid)).first()
    if parent is None:
        raise errors.Invalid(f"Parent resource provider {parent_uuid} does not exist.")
    if parent.root_uuid == row.uuid:
        raise errors.Invalid("A provider cannot be its own ancestor.")
    tables.touch_all(conn, (uuid, parent.uuid))
    conn.execute(sa.update(p).where(p.c.root_uuid == uuid).values(root_uuid=parent.root_uuid))
    conn.execute(sa.update(p).where(p.c.uuid == uuid).values(parent_uuid=parent.uuid))


def set_aggregates(conn: sa.Connection, uuid: str, aggregates: Collection[str]) -> None:
    g = tables.provider_aggregates
    conn.execute(sa.delete(g).where(g.c.provider_uuid == uuid))
    if aggregates:
        conn.execute(sa.insert(g), [{"provider_uuid": uuid, "aggregate_uuid": a} for a in sorted(set(aggregates))])


def aggregates_of(conn: sa.Connection, uuid: str) -> list[str]:
    g = tables.provider_aggregates
    return list(conn.scalars(sa.select(g.c.aggregate_uuid).where(g.c.provider_uuid == uuid)
                             .order_by(g.c.aggregate_uuid)))
