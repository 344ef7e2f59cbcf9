# SPDX-License-Identifier: Apache-2.0
"""Locks, events, queues and pools of the simulation. With one runner they only matter across switches."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nova.concurrency.simulation import SimTask, Simulation


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
