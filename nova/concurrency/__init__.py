# SPDX-License-Identifier: Apache-2.0
"""The concurrency seam: every thread, lock, clock and random number of ours comes from here.

Three backends: ``threads`` (native), ``greenlets`` (eventlet; :func:`use` must run before anything imports sockets) and
``simulation`` (one runner; order, time, uuids and faults drawn from a seed). Code asks this module at the moment it
makes a lock or a task, so the backend of the process decides, not an import.

    concurrency.spawn(work, arg, name="janitor").join(5)
    with concurrency.Lock(): ...
    concurrency.sleep(0.5); concurrency.time(); concurrency.uuid4()
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from nova.concurrency import threads as _threads

T = TypeVar("T")

# Read when eventlet is imported, which oslo.messaging does in every process: its resolver of names costs 14 MiB.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")


class Task(Protocol):
    """A running function. ``join`` returns True when it has ended."""

    def join(self, timeout: float | None = None) -> bool: ...

    @property
    def alive(self) -> bool: ...


class Pool(Protocol):
    """A bounded set of workers. ``submit`` queues; ``drain`` waits until everything queued has run."""

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None: ...

    def drain(self, timeout: float | None = None) -> bool: ...

    def stop(self, timeout: float | None = None) -> bool: ...


class Backend(Protocol):
    """What a backend offers; the functions of this module pass everything on to the current one."""

    name: str

    def spawn(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Task: ...
    def sleep(self, seconds: float) -> None: ...
    def time(self) -> float: ...
    def monotonic(self) -> float: ...
    def uuid4(self) -> str: ...
    def random(self) -> Any: ...
    def lock(self) -> Any: ...
    def rlock(self) -> Any: ...
    def event(self) -> Any: ...
    def condition(self, lock: Any = None) -> Any: ...
    def queue(self, maxsize: int = 0) -> Any: ...
    def local(self) -> Any: ...
    def pool(self, size: int, name: str) -> Pool: ...
    def offload(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T: ...
    def checkpoint(self, label: str) -> None: ...


_backend: Backend = _threads.ThreadBackend()

BACKENDS = ("threads", "greenlets", "simulation")


def use(name: str) -> None:
    """Choose the backend of this process: ``threads`` or ``greenlets``. To be called first thing in a process."""
    global _backend
    if name == "threads":
        _backend = _threads.ThreadBackend()
    elif name == "greenlets":
        from nova.concurrency import greenlets

        _backend = greenlets.GreenletBackend()
    else:
        raise ValueError(f"concurrency backend {name!r} is unknown; use 'threads' or 'greenlets'")


def backend() -> Backend:
    return _backend


@contextlib.contextmanager
def using(instance: Backend) -> Iterator[Backend]:
    """Run a block under another backend instance (the simulation does this); restores the former one."""
    global _backend
    before = _backend
    _backend = instance
    try:
        yield instance
    finally:
        _backend = before


def spawn(fn: Callable[..., Any], *args: Any, name: str = "", **kwargs: Any) -> Task:
    """Start ``fn`` in a task of its own. An exception that leaves it is logged, never lost."""
    return _backend.spawn(fn, args, kwargs, name or getattr(fn, "__qualname__", "task"))


def sleep(seconds: float) -> None:
    _backend.sleep(seconds)


def time() -> float:
    """Seconds since the epoch, UTC."""
    return _backend.time()


def monotonic() -> float:
    return _backend.monotonic()


def uuid4() -> str:
    return _backend.uuid4()


def random() -> Any:
    """A :class:`random.Random`; seeded in the simulation."""
    return _backend.random()


def Lock() -> Any:  # noqa: N802 - reads like the class it stands for
    return _backend.lock()


def RLock() -> Any:  # noqa: N802
    return _backend.rlock()


def Event() -> Any:  # noqa: N802
    return _backend.event()


def Condition(lock: Any = None) -> Any:  # noqa: N802
    return _backend.condition(lock)


def Queue(maxsize: int = 0) -> Any:  # noqa: N802
    """A FIFO with ``put(item)``, ``get(timeout=None)`` (raises :class:`queue.Empty`) and ``qsize()``."""
    return _backend.queue(maxsize)


def Local() -> Any:  # noqa: N802
    """Attributes private to the running task."""
    return _backend.local()


def make_pool(size: int, name: str = "pool") -> Pool:
    return _backend.pool(size, name)


def offload(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a blocking C call (libvirt, big file work) so that other tasks go on meanwhile."""
    return _backend.offload(fn, *args, **kwargs)


def checkpoint(label: str) -> None:
    """A place where the simulation may switch or crash; free of cost elsewhere."""
    _backend.checkpoint(label)
