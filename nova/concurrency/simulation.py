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
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import greenlet

from nova.concurrency.primitives import SimCondition, SimEvent, SimLocal, SimLock, SimPool, SimQueue

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


