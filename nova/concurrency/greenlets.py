# SPDX-License-Identifier: Apache-2.0
"""Greenlets on eventlet: many waiting tasks in one thread.

Monkey-patching makes ``threading``, ``queue`` and ``time`` cooperative, so this backend is the native one with
blocking C calls sent to eventlet's thread pool. psycopg waits in C unless told otherwise, hence the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from nova.concurrency.threads import ThreadBackend

T = TypeVar("T")


class GreenletBackend(ThreadBackend):
    name = "greenlets"

    def __init__(self) -> None:
        os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
        import eventlet

        eventlet.monkey_patch()
        from eventlet import tpool

        self._tpool: Any = tpool
        super().__init__()

    def queue(self, maxsize: int = 0) -> Any:
        import queue  # patched by now; SimpleQueue is C and would block the hub

        return queue.Queue(maxsize)

    def offload(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        result: T = self._tpool.execute(fn, *args, **kwargs)
        return result
