# SPDX-License-Identifier: Apache-2.0
"""Turns: one thing at a time per server, in order, each operation once; a held server makes operations wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nova.compute.turns import Turns


class Bench:
    """Turns whose pool keeps what it is given until ``work()``."""

    def __init__(self) -> None:
        self.given: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.turns = Turns(lambda fn, *args: self.given.append((fn, args)))
        self.log: list[str] = []

    def enter(self, operation: str, server: str = "s", work: Callable[[], None] | None = None) -> bool:
        return self.turns.enter(operation, server, work or (lambda: self.log.append(operation)))

    def work(self) -> None:
        while self.given:
            fn, args = self.given.pop(0)
            fn(*args)


def test_the_first_of_a_line_is_told_to_serve_it_and_serves_all() -> None:
    bench = Bench()
    assert [bench.enter(o) for o in ("a", "b", "c")] == [True, False, False]
    assert bench.turns.operations == ["a", "b", "c"] and bench.turns.busy("s")
    bench.turns.serve("s")
    assert bench.log == ["a", "b", "c"]
    assert bench.turns.operations == [] and not bench.turns.busy("s")


def test_an_operation_is_in_the_line_once() -> None:
    bench = Bench()
    assert bench.enter("a")
    assert not bench.enter("a") and bench.turns.has("a")
    bench.turns.serve("s")
    assert bench.log == ["a"] and not bench.turns.has("a")
    assert bench.enter("a")  # it may come again when it has ended


def test_an_operation_that_comes_back_waits_for_its_own_end() -> None:
    bench = Bench()

    def work() -> None:
        assert not bench.turns.enter("a", "s", lambda: bench.log.append("again"), again=True)
        bench.log.append("first")

    assert bench.enter("a", work=work)
    bench.turns.serve("s")
    assert bench.log == ["first", "again"] and not bench.turns.has("a") and bench.turns.operations == []


def test_servers_do_not_wait_for_each_other() -> None:
    bench = Bench()
    assert bench.enter("a", "one") and bench.enter("b", "two")
    bench.turns.serve("two")
    assert bench.log == ["b"] and bench.turns.busy("one")


def test_what_comes_while_the_line_is_served_is_served_too() -> None:
    bench = Bench()
    served: list[bool] = []
    bench.enter("a", work=lambda: served.append(bench.enter("b")))
    bench.turns.serve("s")
    assert served == [False] and bench.log == ["b"]


def test_an_operation_that_fails_does_not_stop_the_line() -> None:
    bench = Bench()

    def fail() -> None:
        raise ZeroDivisionError

    bench.enter("a", work=fail)
    bench.enter("b")
    bench.turns.serve("s")
    assert bench.log == ["b"] and bench.turns.operations == [] and not bench.turns.busy("s")


def test_a_held_server_makes_operations_wait_and_no_worker() -> None:
    bench = Bench()
    with bench.turns.hold("s") as mine:
        assert mine and bench.turns.busy("s")
        assert not bench.enter("a")
        assert bench.given == [] and bench.log == []
    bench.work()
    assert bench.log == ["a"] and not bench.turns.busy("s")


def test_a_server_with_an_operation_cannot_be_held() -> None:
    bench = Bench()
    bench.enter("a")
    with bench.turns.hold("s") as mine:
        assert not mine
    assert bench.given == [] and bench.turns.operations == ["a"]
    with bench.turns.hold("other") as other, bench.turns.hold("other") as again:
        assert other and not again


def test_a_check_that_fails_lets_go() -> None:
    bench = Bench()
    try:
        with bench.turns.hold("s"):
            bench.enter("a")
            raise ZeroDivisionError
    except ZeroDivisionError:
        bench.work()
    assert bench.log == ["a"] and not bench.turns.busy("s")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.booleans()), max_size=40))
def test_each_operation_runs_once_per_entry_in_the_order_of_its_server(story: list[tuple[int, int, bool]]) -> None:
    bench = Bench()
    expected: dict[int, list[str]] = {}
    waiting: set[int] = set()
    for operation, server, serve in story:
        name = f"{server}.{operation}"
        if not bench.turns.has(name):
            expected.setdefault(server, []).append(name)
        if bench.enter(name, str(server)):
            waiting.add(server)
        if serve and server in waiting:
            waiting.discard(server)
            bench.turns.serve(str(server))
    for server in waiting:
        bench.turns.serve(str(server))
    assert {s: [n for n in bench.log if n.startswith(f"{s}.")] for s in expected} == expected
    assert bench.turns.operations == []
