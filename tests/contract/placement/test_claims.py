# SPDX-License-Identifier: Apache-2.0
"""Claims on each database engine: all or nothing, repeatable, never over capacity."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from nova import concurrency, errors
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import audit, claims
from tests.contract.placement.conftest import SMALL, add_host, generation, used

NOTHING = {"VCPU": 0, "MEMORY_MB": 0, "DISK_GB": 0}


def claim(db: Database, consumer: str, provider: str = "p1",
          resources: dict[str, int] | None = None) -> claims.Refusal | None:
    return db.run(lambda conn: claims.try_claim(conn, consumer, "project", "user", provider, resources or SMALL))


def held(db: Database, *consumers: str) -> dict[str, dict[str, dict[str, int]]]:
    with db.read() as conn:
        return claims.allocations_of(conn, consumers)


def test_a_claim_is_recorded_and_counted(db: Database) -> None:
    add_host(db, "p1")
    assert claim(db, "c1") is None
    assert held(db, "c1", "c2") == {"c1": {"p1": SMALL}}
    assert used(db, "p1") == SMALL
    with db.read() as conn:
        assert claims.providers_of(conn, ["c1", "c2"]) == {"c1": "p1"}


def test_repeating_a_claim_changes_nothing(db: Database) -> None:
    add_host(db, "p1")
    assert claim(db, "c1") is None
    assert claim(db, "c1") is None
    assert used(db, "p1") == SMALL
    other = claim(db, "c1", resources={"VCPU": 2})
    assert other is not None and other.rule == "held"
    assert used(db, "p1") == SMALL


def test_a_refusal_takes_nothing_and_says_why(db: Database) -> None:
    add_host(db, "p1")
    refusal = claim(db, "c1", resources={"DISK_GB": 5, "MEMORY_MB": 4000, "VCPU": 1})
    assert refusal is not None
    assert (refusal.resource_class, refusal.capacity, refusal.used, refusal.requested) == ("MEMORY_MB", 3584, 0, 4000)
    assert refusal.message == "MEMORY_MB: 4000 requested, 3584 free of 3584."
    assert used(db, "p1") == NOTHING
    assert held(db, "c1") == {}
    with db.read() as conn:
        assert conn.execute(sa.select(tables.consumers)).all() == []


def test_claim_raises_conflict_with_the_numbers(db: Database) -> None:
    add_host(db, "p1")
    with pytest.raises(errors.Conflict) as caught, db.write() as conn:
        claims.claim(conn, "c1", "project", "user", "p1", {"VCPU": 9})
    assert {k: caught.value.details[k] for k in ("resource_class", "capacity", "used", "requested")} == {
        "resource_class": "VCPU", "capacity": 8, "used": 0, "requested": 9}
    assert used(db, "p1") == NOTHING


@pytest.mark.parametrize(("values", "amount", "rule"), [
    ({"total": 100, "min_unit": 10}, 5, "min_unit"),
    ({"total": 100, "max_unit": 10}, 20, "max_unit"),
    ({"total": 100, "step_size": 10}, 15, "step_size"),
    ({"total": 0}, 1, "capacity"),
    ({"total": 3, "reserved": 5}, 1, "capacity"),
    ({"total": 3, "allocation_ratio": 1.5}, 5, "capacity"),
])
def test_units_and_capacity_of_an_inventory(db: Database, values: dict[str, Any], amount: int, rule: str) -> None:
    add_host(db, "p1", inventories={"CUSTOM_GPU": values})
    refusal = claim(db, "c1", resources={"CUSTOM_GPU": amount})
    assert refusal is not None and refusal.rule == rule


def test_unknown_provider_and_unknown_class_are_refused(db: Database) -> None:
    add_host(db, "p1")
    missing = claim(db, "c1", "nowhere")
    assert missing is not None and missing.message == "Resource provider nowhere does not exist."
    unknown = claim(db, "c1", resources={"CUSTOM_GPU": 1})
    assert unknown is not None and unknown.resource_class == "CUSTOM_GPU" and unknown.capacity == 0


def test_release_gives_back_once(db: Database) -> None:
    add_host(db, "p1")
    add_host(db, "p2")
    claim(db, "c1")
    claim(db, "c1", "p2")
    assert db.run(lambda conn: claims.release(conn, "c1", "p1")) is True
    assert db.run(lambda conn: claims.release(conn, "c1", "p1")) is False
    assert (used(db, "p1"), used(db, "p2")) == (NOTHING, SMALL)
    assert db.run(lambda conn: claims.release(conn, "c1")) is True
    assert db.run(lambda conn: claims.release(conn, "c1")) is False
    assert used(db, "p2") == NOTHING
    with db.read() as conn:
        assert conn.execute(sa.select(tables.consumers)).all() == []


def test_a_move_keeps_the_counters_and_is_done_once(db: Database) -> None:
    """A resize: old claim under the migration, new one under the server; a repeat must not move the new one."""
    add_host(db, "p1")
    add_host(db, "p2")
    claim(db, "server")
    for _ in range(2):
        with db.write() as conn:
            claims.move(conn, "server", "migration")
            claims.claim(conn, "server", "project", "user", "p2", SMALL)
    assert held(db, "server", "migration") == {"server": {"p2": SMALL}, "migration": {"p1": SMALL}}
    assert (used(db, "p1"), used(db, "p2")) == (SMALL, SMALL)
    with db.read() as conn:
        kinds = {row.uuid: (row.type, row.project_id) for row in conn.execute(sa.select(tables.consumers))}
    assert kinds == {"server": ("INSTANCE", "project"), "migration": ("MIGRATION", "project")}


def test_revert_moves_the_old_claim_back(db: Database) -> None:
    add_host(db, "p1")
    claim(db, "server")
    with db.write() as conn:
        assert claims.move(conn, "server", "migration")
        assert claims.move(conn, "migration", "server", consumer_type=claims.INSTANCE)
        assert not claims.move(conn, "migration", "server", consumer_type=claims.INSTANCE)
    assert held(db, "server", "migration") == {"server": {"p1": SMALL}}


def test_every_change_raises_the_generation(db: Database) -> None:
    add_host(db, "p1")
    seen = [generation(db, "p1")]
    for change in (lambda c: claims.try_claim(c, "c1", "p", "u", "p1", SMALL), lambda c: claims.move(c, "c1", "m1"),
                   lambda c: claims.release(c, "m1")):
        db.run(change)
        seen.append(generation(db, "p1"))
    assert seen == sorted(set(seen))


def test_a_claim_costs_five_statements(db: Database) -> None:
    add_host(db, "p1")
    statements: list[str] = []
    with db.write() as conn:
        event.listen(conn, "before_cursor_execute", lambda c, cur, sql, *rest: statements.append(sql))
        assert claims.try_claim(conn, "c1", "project", "user", "p1", SMALL) is None
    assert len([sql for sql in statements if sql != "COMMIT"]) <= 5


def test_racing_claims_never_exceed_the_capacity(db: Database) -> None:
    """Eight tasks claim and give back on two small hosts; what is granted fits at every moment and adds up."""
    for uuid in ("p1", "p2"):
        add_host(db, uuid)
    refused: list[str] = []

    def work(number: int) -> None:
        for turn in range(6):
            consumer, provider = f"c{number}-{turn}", ("p1", "p2")[(number + turn) % 2]
            if claim(db, consumer, provider) is not None:
                refused.append(consumer)
            elif turn % 3 == 2:
                db.run(lambda conn, c=consumer: claims.release(conn, c))  # type: ignore[misc]

    tasks = [concurrency.spawn(work, n) for n in range(8)]
    assert all(task.join(120) for task in tasks)
    with db.read() as conn:
        assert audit.drifts(conn) == []
        granted = conn.execute(sa.select(sa.func.count(tables.allocations.c.consumer_uuid.distinct()))).scalar_one()
    assert used(db, "p1")["VCPU"] + used(db, "p2")["VCPU"] == granted
    assert used(db, "p1")["VCPU"] <= 8 and used(db, "p2")["VCPU"] <= 8
    assert refused


def test_opposite_moves_and_releases_do_not_deadlock(db: Database) -> None:
    """Consumers with claims on both hosts are released in any order: providers are always taken in uuid order."""
    for uuid in ("p1", "p2"):
        add_host(db, uuid, inventories={"VCPU": {"total": 1000}})
    for n in range(12):
        for provider in (("p1", "p2"), ("p2", "p1"))[n % 2]:
            assert claim(db, f"c{n}", provider, {"VCPU": 3}) is None
    tasks = [concurrency.spawn(db.run, lambda conn, c=f"c{n}": claims.release(conn, c)) for n in range(12)]
    assert all(task.join(120) for task in tasks)
    assert used(db, "p1") == used(db, "p2") == {"VCPU": 0}
