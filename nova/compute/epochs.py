# SPDX-License-Identifier: Apache-2.0
"""The highest epoch that this host has seen of each server, in a file: lower ones are refused, restart or not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import orjson

from nova import concurrency

#: Seconds after which no message about a server that is gone can be under way any more.
_LATEST = 900.0


class Epochs:
    """A journal of [server, epoch] lines; rewritten when it has grown well past the servers it is about. A server
    that is gone is forgotten later than any message about it can arrive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = concurrency.Lock()
        self._seen: dict[str, int] = {}
        self._gone: dict[str, float] = {}
        self._lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            kept = path.read_bytes()
            for line in kept.splitlines():
                try:
                    uuid, epoch = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue  # the last line of a host that lost power while writing
                self._seen[uuid] = max(epoch, self._seen.get(uuid, -1))
                self._lines += 1
            if kept and not kept.endswith(b"\n"):
                self._append(b"")  # what follows is not to be lost with half a line

    def admit(self, uuid: str, epoch: int) -> bool:
        """Remember ``epoch``; False when a higher one was here before."""
        with self._lock:
            seen = self._seen.get(uuid, -1)
            if epoch < seen:
                return False
            if epoch > seen:
                self._seen[uuid] = epoch
                self._append(orjson.dumps([uuid, epoch]))
                self._lines += 1
            return True

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as f:
            f.write(line + b"\n")

    def forget(self, uuid: str) -> None:
        """The server is gone from this host for good."""
        with self._lock:
            self._gone[uuid] = concurrency.monotonic()
            self._age()

    def sweep(self, here: Iterable[str]) -> None:
        """``here`` are the servers of this host: all others are gone, also those that left before it was started."""
        with self._lock:
            kept, now = set(here), concurrency.monotonic()
            for uuid in self._seen:
                if uuid in kept:
                    self._gone.pop(uuid, None)
                else:
                    self._gone.setdefault(uuid, now)
            self._age()

    def _age(self) -> None:
        """Forget those that are gone for long enough."""
        now = concurrency.monotonic()
        while self._gone and now - self._gone[oldest := next(iter(self._gone))] > _LATEST:
            del self._gone[oldest]
            self._seen.pop(oldest, None)
        if self._lines > 1000 and self._lines > 4 * len(self._seen):
            self._rewrite()

    def _rewrite(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as f:
            f.writelines(orjson.dumps([u, e]) + b"\n" for u, e in self._seen.items())
            f.flush()
            os.fsync(f.fileno())
        fresh.rename(self._path)
        self._lines = len(self._seen)
