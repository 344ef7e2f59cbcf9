# SPDX-License-Identifier: Apache-2.0
"""The threads that answer requests: those of clients who let others go first never have all of them."""

from __future__ import annotations

import collections
from typing import Any

from waitress.task import ThreadedTaskDispatcher


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress ships no types
    """Of ``count`` threads, a quarter (one at least) is for channels that are ``late``: more of them wait in line."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._late: collections.deque[Any] = collections.deque()
        self._late_in_hand, self._late_at_most = 0, max(1, count // 4)
        self.set_thread_count(count)

    def add_task(self, task: Any) -> None:
        late = task.late()
        with self.lock:
            (self._late if late else self.queue).append(task)
            self.queue_cv.notify()

    def handler_thread(self, thread_no: int) -> None:
        while (task := self._next(thread_no)) is not None:
            channel, late = task
            try:
                channel.service()
            except BaseException:
                self.logger.exception("serving %r ended by an error", channel)
            finally:
                if late:
                    with self.lock:
                        self._late_in_hand -= 1
                        self.queue_cv.notify()

    def _next(self, thread_no: int) -> tuple[Any, bool] | None:
        """Whose turn it is, and whether he is one of the late; None when this thread is to end."""
        with self.lock:
            while not self.queue and not self._late_may_go() and self.stop_count == 0:
                self.active_count -= 1
                self.queue_cv.wait()
                self.active_count += 1
            if self.stop_count > 0:
                self.active_count -= 1
                self.stop_count -= 1
                self.threads.discard(thread_no)
                self.thread_exit_cv.notify()
                return None
            if self.queue:
                return self.queue.popleft(), False
            self._late_in_hand += 1
            return self._late.popleft(), True

    def _late_may_go(self) -> bool:
        return bool(self._late) and self._late_in_hand < self._late_at_most

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        with self.lock:
            self.queue.extend(self._late)
            self._late.clear()
        return bool(super().shutdown(cancel_pending, timeout))
