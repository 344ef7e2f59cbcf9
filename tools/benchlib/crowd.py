# SPDX-License-Identifier: Apache-2.0
"""Many clients in one thread, each of which asks again as soon as it is answered. Threads would spend more on taking
turns than on asking, and what is measured would get less of the processors."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Sequence

from .wire import Connection, Response


def ask_for(seconds: float, path: str, connections: Sequence[Connection],
            check: Callable[[Response], None]) -> tuple[list[float], float]:
    """GET ``path`` on all connections at a time for so long; how long each answer took, and how long it took in all.

    ``check`` raises for an answer that ends it. Every connection is asked once before the clock starts.
    """
    for connection in connections:
        check(connection.request("GET", path))
    samples: list[float] = []
    asked: dict[Connection, float] = {}
    with selectors.DefaultSelector() as readable:
        begun = time.perf_counter()
        for connection in connections:
            asked[connection] = time.perf_counter()
            readable.register(connection.send("GET", path), selectors.EVENT_READ, connection)
        while asked:
            for key, _ in readable.select():
                connection = key.data
                check(connection.receive("GET"))
                now = time.perf_counter()
                samples.append(now - asked.pop(connection))
                socket = None
                if now < begun + seconds:
                    asked[connection] = now
                    socket = connection.send("GET", path)
                if socket is not key.fileobj:  # the end, or the other side closes after each answer
                    readable.unregister(key.fileobj)
                    if socket is not None:
                        readable.register(socket, selectors.EVENT_READ, connection)
    return samples, time.perf_counter() - begun
