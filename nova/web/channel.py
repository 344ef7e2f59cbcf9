# SPDX-License-Identifier: Apache-2.0
"""A connection of waitress whose thread stays for the next request, instead of one wake-up of the loop per request."""

from __future__ import annotations

import contextlib
import select
from typing import Any

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import WSGITask
from waitress.utilities import InternalServerError, build_http_date

from nova import concurrency
from nova.web.streams import Handover

#: How long a thread that has answered waits on its connection. Long enough for a client that asks again at once, short
#: enough not to matter to a request that waits for a thread.
LINGER_MS = 5


#: Key of the environ under which an application finds how to give the socket of its answer away.
HANDOVER = "nova.handover"


class Task(WSGITask):  # type: ignore[misc]
    """A request that may end with its socket in other hands."""

    taker: Handover | None = None

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[HANDOVER] = self._hand_over
        return environ

    def _hand_over(self, taker: Handover) -> None:
        self.taker = taker

    def finish(self) -> None:
        """Only the server's loop may take a connection out of its map, so it is asked to."""
        taker = self.taker
        if taker is None:
            super().finish()
            return
        self.wrote_header = True
        fields = [f"{name}: {value}" for name, value in self.response_headers]
        lines = [f"HTTP/{self.version} {self.status}", *fields, f"Date: {build_http_date(self.start_time)}",
                 "Connection: close", "", ""]
        header = "\r\n".join(lines).encode("latin-1")
        self.channel.server.trigger.pull_trigger(lambda: taker.take(self.channel.release(), header))


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """What was answered stays at the head of ``requests`` while the thread lingers: the loop reads only where that is
    empty, so the connection belongs to one of the two at any time."""

    task_class = Task

    def release(self) -> Any:
        """The socket, which is no longer the server's: neither its loop nor a thread of its looks at it again."""
        for request in self.requests:
            request.close()
        sock: Any = self.socket
        self.socket: Any = None
        self.connected = False
        self.del_channel()
        return sock

    def service(self) -> None:
        """Answer the request that has come, and those that follow closely."""
        while self._answer() and self._next():
            pass
        if self.connected:
            self.server.pull_trigger()
        self.last_activity = concurrency.time()

    def _answer(self) -> bool:
        """Serve the first request; False when the connection is to be closed after it."""
        request = self.requests[0]
        task = (self.error_task_class if request.error else self.task_class)(self, request)
        try:
            if self.connected:
                self._serve(task)
            else:
                task.close_on_finish = True
        except ClientDisconnected:
            task.close_on_finish = True
        except Exception:
            self.logger.exception("answering %s ended by an error", request.path)
            if not task.wrote_header:
                self._apologize(request)
            task.close_on_finish = True
        task.environ = None  # names the task: both would be left to the collector, who frees many at a time and slowly
        if isinstance(task, Task) and task.taker is not None:
            return False  # the request stays at the head: the connection is nobody's until it is released
        if task.close_on_finish:
            with self.requests_lock:
                self.close_when_flushed = True
                for left in self.requests:
                    left.close()
                self.requests: list[Any] = []
            return False
        if self.current_outbuf_count > 0:  # the next answer gets a buffer of its own, so that this one's can be freed
            self.current_outbuf_count: int = self.adj.outbuf_high_watermark
        request.close()
        return True

    def _serve(self, task: Any) -> None:
        client = self._client()
        with self.server.turnstile.passed(late=self.server.manners.clumsy(*client)):
            task.service()
        self.server.manners.note(*client, int(task.status[:3]))

    def late(self) -> bool:
        """Whether the request at the head lets those of other clients go first."""
        return bool(self.server.manners.clumsy(*self._client()))

    def _client(self) -> tuple[str | None, str]:
        """Token and address."""
        return (self.requests[0].headers.get("X_AUTH_TOKEN"),
                str(self.addr[0] if isinstance(self.addr, tuple) else self.addr))

    def _apologize(self, request: Any) -> None:
        failed = self.parser_class(self.adj)
        failed.version, failed.error = request.version, InternalServerError("The server met an unexpected error.")
        with contextlib.suppress(ClientDisconnected):
            self.error_task_class(self, failed).service()

    def _next(self) -> bool:
        """Is there another request for this thread? If not, the connection goes back to the loop."""
        if len(self.requests) == 1 and self._may_linger() and self._readable():
            self._receive()
        with self.requests_lock:
            self.requests.pop(0)
            more = bool(self.requests)
            if not more and self._waits_to_continue():
                self.send_continue()
        if more:
            self._flush_outbufs_below_high_watermark()
        return more

    def _may_linger(self) -> bool:
        """Not while an answer or a request is half done, nor when no other thread is free."""
        dispatcher = self.server.task_dispatcher
        free = len(dispatcher.threads) - dispatcher.stop_count - dispatcher.active_count
        return (self.connected and self.request is None and not self.total_outbufs_len and not dispatcher.queue
                and free > 0)

    def _readable(self) -> bool:
        poll = select.poll()
        try:
            poll.register(self.socket, select.POLLIN)
            return bool(poll.poll(LINGER_MS))
        except (OSError, ValueError):  # closed by the loop this very moment
            return False

    def _receive(self) -> None:
        """An end or an error of the connection is left to the loop, which will meet it too."""
        try:
            data = self.socket.recv(self.adj.recv_bytes, 0)
        except OSError:
            return
        if data:
            self.last_activity = concurrency.time()
            self.received(data)

    def _waits_to_continue(self) -> bool:
        request = self.request
        return bool(self.connected and request is not None and request.expect_continue and request.headers_finished
                    and not self.sent_continue)
