# SPDX-License-Identifier: Apache-2.0
"""How many requests are worked on at a time and whose turn it is, while any number waits for something slow."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator
from typing import Any

from nova import concurrency

#: Seconds after which somebody inside counts no more. Longer than most requests take, so that a crowd stays in line.
PATIENCE = 0.05
#: Seconds after which one who lets others go first is one of them.
MODESTY = 1.0


class _Pass:
    """Somebody's leave to go on: since when he has it or waits for it, and what wakes him then."""

    __slots__ = ("since", "bell")

    def __init__(self) -> None:
        self.since = concurrency.monotonic()
        self.bell: Any = None


class Turnstile:
    """At most ``width`` tasks are inside, not counting those that have been there for longer than ``patience`` seconds.

    Threads of one interpreter that all want to go on take it from each other around each statement of a database, which
    costs more than what they do in between. So few of them go on at a time, in the order of their coming. Who is inside
    for long waits for something else (a host, a client that reads slowly) or is at long work: the others need not wait
    for that, and he counts no more.

    Who is ``late`` lets the others go first: he goes in when nobody else is inside or waits, or after ``modesty``
    seconds. Then some time goes by before another of the late goes in, so that together they are inside for ``share``
    of it at most: mostly who comes finds nobody inside.
    """

    def __init__(self, width: int, patience: float = PATIENCE, modesty: float = MODESTY, share: float = 1.0) -> None:
        self._width, self._patience, self._modesty = width, patience, modesty
        self._pause = 1 / share - 1
        self._lock = concurrency.Lock()
        self._inside: collections.OrderedDict[_Pass, None] = collections.OrderedDict()
        self._waiting: collections.deque[_Pass] = collections.deque()
        self._late: collections.deque[_Pass] = collections.deque()
        self._quiet_until = 0.0

    @contextlib.contextmanager
    def passed(self, late: bool = False) -> Iterator[None]:
        mine = _Pass()
        self._enter(mine, late)
        try:
            yield
        finally:
            rest = self._leave(mine, late)
            if rest:
                concurrency.sleep(rest)
                with self._lock:
                    self._let_in()

    def _enter(self, mine: _Pass, late: bool) -> None:
        with self._lock:
            if not self._waiting and self._room(late) and not (late and self._late):
                self._admit(mine)
                return
            mine.bell = concurrency.Lock()
            mine.bell.acquire()
            (self._late if late else self._waiting).append(mine)
        while not mine.bell.acquire(timeout=self._patience):
            with self._lock:
                self._let_in()

    def _leave(self, mine: _Pass, late: bool) -> float:
        """Returns after how many seconds another of the late may go in."""
        with self._lock:
            self._inside.pop(mine, None)
            now = concurrency.monotonic()
            rest = min((now - mine.since) * self._pause, self._modesty / 2) if late else 0.0
            self._quiet_until = max(self._quiet_until, now + rest)
            self._let_in()
        return rest

    def _let_in(self) -> None:
        while self._late and self._late[0].since + self._modesty < concurrency.monotonic():
            self._waiting.append(self._late.popleft())
        while self._waiting and self._room():
            self._wake(self._waiting.popleft())
        while self._late and not self._waiting and self._room(late=True):
            self._wake(self._late.popleft())

    def _wake(self, who: _Pass) -> None:
        self._admit(who)
        who.bell.release()

    def _admit(self, who: _Pass) -> None:
        who.since = concurrency.monotonic()
        self._inside[who] = None

    def _room(self, late: bool = False) -> bool:
        width = 1 if late else self._width
        if late and concurrency.monotonic() < self._quiet_until:
            return False
        while len(self._inside) >= width:
            oldest = next(iter(self._inside))
            if concurrency.monotonic() - oldest.since < self._patience:
                return False
            del self._inside[oldest]
        return True
