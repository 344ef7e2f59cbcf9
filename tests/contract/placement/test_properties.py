# SPDX-License-Identifier: Apache-2.0
"""After any sequence of claims, releases, moves and reports the counters equal the allocations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova.db.api import metadata
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import audit, claims, inventory
from tests.contract.placement.conftest import placement_tables

PROVIDERS = ("p1", "p2")
consumers = st.sampled_from(("a", "b", "c", "d"))
providers = st.sampled_from(PROVIDERS)
amounts = st.dictionaries(st.sampled_from(("VCPU", "MEMORY_MB")), st.integers(0, 6), max_size=2)
acts = st.one_of(
    st.tuples(st.just("claim"), consumers, providers, amounts),
    st.tuples(st.just("release"), consumers, st.one_of(st.none(), providers)),
    st.tuples(st.just("move"), consumers, consumers),
    st.tuples(st.just("report"), providers, st.integers(0, 12)),
)


def act(conn: Any, step: tuple[Any, ...]) -> None:
    match step:
        case ("claim", consumer, provider, resources):
            claims.try_claim(conn, consumer, "project", "user", provider, resources)
        case ("release", consumer, provider):
            claims.release(conn, consumer, provider)
        case ("move", one, other):
            claims.move(conn, one, other)
        case ("report", provider, total):
            inventory.apply_report(conn, provider, provider, {"VCPU": {"total": total}, "MEMORY_MB": {"total": 10}}, [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(acts, max_size=25))
def test_used_equals_the_sum_of_allocations(steps: list[tuple[Any, ...]], tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/placement.sqlite", synchronous="OFF")
    metadata.create_all(db.engine, tables=placement_tables())
    try:
        with db.write() as conn:
            for table in (tables.allocations, tables.consumers, tables.provider_traits, tables.inventories,
                          tables.providers):
                conn.execute(table.delete())
            for provider in PROVIDERS:
                act(conn, ("report", provider, 10))
            for step in steps:
                before = {(r.provider_uuid, r.resource_class): r.used for r in tables.inventories_of(conn)}
                act(conn, step)
                assert audit.drifts(conn) == []
                for row in tables.inventories_of(conn):
                    grew = row.used > before[row.provider_uuid, row.resource_class]
                    assert row.used >= 0 and not (grew and row.used > row.total)
            holding = set(conn.scalars(sa.select(tables.allocations.c.consumer_uuid)))
            known = set(conn.scalars(sa.select(tables.consumers.c.uuid)))
            assert holding == known
    finally:
        db.dispose()
