# SPDX-License-Identifier: Apache-2.0
"""Records that come twice, because whoever had them in hand died or was slow: written once, and answered alike."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency, errors
from nova.db.cell.tables import operations
from nova.objects.work import Work
from nova.store.cell import CellStore
from tests.contract.stores.conftest import LEASE, Bench
from tests.contract.stores.test_store import register

EVENT = {"event": "compute_prep_resize", "started_at": 1.0, "finished_at": 2.0, "result": "Success"}


def record(number: int, kind: str = "advance", **values: Any) -> dict[str, Any]:
    return {"kind": kind, "said": ["me", number], "step": "leave", "data": {}, "changes": {}, "event": EVENT} | values


def direct(bench: Bench) -> CellStore:
    """What a conductor does with the words of h1; a bus would number them itself."""
    return CellStore(bench.database, lease=LEASE).on_behalf_of("h1")


def taken(bench: Bench, store: Any) -> str:
    operation = bench.operation(bench.server(), action="migrate", step="prep",
                                step_data={"source_compute": "h1", "dest_compute": "h2"})
    assert store.operation_take(operation, 1, register(store)) is not None
    return operation


def events(bench: Bench, operation: str) -> int:
    with bench.database.read() as conn:
        return len(operations.events_of(conn, operation))


@pytest.mark.parametrize("kind, values", [
    ("advance", {}), ("hand", {"level": "api", "step": "move"}), ("finish", {"state": "done"}),
    ("hand", {"level": "host", "host": "h2"}), ("release", {"event": None})])
def test_it_is_written_once_and_answered_alike(bench: Bench, kind: str, values: dict[str, Any]) -> None:
    store = direct(bench)
    operation = taken(bench, store)
    said = record(7, kind, **values)
    store.operation_record(operation, 2, said)
    row = bench.row(operation)
    store.operation_record(operation, 2, said)
    assert bench.row(operation) == row and events(bench, operation) == (values.get("event", EVENT) is not None)


def test_it_is_answered_alike_when_the_row_has_gone_on(bench: Bench) -> None:
    store = direct(bench)
    operation = taken(bench, store)
    said = record(1, "hand", level="host", host="h2", step="arrive")
    store.operation_record(operation, 2, said)
    other = CellStore(bench.database, lease=LEASE).on_behalf_of("h2")
    other.operation_take(operation, 2, register(other, "h2"))
    other.operation_record(operation, 3, {"kind": "finish", "said": ["it", 1], "state": "done", "data": {}})
    row = bench.row(operation)
    store.operation_record(operation, 2, said)
    assert bench.row(operation) == row
    with pytest.raises(errors.Stale):  # what was never written is not
        store.operation_record(operation, 2, said | {"said": ["me", 2]})


def test_an_older_one_does_not_come_over_a_later_one(bench: Bench) -> None:
    store = direct(bench)
    operation = taken(bench, store)
    store.operation_record(operation, 2, record(2, step="arrive"))
    with pytest.raises(errors.Stale):
        store.operation_record(operation, 2, record(1, step="leave"))
    assert bench.row(operation)["step"] == "arrive" and events(bench, operation) == 1


def test_of_two_at_once_one_is_written(bench: Bench) -> None:
    store = direct(bench)
    operation = taken(bench, store)
    answers: list[Any] = []
    for number in range(1, 6):
        tasks = [concurrency.spawn(lambda n=number: answers.append(
            store.operation_record(operation, 2, record(n)))) for _ in range(4)]
        assert all(task.join(120) for task in tasks)
        assert events(bench, operation) == number
    assert len(answers) == 20


def test_a_host_that_was_not_told_of_what_it_owns_is_told_again(bench: Bench) -> None:
    """The first conductor died between its commit and the message."""
    told: list[tuple[str, str, Work]] = []
    trusted = CellStore(bench.database, lease=LEASE, begin=lambda *words: told.append(words))
    store, other = trusted.on_behalf_of("h1"), trusted.on_behalf_of("h2")
    operation, it = taken(bench, store), register(other, "h2")
    said = record(1, "hand", level="host", host="h2", step="arrive")
    for _ in range(2):
        store.operation_record(operation, 2, said)
    assert [(host, incarnation, work.operation.epoch) for host, incarnation, work in told] == [("h2", it, 3)] * 2
    other.operation_record(operation, 3, {"kind": "finish", "said": ["it", 1], "state": "done", "data": {}})
    store.operation_record(operation, 2, said)
    assert len(told) == 2


@pytest.mark.parametrize("said", [["me"], ["m e", 1], ["me:1", 1], ["me", 0], ["me", "1"], ["x" * 33, 1], "me"])
def test_a_number_that_is_none_is_refused(bench: Bench, said: Any) -> None:
    store = direct(bench)
    operation = taken(bench, store)
    with pytest.raises(errors.Invalid):
        store.operation_record(operation, 2, record(1) | {"said": said})


def test_a_host_numbers_its_records(bench: Bench) -> None:
    """Also one that lost track of a row and has it again under the same epoch."""
    store = bench.store("h1")
    operation = taken(bench, store)
    for step in ("leave", "arrive"):
        store.operation_record(operation, 2, {"kind": "advance", "step": step, "data": {}, "event": EVENT})
        assert bench.row(operation)["step"] == step
    assert events(bench, operation) == 2
