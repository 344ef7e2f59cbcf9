# SPDX-License-Identifier: Apache-2.0
"""Checks of placement against the rest of the cloud: claims without a living consumer, counters that do not add up."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from nova.db.api import placement as tables
from nova.placement.claims import INSTANCE, MIGRATION

#: Gives the condition under which a row whose key is that column is looked at.
Within = Callable[[Any], sa.ColumnElement[bool]]


def _everything(column: Any) -> sa.ColumnElement[bool]:
    return sa.true()


@dataclass(frozen=True, slots=True)
class Orphan:
    """A consumer of ours that is not among the living, with what it holds by provider and class."""

    consumer_uuid: str
    type: str
    held: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter that differed from the sum of its allocations."""

    provider_uuid: str
    resource_class: str
    counted: int
    allocated: int


def audit(conn: sa.Connection, living: Collection[str], within: Within = _everything) -> list[Orphan]:
    """Consumers of type INSTANCE or MIGRATION whose uuid is not in ``living`` (servers and migrations). Read-only."""
    c, a = tables.consumers, tables.allocations
    rows = conn.execute(
        sa.select(c.c.uuid, c.c.type, a.c.provider_uuid, a.c.resource_class, a.c.used)
        .select_from(c.outerjoin(a, a.c.consumer_uuid == c.c.uuid))
        .where(c.c.type.in_((INSTANCE, MIGRATION)), within(c.c.uuid)).order_by(c.c.uuid))
    orphans: dict[str, Orphan] = {}
    for uuid, kind, provider, name, amount in rows:
        if uuid in living:
            continue
        orphan = orphans.setdefault(uuid, Orphan(uuid, kind))
        if provider is not None:
            orphan.held.setdefault(provider, {})[name] = amount
    return list(orphans.values())


def drifts(conn: sa.Connection, provider_uuid: str | None = None, within: Within = _everything) -> list[Drift]:
    """Counters that differ from the sum of the allocations, in one select."""
    i, a = tables.inventories, tables.allocations
    total = sa.func.coalesce(sa.func.sum(a.c.used), 0)
    query = (sa.select(i.c.provider_uuid, i.c.resource_class, i.c.used, total)
             .select_from(i.outerjoin(a, sa.and_(a.c.provider_uuid == i.c.provider_uuid,
                                                 a.c.resource_class == i.c.resource_class)))
             .where(within(i.c.provider_uuid))
             .group_by(i.c.provider_uuid, i.c.resource_class, i.c.used).having(i.c.used != total)
             .order_by(i.c.provider_uuid, i.c.resource_class))
    if provider_uuid is not None:
        query = query.where(i.c.provider_uuid == provider_uuid)
    return [Drift(uuid, name, int(used), int(held)) for uuid, name, used, held in conn.execute(query)]


def recount(conn: sa.Connection, only: str | None = None) -> list[Drift]:
    """Set every counter, or those of one provider, to the sum of its allocations; returns what was wrong. Holds each
    provider while it counts."""
    i = tables.inventories
    corrected = []
    for provider_uuid in sorted({drift.provider_uuid for drift in drifts(conn, only)}):
        tables.touch(conn, provider_uuid)
        for drift in drifts(conn, provider_uuid):
            conn.execute(sa.update(i).where(i.c.provider_uuid == drift.provider_uuid,
                                            i.c.resource_class == drift.resource_class).values(used=drift.allocated))
            corrected.append(drift)
    return corrected
