# SPDX-License-Identifier: Apache-2.0
"""Who has failed too often to log in. Kept in the memory of each process: a failure costs no write."""

from __future__ import annotations

from nova import concurrency

_MOST = 20000


class Lockout:
    """Counts failures per user and address, per user, and per address, within ``duration`` seconds.

    A user is shut out at one address first, so that a stranger who guesses does not shut out the owner.
    """

    def __init__(self, attempts: int, total: int, duration: float) -> None:
        self._attempts, self._total, self._duration = attempts, total, duration
        self._failures: dict[tuple[str | None, str | None], list[float]] = {}
        self._lock = concurrency.Lock()

    def locked(self, user: str, address: str) -> bool:
        now = concurrency.monotonic()
        return any(limit and self._recent(key, now) >= limit for key, limit in self._keys(user, address))

    def failed(self, user: str, address: str) -> None:
        now = concurrency.monotonic()
        with self._lock:
            for key, limit in self._keys(user, address):
                times = self._failures.pop(key, [])
                self._failures[key] = [*times[-(limit or 1):], now]
            while len(self._failures) > _MOST:
                del self._failures[next(iter(self._failures))]

    def succeeded(self, user: str, address: str) -> None:
        with self._lock:
            self._failures.pop((user, address), None)

    def _keys(self, user: str, address: str) -> list[tuple[tuple[str | None, str | None], int]]:
        return [((user, address), self._attempts), ((user, None), self._total), ((None, address), self._total)]

    def _recent(self, key: tuple[str | None, str | None], now: float) -> int:
        return sum(1 for t in self._failures.get(key, ()) if now - t < self._duration)
