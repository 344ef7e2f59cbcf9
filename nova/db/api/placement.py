# SPDX-License-Identifier: Apache-2.0
"""Tables of placement: who provides what (inventories, traits, aggregates) and who holds it (consumers, allocations).

Only tables and plain reads live here; the rules of claims are in :mod:`nova.placement.claims`. ``inventories.used`` is
a counter beside the allocations, so that a claim is one conditional UPDATE. Whoever writes inventories or allocations
of a provider first raises its generation in the same transaction (:func:`touch`): that row is the provider's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata

providers = schema.table(
    "resource_providers", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("generation", sa.Integer, nullable=False, default=0),
    sa.Column("parent_uuid", schema.Uuid, index=True),
    sa.Column("root_uuid", schema.Uuid, nullable=False, index=True),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Column("updated_at", schema.Time, nullable=False, index=True),
)

inventories = schema.table(
    "inventories", metadata,
    sa.Column("provider_uuid", schema.Uuid, sa.ForeignKey(providers.c.uuid), primary_key=True),
    sa.Column("resource_class", schema.Name, primary_key=True),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False, default=0),
    sa.Column("min_unit", sa.Integer, nullable=False, default=1),
    sa.Column("max_unit", sa.Integer, nullable=False),
    sa.Column("step_size", sa.Integer, nullable=False, default=1),
    sa.Column("allocation_ratio", sa.Double, nullable=False, default=1.0),
    sa.Column("used", sa.BigInteger, nullable=False, default=0),
)

consumers = schema.table(
    "consumers", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("project_id", schema.Name, nullable=False),
    sa.Column("user_id", schema.Name, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, default=0),
    sa.Column("type", sa.String(255), nullable=False, default="INSTANCE"),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Index("ix_consumers_project_id_user_id", "project_id", "user_id"),
)

allocations = schema.table(
    "allocations", metadata,
    sa.Column("consumer_uuid", schema.Uuid, sa.ForeignKey(consumers.c.uuid), primary_key=True),
    sa.Column("provider_uuid", schema.Uuid, sa.ForeignKey(providers.c.uuid), primary_key=True, index=True),
    sa.Column("resource_class", schema.Name, primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
)

traits = schema.table("traits", metadata, sa.Column("name", schema.Name, primary_key=True))

#: ``reported`` rows come from the host and are replaced by its next report; the others were set by an operator.
provider_traits = schema.table(
    "provider_traits", metadata,
    sa.Column("provider_uuid", schema.Uuid, sa.ForeignKey(providers.c.uuid), primary_key=True),
    sa.Column("trait", schema.Name, primary_key=True, index=True),
    sa.Column("reported", sa.Boolean, nullable=False, default=False),
)

resource_classes = schema.table(
    "resource_classes", metadata, sa.Column("name", schema.Name, primary_key=True))

provider_aggregates = schema.table(
    "provider_aggregates", metadata,
    sa.Column("provider_uuid", schema.Uuid, sa.ForeignKey(providers.c.uuid), primary_key=True),
    sa.Column("aggregate_uuid", schema.Uuid, primary_key=True, index=True),
)

_TOUCH = (sa.update(providers).where(providers.c.uuid == sa.bindparam("p_uuid"))
          .values(generation=providers.c.generation + 1, updated_at=schema.db_now()))


def touch(conn: sa.Connection, provider_uuid: str, generation: int | None = None) -> bool:
    """Raise the provider's generation and so hold its row until the transaction ends; False when there is none.

    With ``generation`` only if that is still the current one.
    """
    statement = _TOUCH if generation is None else _TOUCH.where(providers.c.generation == generation)
    return conn.execute(statement, {"p_uuid": provider_uuid}).rowcount == 1


def touch_all(conn: sa.Connection, provider_uuids: Iterable[str]) -> None:
    """Raise the generation of several, always in the same order, so that two writers cannot wait for each other."""
    for uuid in sorted(set(provider_uuids)):
        touch(conn, uuid)


def changed_providers(conn: sa.Connection, since: float | None = None, also: Collection[str] = ()) -> list[Any]:
    """(uuid, name, generation, updated_at) of all providers, or of those touched after ``since`` and those named."""
    p = providers
    query = sa.select(p.c.uuid, p.c.name, p.c.generation, p.c.updated_at)
    if since is not None:
        touched = p.c.updated_at > since
        query = query.where(sa.or_(touched, p.c.uuid.in_(sorted(also))) if also else touched)
    return list(conn.execute(query).all())


def inventories_of(conn: sa.Connection, provider_uuids: Iterable[str] | None = None) -> list[Any]:
    """Rows of ``inventories``, of every provider or of some."""
    query = sa.select(inventories)
    if provider_uuids is not None:
        query = query.where(inventories.c.provider_uuid.in_(list(provider_uuids)))
    return list(conn.execute(query).all())


def consumer_counts(conn: sa.Connection, provider_uuids: Iterable[str] | None = None) -> dict[str, int]:
    """How many consumers each provider has."""
    a = allocations
    query = sa.select(a.c.provider_uuid, sa.func.count(a.c.consumer_uuid.distinct())).group_by(a.c.provider_uuid)
    if provider_uuids is not None:
        query = query.where(a.c.provider_uuid.in_(list(provider_uuids)))
    return {uuid: count for uuid, count in conn.execute(query)}


def traits_of(conn: sa.Connection, provider_uuids: Iterable[str] | None = None) -> dict[str, set[str]]:
    """Trait names by provider."""
    query = sa.select(provider_traits.c.provider_uuid, provider_traits.c.trait)
    if provider_uuids is not None:
        query = query.where(provider_traits.c.provider_uuid.in_(list(provider_uuids)))
    found: dict[str, set[str]] = {}
    for uuid, trait in conn.execute(query):
        found.setdefault(uuid, set()).add(trait)
    return found
