# SPDX-License-Identifier: Apache-2.0
"""The runner against a journal in memory: order, branches, failures, takeovers, levels, and crashes anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova import errors
from nova.workflow import Again, Fault, Result, Row, Run, Runner, Step, Workflow, Workflows
from tests.unit.workflow.journal import Crash, MemoryJournal

Act = Callable[[Run], Result | None]


def new_row(step: str, **values: Any) -> Row:
    return Row(uuid="op", instance_uuid="srv", action="make", step=step, level=values.pop("level", "api"), epoch=0,
               **values)


def note(name: str, log: list[str], error: Exception | None = None) -> Act:
    def act(run: Run) -> None:
        log.append(name)
        if error is not None:
            raise error

    return act


def run(journal: MemoryJournal, *steps: Step, failed: Act | None = None, level: str = "api", host: str | None = None,
        nudged: list[Row] | None = None) -> Row:
    row = journal.take()
    Runner(journal, Workflows([Workflow("make", steps, failed)]), level=level, host=host,
           nudge=(nudged if nudged is not None else []).append).run(row, env=None)
    return row


def test_steps_run_in_order_and_the_row_ends() -> None:
    log: list[str] = []
    journal = MemoryJournal(new_row("a"))
    row = run(journal, *(Step(n, "api", note(n, log)) for n in "abc"))
    assert log == ["a", "b", "c"] and journal.log == ["open:b", "open:c", "done"]
    assert (row.state, journal.stored.state, journal.stored.owner) == ("done", "done", None)


def test_a_row_goes_on_where_it_stands() -> None:
    log: list[str] = []
    run(MemoryJournal(new_row("b")), *(Step(n, "api", note(n, log)) for n in "abc"))
    assert log == ["b", "c"]


def test_a_branch_is_only_reached_by_name_and_a_step_may_name_the_next() -> None:
    log: list[str] = []
    steps = (Step("a", "api", lambda r: Result(next="d", data={"chosen": 1})), Step("b", "api", note("b", log)),
             Step("c", "api", note("c", log), branch=True), Step("d", "api", note("d", log)))
    journal = MemoryJournal(new_row("a"))
    run(journal, *steps)
    assert log == ["d"] and journal.stored.step_data == {"chosen": 1}
    log.clear()
    run(MemoryJournal(new_row("b")), *steps)
    assert log == ["b", "d"]


def test_a_step_may_end_the_row() -> None:
    journal = MemoryJournal(new_row("a"))
    run(journal, Step("a", "api", lambda r: Result(close="moved")), Step("b", "api", lambda r: None))
    assert journal.stored.state == "moved"


def test_effect_and_record_are_one() -> None:
    def effect(world: set[str]) -> dict[str, Any]:
        world.add("port")
        return {"port": 7}

    seen: list[Any] = []
    journal = MemoryJournal(new_row("a"))
    run(journal, Step("a", "api", lambda r: Result(effect=effect)),
        Step("b", "api", lambda r: seen.append(r.data["port"])))
    assert journal.world == {"port"} and seen == [7] and journal.stored.step_data == {"port": 7}


def test_otherwise_goes_on_elsewhere_after_its_own_undo() -> None:
    log: list[str] = []
    steps = (Step("a", "api", note("a", log), undo=note("-a", log)),
             Step("b", "api", note("b", log, errors.Conflict("taken")), undo=note("-b", log), otherwise="c"),
             Step("x", "api", note("x", log)), Step("c", "api", note("c", log), branch=True),)
    journal = MemoryJournal(new_row("a"))
    run(journal, *steps)
    assert log == ["a", "b", "-b", "c"] and journal.stored.state == "done"
    assert journal.stored.step_data["fault"]["message"] == "taken"


def test_a_failure_undoes_from_the_step_in_progress_backwards() -> None:
    log: list[str] = []
    steps = (Step("a", "api", note("a", log), undo=note("-a", log)), Step("b", "api", note("b", log)),
             Step("c", "api", note("c", log, ValueError("bug")), undo=note("-c", log)))
    journal = MemoryJournal(new_row("a"))
    run(journal, *steps, failed=lambda r: Result(effect=lambda world: world.add("told")))
    assert log == ["a", "b", "c", "-c", "-a"]
    assert journal.stored.state == "failed" and journal.world == {"told"}
    assert journal.stored.fault is not None
    assert journal.stored.fault["message"] == "ValueError while the operation ran; the log of its host tells more."
    assert "bug" in journal.stored.fault["details"]


def test_an_undo_that_finds_it_done_goes_on_after_all() -> None:
    log: list[str] = []
    steps = (Step("a", "api", note("a", log), undo=note("-a", log)),
             Step("ask", "api", lambda r: Result(next="c"), branch=True),
             Step("b", "api", note("b", log, errors.Conflict("lost sight of it")),
                  undo=lambda r: Result(data={"gone": True}, next="ask")),
             Step("c", "api", note("c", log)))
    journal = MemoryJournal(new_row("a"))
    run(journal, *steps)
    assert (log, journal.stored.state, journal.stored.step_data) == (["a", "b", "c"], "done", {"gone": True})


def test_again_tries_anew_and_then_fails_with_its_reason() -> None:
    tries: list[int] = []

    def full(world: set[str]) -> None:
        raise Again(errors.NoValidHost("full"))

    def act(r: Run) -> Result:
        tries.append(r.tries)
        return Result(effect=full)

    journal = MemoryJournal(new_row("a"))
    run(journal, Step("a", "api", act))
    assert tries == [0, 1, 2] and journal.stored.fault is not None and journal.stored.fault["message"] == "full"


def test_stale_stops_and_undoes_nothing() -> None:
    log: list[str] = []
    journal = MemoryJournal(new_row("a"))

    def overtaken(r: Run) -> None:
        log.append("b")
        journal.take()

    run(journal, Step("a", "api", note("a", log), undo=note("-a", log)),
        Step("b", "api", overtaken, undo=note("-b", log)), Step("c", "api", note("c", log)))
    assert log == ["a", "b"] and journal.log == ["open:b"] and journal.stored.state == "open"


def test_unavailable_lets_go_of_the_row() -> None:
    log: list[str] = []
    journal = MemoryJournal(new_row("a"))
    error: list[Exception] = [errors.Unavailable("away")]
    steps = (Step("a", "api", note("a", log), undo=note("-a", log)),
             Step("b", "api", lambda r: note("b", log, error.pop() if error else None)(r)))
    run(journal, *steps)
    assert log == ["a", "b"] and journal.log[-1] == "release" and journal.stored.owner is None
    run(journal, *steps)
    assert log == ["a", "b", "b"] and journal.stored.state == "done"


def test_a_journal_that_is_away_leaves_the_row_owned() -> None:
    journal = MemoryJournal(new_row("a"))

    def away(what: str) -> None:
        raise errors.Unavailable("no database")

    journal.before = away
    row = run(journal, Step("a", "api", lambda r: None))
    assert journal.log == [] and journal.stored.owner == row.owner


@pytest.mark.parametrize("error", [errors.Conflict("no"), ValueError("bug")])
def test_a_sure_step_is_tried_until_it_works_and_ever_less_often(error: Exception) -> None:
    broken: list[Exception] = [error] * 7
    journal = MemoryJournal(new_row("a"))
    step = Step("a", "api", lambda r: note("a", [], broken.pop() if broken else None)(r), sure=True)
    while journal.stored.state == "open":
        journal.stored.attempt += 1
        run(journal, step)
    assert journal.stored.state == "done" and journal.delays == [2.0, 4.0, 6.0, 8.0, 10.0, 10.0, 10.0]


def test_an_undo_that_fails_is_tried_again() -> None:
    log: list[str] = []
    broken: list[Exception] = [errors.HostFailure("stuck"), ValueError("bug")]
    journal = MemoryJournal(new_row("a"))
    step = Step("a", "api", note("a", log, errors.Conflict("no")),
                undo=lambda r: note("-a", log, broken.pop() if broken else None)(r))
    for _ in range(3):
        run(journal, step)
    assert log == ["a", "-a", "-a", "-a"] and journal.stored.state == "failed"
    assert journal.stored.fault is not None and journal.stored.fault["message"] == "no"


def test_what_this_version_does_not_know_waits() -> None:
    journal = MemoryJournal(new_row("from the future"))
    run(journal, Step("a", "api", lambda r: None))
    assert journal.log == ["release"]
    journal = MemoryJournal(new_row("a"))
    journal.stored.action = "fly"
    run(journal, Step("a", "api", lambda r: None))
    assert journal.log == ["release"] and journal.stored.state == "open"


LEVELS = (Step("choose", "api", lambda r: Result(host="h1")), Step("build", "host", lambda r: None),
          Step("tell", "api", lambda r: None))


def test_levels_hand_the_row_over_and_nudge_after_it() -> None:
    nudged: list[Row] = []
    journal = MemoryJournal(new_row("choose"))
    run(journal, *LEVELS, nudged=nudged)
    assert journal.log == ["open:build@host"] and journal.stored.owner is None
    assert [(r.level, r.host, r.step) for r in nudged] == [("host", "h1", "build")]
    run(journal, *LEVELS, level="host", host="h2")  # not the one
    assert journal.stored.step == "build"
    run(journal, *LEVELS, level="host", host="h1", nudged=nudged)
    assert journal.log[-1] == "open:tell@api" and nudged[-1].level == "api"
    run(journal, *LEVELS)
    assert journal.stored.state == "done"


def test_undo_crosses_levels() -> None:
    log: list[str] = []
    steps = (Step("net", "api", note("net", log), undo=note("-net", log)),
             Step("build", "host", note("build", log, errors.HostFailure("broken")), undo=note("-build", log)))
    journal = MemoryJournal(new_row("net", host="h1"))
    run(journal, *steps)
    run(journal, *steps, level="host", host="h1")
    assert (journal.stored.state, journal.stored.level) == ("undoing", "api")
    run(journal, *steps)
    assert log == ["net", "build", "-build", "-net"] and journal.stored.state == "failed"


def moving(log: list[str], failing: Exception | None = None) -> tuple[Step, ...]:
    return (Step("choose", "api", lambda r: Result(data={"source_compute": "h1", "dest_compute": "h2"})),
            Step("leave", "host", note("leave", log), undo=note("-leave", log), place="source_compute"),
            Step("arrive", "host", note("arrive", log, failing), undo=note("-arrive", log), place="dest_compute"),
            Step("forget", "host", note("forget", log), place="source_compute"))


def test_steps_of_a_move_run_where_their_places_are() -> None:
    log: list[str] = []
    journal, nudged = MemoryJournal(new_row("choose")), list[Row]()
    run(journal, *moving(log), nudged=nudged)
    for host in ("h1", "h2", "h1"):
        assert journal.stored.host == host and nudged[-1].host == host
        run(journal, *moving(log), level="host", host="h3", nudged=nudged)  # not its host
        run(journal, *moving(log), level="host", host=host, nudged=nudged)
    assert log == ["leave", "arrive", "forget"] and journal.stored.state == "done"


def test_the_undo_of_a_move_goes_back_to_the_hosts_of_its_steps() -> None:
    log: list[str] = []
    journal = MemoryJournal(new_row("choose"))
    steps = moving(log, errors.HostFailure("no room"))
    run(journal, *steps)
    for host in ("h1", "h2"):
        run(journal, *steps, level="host", host=host)
    assert (journal.stored.state, journal.stored.host, journal.stored.step) == ("undoing", "h1", "leave")
    run(journal, *steps, level="host", host="h1")
    assert log == ["leave", "arrive", "-arrive", "-leave"] and journal.stored.state == "failed"


def test_a_step_without_its_place_waits() -> None:
    journal = MemoryJournal(new_row("choose"))
    run(journal, Step("choose", "api", lambda r: None), Step("leave", "host", lambda r: None, place="source_compute"))
    assert journal.stored.step == "choose" and journal.stored.owner is None


def test_fault_of_an_error() -> None:
    fault = Fault.of(errors.HostFailure("no room", retry=False), "h1")
    assert (fault.message, fault.retry, fault.host) == ("no room", False, "h1")


# -- every step twice, every step failing, a crash anywhere --------------------------------------------------------


def world_steps(outside: set[str], failing: str | None = None) -> tuple[Step, ...]:
    """Steps that make one thing each: the odd ones outside (as a hypervisor would), the even ones as an effect."""
    def make(name: str) -> Step:
        def act(r: Run) -> Result:
            if name == failing:
                outside.add(name)  # it fails half way
                raise errors.HostFailure(f"{name} failed")
            if name in "ac":
                outside.add(name)
                return Result()
            return Result(effect=lambda world: world.add(name))

        def undo(r: Run) -> Result:
            outside.discard(name)
            return Result(effect=lambda world: world.discard(name))

        return Step(name, "api", act, undo)

    return tuple(make(name) for name in "abcd")


def test_each_step_run_twice_is_as_once() -> None:
    for step in "abcd":
        outside: set[str] = set()
        journal = MemoryJournal(new_row("a"))
        died: list[str] = []

        def die(what: str, step: str = step, died: list[str] = died) -> None:
            if not died and what in (f"open:{chr(ord(step) + 1)}", "done" if step == "d" else ""):
                died.append(what)
                raise Crash

        journal.before = die
        with pytest.raises(Crash):
            run(journal, *world_steps(outside))
        run(journal, *world_steps(outside))
        assert journal.stored.state == "done" and (outside, journal.world) == ({"a", "c"}, {"b", "d"})


@pytest.mark.parametrize("failing", "abcd")
def test_each_step_failing_leaves_nothing(failing: str) -> None:
    outside: set[str] = set()
    journal = MemoryJournal(new_row("a"))
    run(journal, *world_steps(outside, failing))
    assert journal.stored.state == "failed"
    assert outside == set() and journal.world == set()


@settings(max_examples=300, deadline=None)
@given(failing=st.sampled_from([None, *"abcd"]), crashes=st.lists(st.integers(0, 9), max_size=6),
       late=st.lists(st.booleans(), min_size=6, max_size=6))
def test_crashes_anywhere_change_nothing_of_the_end(failing: str | None, crashes: list[int],
                                                    late: list[bool]) -> None:
    """A crash before or after the n-th write of a run; then another run takes over, until the row has ended."""
    outside: set[str] = set()
    journal = MemoryJournal(new_row("a"))
    plan = list(zip(crashes, late, strict=False))
    count = [0]

    def die(is_late: bool) -> Callable[[str], None]:
        def at(what: str) -> None:
            if plan and plan[0] == (count[0], is_late):
                plan.pop(0)
                raise Crash
            if is_late:
                count[0] += 1

        return at

    journal.before, journal.after = die(False), die(True)
    for _ in range(20):
        count[0] = 0
        try:
            run(journal, *world_steps(outside, failing))
        except Crash:
            continue
        break
    if failing is None:
        assert journal.stored.state == "done" and (outside, journal.world) == ({"a", "c"}, {"b", "d"})
    else:
        assert journal.stored.state == "failed" and (outside, journal.world) == (set(), set())


@settings(max_examples=100, deadline=None)
@given(overtaken=st.integers(0, 3))
def test_a_former_owner_changes_nothing(overtaken: int) -> None:
    journal = MemoryJournal(new_row("a"))
    writes = [0]

    def overtake(what: str) -> None:
        if writes[0] == overtaken:
            writes[0] += 1
            journal.take()
            return
        writes[0] += 1

    journal.before = overtake
    run(journal, *world_steps(set()))
    assert len(journal.log) == overtaken and journal.stored.state == "open"
