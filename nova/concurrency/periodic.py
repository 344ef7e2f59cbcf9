# SPDX-License-Identifier: Apache-2.0
"""What is done at intervals: one task that waits, acts, and survives what goes wrong. What is done is the caller's.

    keeper = Periodic("auditor", 60.0, auditor.look_and_mend)
    keeper.start(); keeper.wake(); keeper.stop()
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nova import concurrency, errors

LOG = logging.getLogger(__name__)


class Periodic:
    """Calls ``act`` every ``interval`` seconds, counted from the end of the last call; with ``at_once`` also when it
    starts. ``interval`` may be a function, asked before each wait. ``wake`` makes the next call come now.

    ``spread``: so many seconds at most are added to the first wait, so that many processes that start together do not
    act together. What ``act`` raises is logged and the next call comes as if nothing had happened.
    """

    def __init__(self, name: str, interval: float | Callable[[], float], act: Callable[[], Any], *,
                 at_once: bool = False, spread: float = 0.0) -> None:
        self.name = name
        self._interval = interval if callable(interval) else lambda: interval
        self._act, self._at_once, self._spread = act, at_once, spread
        self._wanted = concurrency.Event()
        self._stopped = concurrency.Event()
        self._task: concurrency.Task | None = None

    def start(self) -> None:
        self._task = concurrency.spawn(self._run, name=self.name)

    def stop(self, timeout: float = 5.0) -> bool:
        """No further call; True when one that runs has ended in time."""
        self._stopped.set()
        self._wanted.set()
        return self._task is None or self._task.join(timeout)

    def wake(self) -> None:
        """Act now; while it acts, once more afterwards."""
        self._wanted.set()

    @property
    def stopping(self) -> bool:
        return bool(self._stopped.is_set())

    def _run(self) -> None:
        if self._at_once:
            self._guarded()
        delay = self._interval() + (concurrency.random().random() * self._spread if self._spread else 0.0)
        while not self._stopped.is_set():
            self._wanted.wait(delay)
            self._wanted.clear()
            if not self._stopped.is_set():
                self._guarded()
            delay = self._interval()

    def _guarded(self) -> None:
        try:
            self._act()
        except errors.Unavailable as e:
            LOG.warning("%s waits: %s", self.name, e.message)
        except errors.NovaError as e:
            LOG.warning("%s goes on at its next turn: %s", self.name, e.message)
        except Exception:
            LOG.exception("%s goes on at its next turn after an error", self.name)
