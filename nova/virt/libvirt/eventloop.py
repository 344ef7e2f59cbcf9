# SPDX-License-Identifier: Apache-2.0
"""The event loop that libvirt's client library needs: one per process, because the library has only one.

It runs in a task of its own. What libvirt calls back in the middle of C code is only noted there, and handed on
between two turns, so that handlers may use everything of :mod:`nova.concurrency`.
"""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable
from typing import Any

from nova import concurrency

LOG = logging.getLogger(__name__)


class EventLoop:
    """Started by its first user, stopped by its last."""

    def __init__(self) -> None:
        self._users = 0
        self._registered = False
        self._turning = False
        self._timer = -1
        self._task: concurrency.Task | None = None
        self._calls: collections.deque[tuple[Callable[..., None], tuple[Any, ...]]] = collections.deque()

    def acquire(self, libvirt: Any) -> None:
        """Must come before the first connection is opened."""
        self._users += 1
        if not self._registered:
            libvirt.registerErrorHandler(_keep_quiet, None)
            libvirt.virEventRegisterDefaultImpl()
            self._timer = libvirt.virEventAddTimeout(-1, _wake, None)
            self._registered = True
        if self._task is None:
            self._turning = True
            self._task = concurrency.spawn(self._run, libvirt, name="libvirt-events")

    def release(self, libvirt: Any) -> None:
        self._users -= 1
        task = self._task
        if self._users == 0 and task is not None:
            self._task, self._turning = None, False
            libvirt.virEventUpdateTimeout(self._timer, 0)
            task.join(5)
            libvirt.virEventUpdateTimeout(self._timer, -1)

    def later(self, fn: Callable[..., None], *args: Any) -> None:
        """To be called from libvirt's callbacks: run ``fn`` after this turn."""
        self._calls.append((fn, args))

    def _run(self, libvirt: Any) -> None:
        while self._turning:
            concurrency.offload(libvirt.virEventRunDefaultImpl)
            while self._calls:
                fn, args = self._calls.popleft()
                try:
                    fn(*args)
                except Exception:
                    LOG.exception("a handler of libvirt's events failed")


def _keep_quiet(context: Any, error: Any) -> None:
    """Errors arrive as exceptions; libvirt would also print them."""


def _wake(timer: int, opaque: Any) -> None:
    """Only there to end a turn."""


LOOP = EventLoop()
