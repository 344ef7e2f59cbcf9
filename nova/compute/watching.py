# SPDX-License-Identifier: Apache-2.0
"""What long work on a host says and hears while it runs: how far it is, and signals on its operation. Also whose turn
it is where only so many may run at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from nova import concurrency, errors
from nova.objects.store import Store
from nova.virt.migration import Counters

#: Seconds between two reports, and between two looks for signals when nobody says that there is one.
REPORT_EVERY, LOOK_EVERY = 1.0, 2.0


class Watching:
    """Of one host. ``ring`` tells the work of an operation or server that there is something to look at;
    ``again(operation, epoch)`` has an operation looked at that had waited for its turn."""

    def __init__(self, store: Store, limit: int, again: Callable[[str, int], None]) -> None:
        self._store, self._limit, self._again = store, limit, again
        self._lock = concurrency.Lock()
        self._bells: dict[str, Any] = {}
        self._refused: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._running: set[str] = set()

    def ring(self, uuid: str) -> None:
        with self._lock:
            bell = self._bells.get(uuid)
        if bell is not None:
            bell.set()

    @contextlib.contextmanager
    def turn(self, operation: str, server: str, epoch: int) -> Iterator[OperationWatch]:
        """One of ``limit`` turns (0: any number). Unavailable while all are taken: the row waits, no worker does."""
        with self._lock:
            if self._limit and len(self._running) >= self._limit:
                self._refused[operation] = epoch
                raise errors.Unavailable("Other live migrations of this host go first.", retry_after=2)
            self._waiting.pop(operation, None)
            self._running.add(operation)
            bell = self._bells[operation] = self._bells[server] = concurrency.Event()
        try:
            yield OperationWatch(self._store, operation, epoch, bell)
        finally:
            with self._lock:
                self._running.discard(operation)
                del self._bells[operation], self._bells[server]
            self._call_next()

    def let_go(self, operation: str) -> None:
        """The operation is out of hand. If it was refused its turn, it is called when there is one: not before now, for
        it could not have been taken."""
        with self._lock:
            epoch = self._refused.pop(operation, None)
            if epoch is None:
                return
            self._waiting[operation] = epoch
        self._call_next()

    def _call_next(self) -> None:
        """The one that waits longest, if there is a turn."""
        with self._lock:
            following = next(iter(self._waiting.items()), None)
            if following is None or len(self._running) >= self._limit:
                return
            del self._waiting[following[0]]
        self._again(*following)


class OperationWatch:
    """Implements :class:`nova.virt.migration.Watch`. Stale when the operation is no longer ours; a conductor that does
    not answer is no reason to break anything off."""

    def __init__(self, store: Store, operation: str, epoch: int, bell: Any) -> None:
        self._store, self._operation, self._epoch, self._bell = store, operation, epoch, bell
        self._reported_at = self._looked_at = -REPORT_EVERY
        self._known: frozenset[str] = frozenset()

    def report(self, counters: Counters) -> None:
        now = concurrency.monotonic()
        if now - self._reported_at < REPORT_EVERY:
            return
        self._reported_at = now
        with contextlib.suppress(errors.Unavailable):
            self._store.operation_progress(self._operation, self._epoch, counters.percent, counters.as_dict())

    def wanted(self, seconds: float) -> frozenset[str]:
        rung = self._bell.wait(seconds) if seconds else self._bell.is_set()
        now = concurrency.monotonic()
        if rung or now - self._looked_at >= LOOK_EVERY:
            self._bell.clear()
            self._looked_at = now
            with contextlib.suppress(errors.Unavailable):
                self._known = frozenset(self._store.operation_signals(self._operation, self._epoch))
        return self._known
