# SPDX-License-Identifier: Apache-2.0
"""The deterministic simulation: one runner; order, time, uuids and faults come from a seed.

Tasks are greenlets. A task gives up control only where the real world could interleave: at sleeps, waits, queue reads
and checkpoints (before and after every commit and send). The runner picks the next ready task by the seed, and moves
the clock only when nothing is ready. Tasks belong to a *node* (a simulated process); killing a node abandons its tasks
where they stand, as SIGKILL does: no handler of theirs runs.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import queue
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import greenlet

T = TypeVar("T")
LOG = logging.getLogger(__name__)
EPOCH = 1_700_000_000.0


class Killed(BaseException):
    """The node of the running task was killed at this very point."""


class Deadlock(AssertionError):
    """Nothing is ready, no timer is set, and the simulation was told to go on."""


class SimTask:
    def __init__(self, sim: Simulation, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
                 name: str, node: str) -> None:
        self.sim, self.name, self.node = sim, name, node
        self.locals: dict[int, dict[str, Any]] = {}
        self.done = False
        self._waiters = SimCondition(sim)
        self.glet = greenlet.greenlet(lambda: self._run(fn, args, kwargs), parent=sim.runner)

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            fn(*args, **kwargs)
        except Killed:
            LOG.debug("task %s of %s died with its node", self.name, self.node)
        except greenlet.GreenletExit:
            raise
        except Exception as e:
            LOG.exception("task %s of %s ended by an error", self.name, self.node)
            self.sim.errors.append(e)
        self.done = True
        self._waiters.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        if self.sim.current is self:
            return False
        return bool(self._waiters.wait_for(lambda: self.done, timeout))

    @property
    def alive(self) -> bool:
        return not self.done


class SimCondition:
    """Also serves as lock and event base: with one runner a lock only matters across switches."""

    def __init__(self, sim: Simulation, lock: SimLock | None = None) -> None:
        self._sim = sim
        self._lock = lock or SimLock(sim)
        self._waiting: list[SimTask] = []

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._lock.__exit__(*exc)

    def wait(self, timeout: float | None = None) -> bool:
        held = self._lock.release_all()
        task = self._sim.current
        if task is None:
            raise RuntimeError("only a task of the simulation can wait")
        self._waiting.append(task)
        woken = self._sim.park(timeout)
        if task in self._waiting:
            self._waiting.remove(task)
        self._lock.restore(held)
        return woken

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        end = None if timeout is None else self._sim.time() + timeout
        while not (result := predicate()):
            left = None if end is None else end - self._sim.time()
            if left is not None and left <= 0:
                return result
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        for task in self._waiting[:n]:
            self._waiting.remove(task)
            self._sim.wake(task)

    def notify_all(self) -> None:
        self.notify(len(self._waiting))


class SimLock:
    """Re-entrant; used for both kinds of lock."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._owner: SimTask | None = None
        self._depth = 0
        self._waiting: list[SimTask] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = self._sim.current
        while self._owner is not None and self._owner is not me and not self._sim.is_dead(self._owner):
            if not blocking or me is None:
                return False
            self._waiting.append(me)
            woken = self._sim.park(None if timeout < 0 else timeout)
            if not woken:
                self._waiting.remove(me)
                return False
        self._owner, self._depth = me, self._depth + 1 if self._owner is me else 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if self._depth <= 0:
            self._owner, self._depth = None, 0
            if self._waiting:
                self._sim.wake(self._waiting.pop(0))

    def release_all(self) -> int:
        depth, self._depth = self._depth, min(self._depth, 1)
        if depth:
            self.release()
        return depth

    def restore(self, depth: int) -> None:
        if depth:
            self.acquire()
            self._depth = depth

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


class SimEvent:
    def __init__(self, sim: Simulation) -> None:
        self._flag = False
        self._cond = SimCondition(sim)

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        self._flag = True
        self._cond.notify_all()

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        return bool(self._cond.wait_for(lambda: self._flag, timeout))


class SimQueue:
    def __init__(self, sim: Simulation) -> None:
        self._items: list[Any] = []
        self._cond = SimCondition(sim)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self._items.append(item)
        self._cond.notify()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._items and block:
            self._cond.wait_for(lambda: self._items, timeout)
        if not self._items:
            raise queue.Empty
        return self._items.pop(0)

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def qsize(self) -> int:
        return len(self._items)

    def empty(self) -> bool:
        return not self._items


class SimLocal:
    def __init__(self, sim: Simulation) -> None:
        object.__setattr__(self, "_sim", sim)

    def _values(self) -> dict[str, Any]:
        sim: Simulation = object.__getattribute__(self, "_sim")
        store = sim.current.locals if sim.current else sim.main_locals
        return store.setdefault(id(self), {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._values()[name] = value

    def __delattr__(self, name: str) -> None:
        del self._values()[name]


class SimPool:
    """At most ``size`` tasks at a time; each piece of work is a task of the submitting node."""

    def __init__(self, sim: Simulation, size: int, name: str) -> None:
        self._sim, self._size, self._name = sim, size, name
        self._cond = SimCondition(sim)
        self._backlog: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self._running = 0

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._backlog.append((fn, args, kwargs))
        if self._running < self._size:
            self._running += 1
            self._sim.spawn(self._work, (), {}, self._name)

    def _work(self) -> None:
        try:
            while self._backlog:
                fn, args, kwargs = self._backlog.pop(0)
                fn(*args, **kwargs)
        finally:
            self._running -= 1
            self._cond.notify_all()

    def drain(self, timeout: float | None = None) -> bool:
        return bool(self._cond.wait_for(lambda: not self._running and not self._backlog, timeout))

    def stop(self, timeout: float | None = None) -> bool:
        return self.drain(timeout)


class Simulation:
    """The backend. ``run(fn)`` runs ``fn`` as the first task and returns when it ends.

    ``crash(label, node)`` decides, at every checkpoint, if the node dies there; tests set it.
    """

    name = "simulation"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = EPOCH
        self.runner = greenlet.getcurrent()
        self.current: SimTask | None = None
        self.main_locals: dict[int, dict[str, Any]] = {}
        self.errors: list[Exception] = []
        self.trace: list[tuple[float, str, str]] = []
        self.crash: Callable[[str, str], bool] = lambda label, node: False
        self.on_kill: Callable[[str], None] = lambda node: None
        self._node = "main"
        self._ready: list[SimTask] = []
        self._timers: list[tuple[float, int, SimTask, int]] = []
        self._parked: dict[SimTask, int] = {}
        self._woken: dict[SimTask, bool] = {}
        self._dead_nodes: set[str] = set()
        self._abandoned: list[SimTask] = []
        self._count = itertools.count()
        self._tasks: list[SimTask] = []

    # -- running -------------------------------------------------------------------------------------------------

    def run(self, fn: Callable[[], T], limit: float = 3600.0) -> T:
        """Run ``fn`` as a task of node ``main`` until it ends; ``limit`` bounds the virtual seconds."""
        result: list[T] = []
        task = self.spawn(lambda: result.append(fn()), (), {}, "story")
        self._loop(task, self.clock + limit)
        if self.errors and not result:
            raise self.errors[-1]
        return result[0]

    def _loop(self, until: SimTask, end: float) -> None:
        self.runner = greenlet.getcurrent()
        for task in self._tasks:
            task.glet.parent = self.runner
        while not until.done:
            if not self._ready:
                self._advance(until, end)
                continue
            task = self._ready.pop(self.rng.randrange(len(self._ready)))
            if self.is_dead(task) or task.done:
                continue
            self.current = task
            task.glet.switch()
            self.current = None

    def _advance(self, until: SimTask, end: float) -> None:
        while self._timers:
            when, _, task, token = heapq.heappop(self._timers)
            if self._parked.get(task) != token or self.is_dead(task):
                continue
            if when > end:
                raise Deadlock(f"seed {self.seed}: {until.name} has not ended after {end - EPOCH:.0f} virtual seconds")
            self.clock = max(self.clock, when)
            del self._parked[task]
            self._woken[task] = False
            self._ready.append(task)
            return
        raise Deadlock(f"seed {self.seed}: nothing can run and {until.name} has not ended")

    def park(self, timeout: float | None) -> bool:
        """Give up control until woken (True) or ``timeout`` has passed (False)."""
        task = self.current
        if task is None:
            raise RuntimeError("only a task of the simulation can wait")
        token = next(self._count)
        self._parked[task] = token
        if timeout is not None:
            heapq.heappush(self._timers, (self.clock + max(timeout, 0.0), token, task, token))
        self._switch()
        return self._woken.pop(task, False)

    def wake(self, task: SimTask) -> None:
        if self._parked.pop(task, None) is not None:
            self._woken[task] = True
            self._ready.append(task)

    def _switch(self) -> None:
        task = self.current
        self.runner.switch()
        if task is not None and self.is_dead(task):
            raise Killed

    # -- nodes ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def node(self, name: str) -> Iterator[None]:
        """Tasks spawned inside belong to node ``name``, which is alive again if it was killed."""
        before = self._node
        self._node = name
        self._dead_nodes.discard(name)
        try:
            yield
        finally:
            self._node = before

    def kill(self, name: str) -> None:
        """Abandon every task of the node where it stands."""
        self.trace.append((self.clock, "kill", name))
        for task in [t for t in self._tasks if t.node == name and not t.done]:
            self._abandoned.append(task)
            self._parked.pop(task, None)
        self._tasks = [t for t in self._tasks if t not in self._abandoned]
        self.on_kill(name)
        if self.current is not None and self.current in self._abandoned:
            raise Killed

    def is_dead(self, task: SimTask) -> bool:
        return task in self._abandoned

    # -- the backend's functions ---------------------------------------------------------------------------------

    def spawn(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> SimTask:
        inside = self.current is not None and self._node == "main"
        node = self.current.node if inside and self.current else self._node
        task = SimTask(self, fn, args, kwargs, name, node)
        self._tasks = [t for t in self._tasks if not t.done] if len(self._tasks) > 200 else self._tasks
        self._tasks.append(task)
        self._ready.append(task)
        return task

    def sleep(self, seconds: float) -> None:
        self.park(seconds)

    def time(self) -> float:
        return self.clock

    def monotonic(self) -> float:
        return self.clock - EPOCH

    def uuid4(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def random(self) -> random.Random:
        return self.rng

    def lock(self) -> SimLock:
        return SimLock(self)

    rlock = lock

    def event(self) -> SimEvent:
        return SimEvent(self)

    def condition(self, lock: Any = None) -> SimCondition:
        return SimCondition(self, lock)

    def queue(self, maxsize: int = 0) -> SimQueue:
        return SimQueue(self)

    def local(self) -> SimLocal:
        return SimLocal(self)

    def pool(self, size: int, name: str) -> SimPool:
        return SimPool(self, size, name)

    def offload(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return fn(*args, **kwargs)

    def checkpoint(self, label: str) -> None:
        """``tx:`` labels are inside a transaction: the node may die there, but nobody else runs."""
        task = self.current
        if task is None:
            return
        self.trace.append((self.clock, task.node, label))
        if self.crash(label, task.node):
            self.kill(task.node)
        if not label.startswith("tx:"):
            token = next(self._count)
            self._parked[task] = token
            self.wake(task)
            self._switch()

    def close(self) -> None:
        """Forget all tasks; abandoned ones are ended quietly."""
        self.crash = lambda label, node: False
        for task in [*self._abandoned, *self._tasks]:
            if not task.glet.dead and task.glet:
                with contextlib.suppress(BaseException):
                    task.glet.throw(greenlet.GreenletExit)
        self._abandoned.clear()
        self._tasks.clear()


