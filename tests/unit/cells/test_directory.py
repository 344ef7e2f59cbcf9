# SPDX-License-Identifier: Apache-2.0
"""The directory of cells: who is opened when, and questions to many of which some fail, hang or are too many."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.concurrency.simulation import Simulation
from nova.db import api as api_db
from nova.db.api import cells as mappings
from nova.db.engine import Database

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@dataclasses.dataclass
class Bench:
    """Mappings in a database, and which rows were opened."""

    path: Path
    api: Database
    cells: Cells
    opened: list[str]

    def map(self, uuid: str, name: str, **values: Any) -> None:
        row = {"uuid": uuid, "name": name, "transport_url": f"{name}:///", "disabled": False, "created_at": 1.0,
               "database_connection": f"sqlite:///{self.path}/{name}.sqlite"} | values
        with self.api.write() as conn:
            conn.execute(mappings.cell_mappings.insert().values(**row))

    def change(self, uuid: str, **values: Any) -> None:
        m = mappings.cell_mappings
        with self.api.write() as conn:
            conn.execute(m.update().where(m.c.uuid == uuid).values(**values))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    api = Database(f"sqlite:///{tmp_path}/api.sqlite", synchronous="OFF")
    api_db.metadata.create_all(api.engine)
    opened: list[str] = []

    def connect(row: dict[str, Any]) -> tuple[Database, Any]:
        opened.append(row["name"])
        return Database(row["database_connection"], name=row["name"]), row["transport_url"]

    made = Bench(tmp_path, api, Cells(api, connect, ttl=3600), opened)
    made.map(mappings.CELL0_UUID, "cell0", transport_url=None)
    made.map(ONE, "one")
    made.map(TWO, "two")
    yield made
    made.cells.close()
    api.dispose()


def names(cells: list[Cell]) -> list[str]:
    return [cell.name for cell in cells]


def test_all_of_them_and_those_with_hosts(bench: Bench) -> None:
    assert names(bench.cells.all()) == ["cell0", "one", "two"]
    assert names(bench.cells.with_hosts()) == ["one", "two"]
    assert bench.cells.all()[0].is_cell0 and bench.cells.get(ONE).bus == "one:///"


def test_each_is_opened_once_however_often_one_looks(bench: Bench) -> None:
    before = bench.cells.get(ONE)
    bench.cells.refresh()
    bench.cells.refresh()
    assert bench.cells.get(ONE) is before and sorted(bench.opened) == ["cell0", "one", "two"]


def test_one_that_is_disabled_keeps_its_connections(bench: Bench) -> None:
    before = bench.cells.get(ONE)
    bench.change(ONE, disabled=True)
    bench.cells.refresh()
    after = bench.cells.get(ONE)
    assert (before.disabled, after.disabled) == (False, True) and after.database is before.database


def test_one_whose_database_moved_is_opened_anew(bench: Bench) -> None:
    before = bench.cells.get(ONE)
    bench.change(ONE, database_connection=f"sqlite:///{bench.path}/moved.sqlite")
    bench.cells.refresh()
    assert bench.cells.get(ONE).database is not before.database
    assert bench.opened.count("one") == 2 and bench.opened.count("two") == 1


def test_one_that_was_made_meanwhile_is_found_and_one_that_is_not_there_is_unavailable(bench: Bench) -> None:
    three = "33333333-3333-4333-8333-333333333333"
    bench.cells.all()
    with pytest.raises(errors.Unavailable) as caught:
        bench.cells.get(three)
    assert caught.value.details["retry_after"] == 5
    bench.map(three, "three")
    assert bench.cells.get(three).name == "three"


def test_a_row_is_believed_for_a_while(bench: Bench) -> None:
    bench.cells.all()
    bench.map("33333333-3333-4333-8333-333333333333", "three")
    assert names(bench.cells.all()) == ["cell0", "one", "two"]
    short = Cells(bench.api, lambda row: (Database(row["database_connection"]), None), ttl=-1)
    assert len(short.all()) == 4
    bench.map("44444444-4444-4444-8444-444444444444", "four")
    assert len(short.all()) == 5
    short.close()


# -- questions to many -----------------------------------------------------------------------------------------------


def test_answers_and_errors_come_by_cell(bench: Bench) -> None:
    def question(cell: Cell) -> str:
        if cell.name == "two":
            raise errors.NotFound("not here")
        return cell.name

    answers = {cell.name: answer for cell, answer in bench.cells.scatter(question).items()}
    assert (answers["cell0"], answers["one"]) == ("cell0", "one")
    assert isinstance(answers["two"], errors.NotFound)


def test_a_question_to_one_cell_is_asked_here(bench: Bench) -> None:
    """In the task of who asks: no worker, no timeout of ours."""
    local = concurrency.Local()
    local.me = True
    answers = bench.cells.scatter(lambda cell: getattr(local, "me", False), [bench.cells.get(ONE)])
    assert list(answers.values()) == [True]


def test_an_error_that_is_no_answer_leaves_nobody_waiting(bench: Bench) -> None:
    """A fault in our own code: the other cells answer, the one is told as silent."""
    def question(cell: Cell) -> str:
        if cell.name == "two":
            raise ZeroDivisionError
        return cell.name

    answers = {cell.name: answer for cell, answer in bench.cells.scatter(question, timeout=0.5).items()}
    assert answers["one"] == "one" and isinstance(answers["two"], errors.Unavailable)


def simulated(bench: Bench, story: Callable[[Cells], None]) -> None:
    """On a clock that only waiting moves."""
    sim = Simulation(1)

    def run() -> None:
        cells = Cells(bench.api, lambda row: (bench.api, None), ttl=3600, timeout=5.0)
        cells.refresh()
        story(cells)

    with concurrency.using(sim):
        sim.run(run)
    sim.close()


def hang(cell: Cell) -> str:
    if cell.name == "two":
        concurrency.sleep(100)
    return cell.name


def test_a_cell_that_hangs_costs_the_timeout_and_nothing_more(bench: Bench) -> None:
    def story(cells: Cells) -> None:
        began = concurrency.monotonic()
        answers = {cell.name: answer for cell, answer in cells.scatter(hang).items()}
        assert concurrency.monotonic() - began == 5.0
        assert answers["one"] == "one" and isinstance(answers["two"], errors.Unavailable)

    simulated(bench, story)


def test_many_questions_to_a_cell_that_hangs_do_not_touch_the_others(bench: Bench) -> None:
    told: list[Any] = []

    def story(cells: Cells) -> None:
        def ask() -> None:
            told.append({cell.name: answer for cell, answer in cells.scatter(hang).items()})

        tasks = [concurrency.spawn(ask) for _ in range(150)]
        assert all(task.join(50) for task in tasks)
        assert concurrency.monotonic() <= 5.0  # those over a hundred were told at once that it is silent

    simulated(bench, story)
    assert len(told) == 150
    assert all(t["one"] == "one" and isinstance(t["two"], errors.Unavailable) for t in told)
