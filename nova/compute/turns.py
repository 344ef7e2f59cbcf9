# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: on a host, one operation or check per server at a time, in the order in which they came."""

from __future__ import annotations

import collections
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from nova import concurrency

LOG = logging.getLogger(__name__)

#: So many operations are remembered: many times what can still be on its way in messages.
_REMEMBERED = 4096

_Line = collections.deque[tuple[str, Callable[[], None]]]


class Turns:
    """A line per server. Work that finds its server busy waits in the line and holds no worker, so that one server that
    hangs does not stop the others. ``submit(fn, *args)`` gives work to a pool; ``left`` is told of each operation that
    is here no more."""

    def __init__(self, submit: Callable[..., None], left: Callable[[str], None] = lambda operation: None) -> None:
        self._submit, self._gone = submit, left
        self._lock = concurrency.Lock()
        self._lines: dict[str, _Line] = {}
        self._here: collections.Counter[str] = collections.Counter()

    @property
    def operations(self) -> list[str]:
        """What runs or waits here."""
        with self._lock:
            return list(self._here)

    @property
    def servers(self) -> list[str]:
        """Those with somebody in their line."""
        with self._lock:
            return list(self._lines)

    def has(self, operation: str) -> bool:
        with self._lock:
            return operation in self._here

    def enter(self, operation: str, server: str, work: Callable[[], None], *, again: bool = False) -> bool:
        """Put ``work`` in the server's line, once per operation; ``again``: after what is in hand of that operation.
        True: the caller is to :meth:`serve` the line now."""
        with self._lock:
            if operation in self._here and not again:
                return False
            self._here[operation] += 1
            first = server not in self._lines
            self._lines.setdefault(server, collections.deque()).append((operation, work))
            return first

    def serve(self, server: str) -> None:
        """Do what is in the line until it is empty."""
        while (item := self._next(server)) is not None:
            operation, work = item
            try:
                work()
            except Exception:
                LOG.exception("operation %s of server %s ended by an error", operation, server)
            finally:
                with self._lock:
                    self._here[operation] -= 1
                    gone = not self._here[operation]
                    if gone:
                        del self._here[operation]
                if gone:
                    self._gone(operation)

    @contextlib.contextmanager
    def hold(self, server: str) -> Iterator[bool]:
        """Have the server for oneself, if nobody has it now; operations that come meanwhile wait."""
        with self._lock:
            free = server not in self._lines
            if free:
                self._lines[server] = collections.deque()
        try:
            yield free
        finally:
            if free and self._left(server):
                self._submit(self.serve, server)

    def _left(self, server: str) -> bool:
        """Did anything come while the server was held? If not, its line ends."""
        with self._lock:
            if self._lines[server]:
                return True
            del self._lines[server]
            return False

    def busy(self, server: str) -> bool:
        with self._lock:
            return server in self._lines

    def _next(self, server: str) -> Any:
        with self._lock:
            line = self._lines[server]
            if line:
                return line.popleft()
            del self._lines[server]
            return None


class Recent:
    """The operations that came to this start of a host lately, and which of them are over: messages repeat."""

    def __init__(self) -> None:
        self._lock = concurrency.Lock()
        self._ended: dict[tuple[str, int], bool] = {}

    def new(self, operation: str, epoch: int) -> bool:
        """Remember it; False when it was here before under this epoch."""
        with self._lock:
            if (operation, epoch) in self._ended:
                return False
            self._ended[operation, epoch] = False
            if len(self._ended) > _REMEMBERED:
                del self._ended[next(iter(self._ended))]
            return True

    def end(self, operation: str, epoch: int) -> None:
        with self._lock:
            self._ended[operation, epoch] = True

    def ended(self, operation: str, epoch: int) -> bool:
        with self._lock:
            return self._ended.get((operation, epoch), False)
