# SPDX-License-Identifier: Apache-2.0
"""Reports of hosts and the audit, on each database engine."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from nova import errors
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import audit, claims, inventory
from tests.contract.placement.conftest import ROOM, SMALL, add_host, generation, used


def totals(db: Database, uuid: str) -> dict[str, int]:
    with db.read() as conn:
        return {row.resource_class: row.total for row in tables.inventories_of(conn, [uuid])}


def traits(db: Database, uuid: str) -> set[str]:
    with db.read() as conn:
        return tables.traits_of(conn, [uuid]).get(uuid, set())


def report(db: Database, uuid: str, inventories: dict[str, dict[str, Any]], names: list[str] | None = None,
           **options: bool) -> bool:
    with db.write() as conn:
        return inventory.apply_report(conn, uuid, f"host-{uuid}", inventories, names or [], **options)


def test_a_report_makes_the_provider_and_the_same_report_changes_nothing(db: Database) -> None:
    assert report(db, "p1", ROOM, ["HW_CPU_X86_AVX"])
    before = generation(db, "p1")
    assert not report(db, "p1", ROOM, ["HW_CPU_X86_AVX"])
    assert generation(db, "p1") == before
    assert totals(db, "p1") == {"VCPU": 4, "MEMORY_MB": 4096, "DISK_GB": 100}
    assert traits(db, "p1") == {"HW_CPU_X86_AVX"}


def test_shrinking_below_use_is_applied_and_blocks_new_claims(db: Database) -> None:
    add_host(db, "p1")
    for consumer in ("c1", "c2"):
        with db.write() as conn:
            assert claims.try_claim(conn, consumer, "p", "u", "p1", {"VCPU": 3}) is None
    assert report(db, "p1", ROOM | {"VCPU": {"total": 2}})
    assert totals(db, "p1")["VCPU"] == 2
    assert used(db, "p1")["VCPU"] == 6
    refusal = db.run(lambda c: claims.try_claim(c, "c3", "p", "u", "p1", {"VCPU": 1}))
    assert refusal is not None and refusal.message == "VCPU: 1 requested, 0 free of 4."
    assert db.run(lambda c: claims.release(c, "c1"))
    assert used(db, "p1")["VCPU"] == 3


def test_a_class_that_vanishes_while_claimed_keeps_its_counter(db: Database) -> None:
    add_host(db, "p1")
    db.run(lambda c: claims.try_claim(c, "c1", "p", "u", "p1", SMALL))
    assert report(db, "p1", {"VCPU": {"total": 4}})
    assert totals(db, "p1") == {"VCPU": 4, "MEMORY_MB": 0, "DISK_GB": 0}
    assert not report(db, "p1", {"VCPU": {"total": 4}})
    db.run(lambda c: claims.release(c, "c1"))
    with db.read() as conn:
        assert audit.drifts(conn) == []


def test_a_ratio_set_by_an_operator_stays(db: Database) -> None:
    add_host(db, "p1", inventories={"VCPU": {"total": 4, "allocation_ratio": 2.0}})
    report(db, "p1", {"VCPU": {"total": 8}})
    with db.read() as conn:
        row = tables.inventories_of(conn, ["p1"])[0]
    assert (row.total, row.allocation_ratio) == (8, 2.0)


def test_reported_traits_are_replaced_and_an_operators_kept(db: Database) -> None:
    report(db, "p1", ROOM, ["A", "B"])
    with db.write() as conn:
        conn.execute(sa.insert(tables.provider_traits).values(provider_uuid="p1", trait="CUSTOM_GOLD", reported=False))
    assert report(db, "p1", ROOM, ["B", "C"], disabled=True)
    assert traits(db, "p1") == {"B", "C", "CUSTOM_GOLD", inventory.STATUS_DISABLED}
    assert report(db, "p1", ROOM, ["B", "C"])
    assert traits(db, "p1") == {"B", "C", "CUSTOM_GOLD"}


def test_two_hosts_cannot_share_a_name(db: Database) -> None:
    add_host(db, "p1", "same")
    with pytest.raises(errors.Conflict):
        add_host(db, "p2", "same")


def test_a_provider_is_deleted_only_when_nothing_is_claimed(db: Database) -> None:
    add_host(db, "p1")
    db.run(lambda c: claims.try_claim(c, "c1", "p", "u", "p1", SMALL))
    with pytest.raises(errors.Conflict):
        db.run(lambda c: inventory.delete_provider(c, "p1"))
    db.run(lambda c: claims.release(c, "c1"))
    assert db.run(lambda c: inventory.delete_provider(c, "p1")) is True
    assert db.run(lambda c: inventory.delete_provider(c, "p1")) is False
    assert totals(db, "p1") == {} and traits(db, "p1") == set()


def test_the_audit_finds_claims_without_a_living_server(db: Database) -> None:
    add_host(db, "p1")
    for consumer in ("alive", "dead"):
        db.run(lambda c, who=consumer: claims.try_claim(c, who, "p", "u", "p1", SMALL))  # type: ignore[misc]
    db.run(lambda c: claims.try_claim(c, "foreign", "p", "u", "p1", {"VCPU": 1}, consumer_type="OTHER"))
    with db.read() as conn:
        orphans = audit.audit(conn, {"alive"})
    assert orphans == [audit.Orphan("dead", claims.INSTANCE, {"p1": SMALL})]


def test_a_wrong_counter_is_found_and_recounted(db: Database) -> None:
    add_host(db, "p1")
    db.run(lambda c: claims.try_claim(c, "c1", "p", "u", "p1", SMALL))
    i = tables.inventories
    with db.write() as conn:
        conn.execute(sa.update(i).where(i.c.resource_class == "VCPU").values(used=7))
    wrong = audit.Drift("p1", "VCPU", 7, 1)
    with db.read() as conn:
        assert audit.drifts(conn) == [wrong]
    assert db.run(audit.recount) == [wrong]
    assert db.run(audit.recount) == []
    assert used(db, "p1") == SMALL
