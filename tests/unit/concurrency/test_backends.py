# SPDX-License-Identifier: Apache-2.0
"""What every backend promises, over native threads and the simulation; and what only the simulation does."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency
from nova.concurrency.simulation import Deadlock, Simulation
from nova.concurrency.threads import ThreadBackend

Story = Callable[[], Any]


@pytest.fixture(params=["threads", "simulation"])
def run(request: pytest.FixtureRequest) -> Callable[[Story], Any]:
    """Run a story as a task of the backend."""
    def on_threads(story: Story) -> Any:
        with concurrency.using(ThreadBackend()):
            return story()

    def simulated(story: Story) -> Any:
        sim = Simulation(7)
        try:
            with concurrency.using(sim):
                return sim.run(story)
        finally:
            sim.close()

    return on_threads if request.param == "threads" else simulated


def test_a_task_runs_and_can_be_waited_for(run: Callable[[Story], Any]) -> None:
    def story() -> list[int]:
        done: list[int] = []
        tasks = [concurrency.spawn(done.append, i) for i in range(5)]
        assert all(t.join(120) for t in tasks) and not any(t.alive for t in tasks)
        return sorted(done)

    assert run(story) == [0, 1, 2, 3, 4]


def test_an_error_of_a_task_is_logged_and_ends_only_it(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ValueError("broken on purpose")

    with concurrency.using(ThreadBackend()):
        assert concurrency.spawn(broken).join(120)
    assert "broken on purpose" in caplog.text


def test_join_gives_up_after_its_timeout(run: Callable[[Story], Any]) -> None:
    def story() -> tuple[bool, bool]:
        go = concurrency.Event()
        task = concurrency.spawn(go.wait, 30)
        early = task.join(0.05)
        go.set()
        return early, task.join(120)

    assert run(story) == (False, True)


def test_a_lock_excludes(run: Callable[[Story], Any]) -> None:
    def story() -> int:
        lock, count = concurrency.Lock(), [0]

        def add() -> None:
            for _ in range(20):
                with lock:
                    seen = count[0]
                    concurrency.sleep(0.0001)
                    count[0] = seen + 1

        tasks = [concurrency.spawn(add) for _ in range(4)]
        assert all(t.join(120) for t in tasks)
        return count[0]

    assert run(story) == 80


def test_a_lock_may_be_tried(run: Callable[[Story], Any]) -> None:
    def story() -> tuple[bool, bool, bool]:
        lock = concurrency.Lock()
        answers: list[bool] = []

        def attempt() -> None:
            answers.append(lock.acquire(blocking=False))
            answers.append(lock.acquire(timeout=0.02))

        with lock:
            assert concurrency.spawn(attempt).join(120)
        taken = lock.acquire(timeout=1)
        lock.release()
        return answers[0], answers[1], taken

    assert run(story) == (False, False, True)


def test_an_rlock_may_be_taken_again_by_its_owner(run: Callable[[Story], Any]) -> None:
    def story() -> bool:
        lock, taken = concurrency.RLock(), []
        with lock, lock:
            assert concurrency.spawn(lambda: taken.append(lock.acquire(blocking=False))).join(120)
        return bool(taken[0])

    assert run(story) is False


def test_an_event_wakes_all_who_wait(run: Callable[[Story], Any]) -> None:
    def story() -> list[bool]:
        event, heard = concurrency.Event(), []
        assert event.wait(0.01) is False and not event.is_set()
        tasks = [concurrency.spawn(lambda: heard.append(event.wait(120))) for _ in range(3)]
        event.set()
        assert all(t.join(120) for t in tasks) and event.wait(0)
        event.clear()
        return [*heard, event.is_set()]

    assert run(story) == [True, True, True, False]


def test_a_condition_waits_for_a_predicate(run: Callable[[Story], Any]) -> None:
    def story() -> tuple[bool, bool]:
        cond, items = concurrency.Condition(), []

        def produce() -> None:
            for i in range(3):
                concurrency.sleep(0.01)
                with cond:
                    items.append(i)
                    cond.notify_all()

        task = concurrency.spawn(produce)
        with cond:
            enough = cond.wait_for(lambda: len(items) == 3, 10)
            more = cond.wait_for(lambda: len(items) == 4, 0.02)
        return bool(enough and task.join(120)), bool(more)

    assert run(story) == (True, False)


def test_a_queue_keeps_order_and_says_when_it_is_empty(run: Callable[[Story], Any]) -> None:
    def story() -> list[int]:
        q = concurrency.Queue()
        concurrency.spawn(lambda: [q.put(i) for i in range(4)])
        got = [q.get(timeout=120) for _ in range(4)]
        with pytest.raises(queue.Empty):
            q.get(timeout=0.01)
        assert q.qsize() == 0
        return got

    assert run(story) == [0, 1, 2, 3]


def test_a_pool_bounds_what_runs_and_drains(run: Callable[[Story], Any]) -> None:
    def story() -> tuple[int, int]:
        pool, lock = concurrency.make_pool(3, "p"), concurrency.Lock()
        now, most, done = [0], [0], [0]

        def work() -> None:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            end = concurrency.monotonic() + 60
            while most[0] < 3 and concurrency.monotonic() < end:
                concurrency.sleep(0.005)
            concurrency.sleep(0.005)
            with lock:
                now[0] -= 1
                done[0] += 1

        for _ in range(12):
            pool.submit(work)
        assert pool.drain(120) and pool.stop(120)
        return most[0], done[0]

    assert run(story) == (3, 12)


def test_local_is_of_the_task(run: Callable[[Story], Any]) -> None:
    def story() -> list[Any]:
        local, seen = concurrency.Local(), []
        local.name = "outer"

        def inner() -> None:
            seen.append(getattr(local, "name", None))
            local.name = "inner"
            seen.append(local.name)

        assert concurrency.spawn(inner).join(120)
        return [*seen, local.name]

    assert run(story) == [None, "inner", "outer"]


def test_time_passes(run: Callable[[Story], Any]) -> None:
    def story() -> bool:
        before, mono = concurrency.time(), concurrency.monotonic()
        concurrency.sleep(0.02)
        return concurrency.time() - before >= 0.019 and concurrency.monotonic() - mono >= 0.019

    assert run(story)


def test_ids_and_offloaded_work(run: Callable[[Story], Any]) -> None:
    def story() -> tuple[set[int], int, int]:
        ids = {concurrency.uuid4() for _ in range(50)}
        return {len(i) for i in ids}, len(ids), concurrency.offload(pow, 2, 10)

    assert run(story) == ({36}, 50, 1024)


# -- the simulation alone ------------------------------------------------------------------------------------------


def traced(seed: int) -> tuple[list[str], list[tuple[float, str, str]]]:
    sim, order = Simulation(seed), []

    def work(name: str) -> None:
        for i in range(4):
            concurrency.checkpoint(f"{name}{i}")
            concurrency.sleep(concurrency.random().random())
            order.append(f"{name}{i}:{concurrency.uuid4()[:4]}")

    def story() -> None:
        for task in [concurrency.spawn(work, n) for n in "abc"]:
            task.join()

    try:
        with concurrency.using(sim):
            sim.run(story)
    finally:
        sim.close()
    return order, sim.trace


def test_a_seed_decides_order_time_and_ids() -> None:
    assert traced(1) == traced(1)
    assert traced(1) != traced(2)


def test_virtual_time_costs_nothing() -> None:
    sim = Simulation(1)

    def story() -> float:
        concurrency.sleep(3000.0)
        return concurrency.monotonic()

    with concurrency.using(sim):
        assert sim.run(story) == 3000.0
    sim.close()


def test_a_story_that_never_ends_is_told_of() -> None:
    def nods() -> None:
        while True:
            concurrency.sleep(10.0)

    def waits() -> None:
        concurrency.Event().wait()

    for story in (nods, waits):
        sim = Simulation(1)
        with concurrency.using(sim), pytest.raises(Deadlock, match="seed 1"):
            sim.run(story, limit=100.0)
        sim.close()


def test_a_killed_node_stops_where_it_stands() -> None:
    sim, log = Simulation(3), []

    def service() -> None:
        try:
            while True:
                log.append("beat")
                concurrency.sleep(1.0)
                concurrency.checkpoint("beat")
        except Exception:
            log.append("handled")

    def story() -> None:
        with sim.node("host1"):
            concurrency.spawn(service)
        concurrency.sleep(2.5)
        sim.kill("host1")
        beats = len(log)
        concurrency.sleep(5.0)
        assert len(log) == beats and "handled" not in log
        with sim.node("host1"):
            concurrency.spawn(log.append, "back")
        concurrency.sleep(0.1)

    with concurrency.using(sim):
        sim.run(story)
    sim.close()
    assert log[-1] == "back"


def test_a_lock_of_a_dead_task_is_free() -> None:
    sim, got = Simulation(3), []

    def story() -> None:
        lock = concurrency.Lock()

        def hold() -> None:
            with lock:
                concurrency.sleep(1000.0)

        with sim.node("n"):
            concurrency.spawn(hold)
        concurrency.sleep(1.0)
        sim.kill("n")
        got.append(lock.acquire(timeout=5))

    with concurrency.using(sim):
        sim.run(story)
    sim.close()
    assert got == [True]
