# SPDX-License-Identifier: Apache-2.0
"""Native threads: the default backend."""

from __future__ import annotations

import logging
import os
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
LOG = logging.getLogger(__name__)


class ThreadTask:
    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> None:
        self._thread = threading.Thread(target=self._run, args=(fn, args, kwargs), name=name, daemon=True)
        self._thread.start()

    @staticmethod
    def _run(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            fn(*args, **kwargs)
        except Exception:
            LOG.exception("task %s ended by an error", threading.current_thread().name)

    def join(self, timeout: float | None = None) -> bool:
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()


_STOP = object()

#: Told of every checkpoint that is passed. Tests hold a task here or end the process; nothing else may set it.
observer: Callable[[str], None] | None = None


class WorkerPool:
    """Workers are started as work arrives, up to ``size``, and then stay."""

    def __init__(self, size: int, name: str, spawn: Callable[..., Any], make_queue: Callable[[], Any],
                 make_condition: Callable[[], Any]) -> None:
        self._size, self._name, self._spawn = size, name, spawn
        self._queue = make_queue()
        self._changed = make_condition()
        self._workers: list[Any] = []
        self._pending = 0
        self._idle = 0
        self._stopped = False

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        with self._changed:
            if self._stopped:
                raise RuntimeError(f"pool {self._name} is stopped")
            self._pending += 1
            grow = self._pending > len(self._workers) and len(self._workers) < self._size
        if grow:
            self._workers.append(self._spawn(self._work, (), {}, f"{self._name}-{len(self._workers)}"))
        self._queue.put((fn, args, kwargs))

    def _work(self) -> None:
        while (item := self._queue.get()) is not _STOP:
            fn, args, kwargs = item
            try:
                fn(*args, **kwargs)
            except Exception:
                LOG.exception("%s: %s ended by an error", self._name, getattr(fn, "__qualname__", fn))
            finally:
                with self._changed:
                    self._pending -= 1
                    self._changed.notify_all()

    def drain(self, timeout: float | None = None) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._pending == 0, timeout))

    def stop(self, timeout: float | None = None) -> bool:
        with self._changed:
            self._stopped = True
        for _ in self._workers:
            self._queue.put(_STOP)
        return all([w.join(timeout) for w in self._workers])


class ThreadBackend:
    name = "threads"

    def __init__(self) -> None:
        self._random = random.Random()
        os.register_at_fork(after_in_child=self._random.seed)

    def spawn(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> ThreadTask:
        return ThreadTask(fn, args, kwargs, name)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def uuid4(self) -> str:
        """Unique, not secret: drawn from a generator that the system's randomness has seeded."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def random(self) -> random.Random:
        return self._random

    def lock(self) -> Any:
        return threading.Lock()

    def rlock(self) -> Any:
        return threading.RLock()

    def event(self) -> Any:
        return threading.Event()

    def condition(self, lock: Any = None) -> Any:
        return threading.Condition(lock)

    def queue(self, maxsize: int = 0) -> Any:
        return queue.Queue(maxsize) if maxsize else queue.SimpleQueue()

    def local(self) -> Any:
        return threading.local()

    def pool(self, size: int, name: str) -> WorkerPool:
        return WorkerPool(size, name, self.spawn, self.queue, self.condition)

    def offload(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return fn(*args, **kwargs)

    def checkpoint(self, label: str) -> None:
        """Nothing happens here unless a test has put something into :data:`observer`."""
        told = observer
        if told is not None:
            told(label)
