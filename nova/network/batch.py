# SPDX-License-Identifier: Apache-2.0
"""Many callers, one change at a time: whoever comes while a change is under way shares the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from nova import concurrency

K = TypeVar("K")
V = TypeVar("V")


class _Request(Generic[K, V]):
    def __init__(self, changes: dict[K, V]) -> None:
        self.changes = changes
        self.done = False
        self.error: Exception | None = None


class Batch(Generic[K, V]):
    """Passes changes, a dict, on to ``apply``; of two changes of the same key the later one wins."""

    def __init__(self, apply: Callable[[dict[K, V]], None]) -> None:
        self._apply = apply
        self._changed = concurrency.Condition()
        self._waiting: list[_Request[K, V]] = []
        self._busy = False

    def submit(self, changes: dict[K, V]) -> None:
        """Returns when the changes are made; raises what ``apply`` raised for them."""
        if not changes:
            return
        mine = _Request(changes)
        with self._changed:
            self._waiting.append(mine)
            while self._busy and not mine.done:
                self._changed.wait()
            if not mine.done:
                self._busy = True
                requests, self._waiting = self._waiting, []
        if not mine.done:
            self._lead(requests)
        if mine.error is not None:
            raise mine.error

    def _lead(self, requests: list[_Request[K, V]]) -> None:
        try:
            self._together(requests)
        finally:
            with self._changed:
                self._busy = False
                for request in requests:
                    request.done = True
                self._changed.notify_all()

    def _together(self, requests: list[_Request[K, V]]) -> None:
        try:
            self._apply({key: value for r in requests for key, value in r.changes.items()})
        except Exception as e:
            if len(requests) == 1:
                requests[0].error = e
                return
            for request in requests:  # one bad change must not fail the others
                self._together([request])
