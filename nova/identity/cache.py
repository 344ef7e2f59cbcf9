# SPDX-License-Identifier: Apache-2.0
"""A bounded memory with an expiry, for what may be up to a few seconds old."""

from __future__ import annotations

from typing import Generic, TypeVar

from nova import concurrency

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Keeps at most ``size`` values for ``seconds`` each; the oldest makes room.

    Entries are put in order of time, so the oldest is the first of the dict.
    """

    def __init__(self, seconds: float, size: int) -> None:
        self._seconds, self._size = seconds, size
        self._entries: dict[K, tuple[float, V]] = {}
        self._epoch = 0
        self._lock = concurrency.Lock()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None or concurrency.monotonic() >= entry[0]:
            return None
        return entry[1]

    @property
    def epoch(self) -> int:
        """Changes when the cache is cleared; to be read before what is put is read from the database."""
        return self._epoch

    def put(self, key: K, value: V, epoch: int) -> None:
        """Remember, unless the cache was cleared since ``epoch``: the value may be from before the change."""
        with self._lock:
            if epoch != self._epoch or not self._seconds:
                return
            self._entries.pop(key, None)
            self._entries[key] = (concurrency.monotonic() + self._seconds, value)
            while len(self._entries) > self._size:
                del self._entries[next(iter(self._entries))]

    def clear(self) -> None:
        with self._lock:
            self._epoch += 1
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
