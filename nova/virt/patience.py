# SPDX-License-Identifier: Apache-2.0
"""Time that guests are given to end by themselves, and its early end when nobody wants them any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from nova import concurrency


class Patience:
    """Of one host. Whoever waits for a guest to end waits on the event of :meth:`with_guest`: once it is set the guest
    is to be cut off instead. That holds until the guest is gone, for what waits may begin only after :meth:`end`."""

    def __init__(self) -> None:
        self._lock = concurrency.Lock()
        self._waiting: dict[str, Any] = {}
        self._unwanted: set[str] = set()

    @contextlib.contextmanager
    def with_guest(self, uuid: str) -> Iterator[Any]:
        """One at a time per guest, as operations are."""
        ended = concurrency.Event()
        with self._lock:
            self._waiting[uuid] = ended
            if uuid in self._unwanted:
                ended.set()
        try:
            yield ended
        finally:
            with self._lock:
                self._waiting.pop(uuid, None)

    def end(self, uuid: str) -> None:
        with self._lock:
            self._unwanted.add(uuid)
            ended = self._waiting.get(uuid)
        if ended is not None:
            ended.set()

    def forget(self, uuid: str) -> None:
        """The guest is gone."""
        with self._lock:
            self._unwanted.discard(uuid)
