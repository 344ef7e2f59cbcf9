# SPDX-License-Identifier: Apache-2.0
"""Nudges: messages that say "look at that row". They are sent by a task of their own after the commit, never by the
thread that answers a user: a frozen broker blocks a cast for minutes. A lost nudge costs time, nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nova import concurrency, errors

LOG = logging.getLogger(__name__)
_STOP = object()


class Sender:
    """Sends casts in order of arrival. ``drop(label)`` lets tests lose some or all."""

    def __init__(self, *, drop: Callable[[str], bool] = lambda label: False, limit: int = 10_000) -> None:
        self._queue = concurrency.Queue()
        self._drop, self._limit = drop, limit
        self._task: concurrency.Task | None = None
        self.sent = self.lost = 0

    def start(self) -> None:
        self._task = concurrency.spawn(self._run, name="nudge-sender")

    def stop(self) -> None:
        self._queue.put(_STOP)
        if self._task is not None:
            self._task.join(5)

    def send(self, label: str, cast: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Queue a cast; beyond the limit it is dropped, for the row will be found anyway."""
        if self._queue.qsize() < self._limit:
            self._queue.put((label, cast, args, kwargs))
        else:
            self.lost += 1

    def _run(self) -> None:
        while (item := self._queue.get()) is not _STOP:
            label, cast, args, kwargs = item
            if self._drop(label):
                self.lost += 1
                continue
            try:
                cast(*args, **kwargs)
                self.sent += 1
            except errors.NovaError as e:
                self.lost += 1
                LOG.warning("nudge %s was not sent: %s", label, e.message)
