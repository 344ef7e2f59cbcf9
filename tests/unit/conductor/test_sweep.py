# SPDX-License-Identifier: Apache-2.0
"""Sweeps over cells: what is due is acted on, and what fails is in nobody's way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import nova.db.cell
from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.clients.nudges import Sender
from nova.conductor import sweep
from nova.conductor.sweep import Sweep
from nova.context import RequestContext
from nova.db.cell import instances
from nova.db.cell.tables import operations
from nova.db.engine import Database
from nova.workflow.operations import SHELVE_OFFLOAD
from tests.functional.cloud import make_tables


class Bus:
    """Notes what is cast."""

    def __init__(self) -> None:
        self.casts: list[tuple[str, str, Any]] = []
        self.said = concurrency.Event()

    def cast(self, context: RequestContext, topic: str, method: str, *, namespace: str, server: str,
             args: dict[str, Any]) -> None:
        self.casts.append((method, server, args))
        self.said.set()


class Directory:
    """Cells that are there."""

    def __init__(self, *cells: Cell) -> None:
        self._cells = list(cells)

    def with_hosts(self) -> list[Cell]:
        return self._cells


@pytest.fixture
def make_cell(tmp_path: Path) -> Iterator[Callable[[str], Cell]]:
    made: list[Database] = []

    def make(name: str) -> Cell:
        made.append(Database(f"sqlite:///{tmp_path / name}.sqlite", name=name))
        make_tables(made[-1], nova.db.cell)
        return Cell(name, name, made[-1], Bus())

    yield make
    for database in made:
        database.dispose()


def plant(cell: Cell, count: int = 1, **values: Any) -> list[str]:
    """Servers of a cell, in the order of their uuids."""
    now = concurrency.time()
    row: dict[str, Any] = {
        "project_id": "p1", "user_id": "u1", "display_name": "vm", "vm_state": "shelved", "task_state": None,
        "flavor": {"name": "f"}, "flavorid": "1", "vcpus": 1, "memory_mb": 512, "root_gb": 1, "ephemeral_gb": 0,
        "metadata": {}, "system_metadata": {}, "tags": [], "network_info": [], "security_groups": [],
        "scheduler_hints": {}, "host": "h1", "epoch": 1, "op_seq": 1, "created_at": now, "updated_at": now}
    rows = [row | values | {"uuid": concurrency.uuid4()} for _ in range(count)]
    with cell.database.write() as conn:
        instances.insert(conn, rows)
    return sorted(row["uuid"] for row in rows)


def sweep_over(cells: list[Cell], due: Callable[[Cell], Any], act: Callable[[Cell, str], bool],
               interval: float = 3600.0) -> Sweep[str]:
    return Sweep("tester", cast(Cells, Directory(*cells)), due, act, interval=interval)


def test_all_that_is_due_is_acted_on_and_told(make_cell: Callable[[str], Cell]) -> None:
    cells = [make_cell("east"), make_cell("west")]
    acted: list[tuple[str, str]] = []

    def act(cell: Cell, thing: str) -> bool:
        acted.append((cell.name, thing))
        return thing != "b"  # somebody was faster

    assert sweep_over(cells, lambda cell: ["a", "b", "c"], act).look() == ["a", "c"] * 2
    assert acted == [(cell, thing) for cell in ("east", "west") for thing in ("a", "b", "c")]


@pytest.mark.parametrize("error", [errors.Conflict("not now"), ValueError("a bug")])
def test_what_fails_keeps_nothing_else_waiting(make_cell: Callable[[str], Cell], error: Exception,
                                               caplog: pytest.LogCaptureFixture) -> None:
    fails = {"b"}

    def act(cell: Cell, thing: str) -> bool:
        if thing in fails:
            raise error
        return True

    swept = sweep_over([make_cell("east"), make_cell("west")], lambda cell: ["a", "b", "c"], act)
    with caplog.at_level(logging.WARNING):
        assert swept.look() == ["a", "c"] * 2
    assert [f"tester: b waits for the next turn{told}" in caplog.text for told in (": not now", " after an error")] == [
        isinstance(error, errors.Conflict), isinstance(error, ValueError)]
    fails.clear()
    assert swept.look() == ["a", "b", "c"] * 2


def test_a_cell_that_does_not_answer_keeps_no_other_waiting(make_cell: Callable[[str], Cell],
                                                            caplog: pytest.LogCaptureFixture) -> None:
    def due(cell: Cell) -> Iterator[str]:
        yield f"first of {cell.name}"
        if cell.name == "east":
            raise errors.Unavailable("No answer.")
        yield f"second of {cell.name}"

    swept = sweep_over([make_cell("east"), make_cell("west")], due, lambda cell, thing: True)
    with caplog.at_level(logging.WARNING):
        assert swept.look() == ["first of east", "first of west", "second of west"]
    assert "tester: cell east is looked at later: No answer." in caplog.text


def test_a_cell_that_is_lost_while_it_is_acted_on_is_left(make_cell: Callable[[str], Cell]) -> None:
    tried: list[str] = []

    def act(cell: Cell, thing: str) -> bool:
        tried.append(thing)
        if cell.name == "east":
            raise errors.Unavailable("No answer.")
        return True

    assert sweep_over([make_cell("east"), make_cell("west")], lambda cell: ["a", "b"], act).look() == ["a", "b"]
    assert tried == ["a", "a", "b"]


def test_it_comes_again_at_intervals(make_cell: Callable[[str], Cell]) -> None:
    again, turns = concurrency.Event(), list[str]()

    def act(cell: Cell, thing: str) -> bool:
        turns.append(thing)
        if len(turns) == 3:
            again.set()
        raise errors.Conflict("never")

    swept = sweep_over([make_cell("east")], lambda cell: ["a"], act, interval=0.01)
    swept.start()
    try:
        assert again.wait(60)
    finally:
        assert swept.stop(60)


def test_servers_at_rest_are_found_page_by_page(make_cell: Callable[[str], Cell]) -> None:
    """Also those behind the first page, however many of the first are due and stay so."""
    cell = make_cell("east")
    found = plant(cell, count=450, user_id="u2")
    plant(cell, task_state="unshelving")
    plant(cell, vm_state="active")
    plant(cell, deleted=True)
    t = instances.instances.c
    assert [(row.uuid, row.user_id) for row in sweep.at_rest(cell, "shelved", columns=(t.user_id,))] == [
        (uuid, "u2") for uuid in found]
    assert list(sweep.at_rest(cell, "shelved", t.user_id == "u1")) == []
    assert [row.uuid for row in sweep.at_rest(cell, "shelved", t.uuid > found[-3])] == found[-2:]


def offload(conn: Any, server: dict[str, Any]) -> dict[str, Any] | None:
    return sweep.begin(conn, server, SHELVE_OFFLOAD, level="host", step=SHELVE_OFFLOAD.steps[0].name,
                       task_state="shelving_offloading")


def test_an_operation_begins_in_the_name_of_the_owner_and_the_host_is_told(make_cell: Callable[[str], Cell]) -> None:
    cell, sender = make_cell("east"), Sender()
    [uuid] = plant(cell)
    act = sweep.starter(sender, "shelved", offload, "leaves its host")
    sender.start()
    try:
        assert act(cell, uuid)
        assert cell.bus.said.wait(60)
    finally:
        sender.stop()
    with cell.database.read() as conn:
        [row], server = operations.open_of(conn, uuid), instances.get(conn, uuid)
    assert server is not None
    assert (server["task_state"], server["epoch"], server["op_seq"]) == ("shelving_offloading", 2, 2)
    assert (row["action"], row["host"], row["owner"], row["epoch"], row["seq"]) == ("shelveOffload", "h1", None, 2, 2)
    assert (row["actor"]["user_id"], row["actor"]["project_id"], row["actor"]["is_admin"]) == ("u1", "p1", True)
    assert cell.bus.casts == [("look", "h1", {"operations": [[row["uuid"], 2]]})]
    assert not act(cell, uuid), "it begins once"


@pytest.mark.parametrize("values", [{"task_state": "unshelving"}, {"vm_state": "active"}, {"deleted": True}])
def test_what_is_no_longer_at_rest_is_left_alone(make_cell: Callable[[str], Cell], values: dict[str, Any]) -> None:
    cell, sender = make_cell("east"), Sender()
    [uuid] = plant(cell, **values)
    assert not sweep.starter(sender, "shelved", offload, "leaves its host")(cell, uuid)
    assert not sweep.starter(sender, "shelved", offload, "leaves its host")(cell, concurrency.uuid4())
    with cell.database.read() as conn:
        assert operations.open_of(conn, uuid) == []
    assert cell.bus.casts == []
