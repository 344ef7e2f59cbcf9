# SPDX-License-Identifier: Apache-2.0
"""Whole-consumer writes and sums as the Placement API wants them; the workflows of ours use :mod:`.claims`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import placement as tables
from nova.placement import claims

#: The type of consumers that come by the API; the auditor of ours lets them alone.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a consumer shall hold from now on: provider → class → amount; nothing at all removes it."""

    consumer_uuid: str
    project_id: str
    user_id: str
    held: Mapping[str, Mapping[str, int]]


def replace(conn: sa.Connection, wanted: list[Wanted]) -> None:
    """Give each consumer exactly what is wanted, all of them or (Conflict, nothing committed) none."""
    before = claims.allocations_of(conn, [w.consumer_uuid for w in wanted])
    named = {uuid for w in wanted for uuid in w.held}
    known = set(conn.scalars(sa.select(tables.providers.c.uuid).where(tables.providers.c.uuid.in_(sorted(named)))))
    if missing := named - known:
        raise errors.Invalid(f"Allocation for resource provider {min(missing)} that does not exist.")
    tables.touch_all(conn, named | {uuid for held in before.values() for uuid in held})
    c = tables.consumers
    kinds = {uuid: kind for uuid, kind in conn.execute(
        sa.select(c.c.uuid, c.c.type).where(c.c.uuid.in_([w.consumer_uuid for w in wanted])))}
    for one in wanted:
        claims.release(conn, one.consumer_uuid)
    for one in wanted:
        for provider in sorted(one.held):
            refusal = claims.try_claim(conn, one.consumer_uuid, one.project_id, one.user_id, provider,
                                       one.held[provider], consumer_type=kinds.get(one.consumer_uuid, UNKNOWN))
            if refusal is not None:
                raise errors.Conflict(f"Unable to allocate inventory on resource provider {provider}: "
                                      f"{refusal.message}")


def of_provider(conn: sa.Connection, provider_uuid: str) -> dict[str, dict[str, int]]:
    """consumer → class → amount."""
    a = tables.allocations
    found: dict[str, dict[str, int]] = {}
    for consumer, name, amount in conn.execute(
            sa.select(a.c.consumer_uuid, a.c.resource_class, a.c.used).where(a.c.provider_uuid == provider_uuid)):
        found.setdefault(consumer, {})[name] = amount
    return found


def consumer(conn: sa.Connection, uuid: str) -> Any:
    """The consumer's row or None."""
    return conn.execute(sa.select(tables.consumers).where(tables.consumers.c.uuid == uuid)).first()


def usages(conn: sa.Connection, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """Sums by resource class over a project's consumers, or over those of one of its users."""
    a, c = tables.allocations, tables.consumers
    query = (sa.select(a.c.resource_class, sa.func.sum(a.c.used)).join_from(a, c, c.c.uuid == a.c.consumer_uuid)
             .where(c.c.project_id == project_id).group_by(a.c.resource_class))
    if user_id is not None:
        query = query.where(c.c.user_id == user_id)
    return {name: int(amount) for name, amount in conn.execute(query)}
