# SPDX-License-Identifier: Apache-2.0
"""Streams that stay open: one loop per process owns their sockets, so that no worker waits for them.

A request is answered with a :class:`Handover`; when its headers are written the server gives the socket to the loop.
What is sent, and to whom, is decided elsewhere: the loop takes bytes for sets of streams, drops clients that are too
slow, keeps silent streams alive and ends those whose time is over. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import selectors
import socket
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from nova import concurrency

LOG = logging.getLogger(__name__)
#: What the kernel may hold for one client; the default would grow to megabytes each.
_SEND_BUFFER = 65536
_READ = selectors.EVENT_READ
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
#: What a client may still send on a stream before it is cut off.
_PATIENCE = 65536


class Stream:
    """One open answer. ``key`` says what its client wants; streams of equal keys get the same bytes. ``ends_at`` is in
    seconds of the epoch. ``valid()`` is asked from time to time whether its client may still listen."""

    __slots__ = ("key", "ends_at", "valid", "sock", "chunks", "size", "sent_at", "closing", "noise")

    def __init__(self, key: Hashable, *, ends_at: float | None = None,
                 valid: Callable[[], bool] = lambda: True) -> None:
        self.key, self.ends_at, self.valid = key, ends_at, valid
        self.sock: socket.socket | None = None
        self.chunks: collections.deque[bytes] = collections.deque()
        self.size = 0
        self.sent_at = concurrency.monotonic()
        self.closing = False
        self.noise = 0

    def push(self, data: bytes) -> None:
        self.chunks.append(data)
        self.size += len(data)


class Handover:
    """The body of an answer whose socket goes to the loop. ``first`` is sent right after the headers.

    A server that cannot hand sockets over sends ``first`` and ends the answer; clients come back by themselves.
    """

    def __init__(self, loop: Loop, stream: Stream, first: bytes, accept: Callable[[Handover], None] | None) -> None:
        self._loop, self._stream, self._first, self._accept = loop, stream, first, accept
        self._handed = False

    def __iter__(self) -> Iterator[bytes]:
        if self._accept is None:
            yield self._first
            return
        self._handed = True
        self._accept(self)

    def close(self) -> None:
        if not self._handed:
            self._loop.discard(self._stream)

    def take(self, sock: socket.socket, header: bytes) -> None:
        """The socket, and the headers that are to be written to it."""
        self._loop.adopt(self._stream, sock, header + self._first)


class Loop:
    """``idle()`` gives what a silent stream gets; ``farewell(reason)`` the last words to one that ends."""

    def __init__(self, *, backlog: int, keepalive: float, idle: Callable[[], bytes] = lambda: b": keep-alive\n\n",
                 farewell: Callable[[str], bytes] = lambda reason: b"") -> None:
        self._backlog, self._keepalive = backlog, keepalive
        self._idle, self._farewell = idle, farewell
        self._streams: set[Stream] = set()
        self._lock = concurrency.Lock()
        self._inbox: collections.deque[Callable[[], None]] = collections.deque()
        self._selector: selectors.BaseSelector | None = None
        self._waker: socket.socket | None = None
        self._task: concurrency.Task | None = None
        self._stopping = False
        self._wound_at = 0.0
        self.dropped = 0

    # -- from any thread -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._streams)

    def streams(self) -> list[Stream]:
        with self._lock:
            return list(self._streams)

    def register(self, stream: Stream) -> None:
        """What is sent from now on reaches the stream, even before it has its socket."""
        with self._lock:
            if self._task is None:
                self._start()
            self._streams.add(stream)

    def discard(self, stream: Stream) -> None:
        """Forget a stream whose answer was never begun."""
        with self._lock:
            self._streams.discard(stream)

    def adopt(self, stream: Stream, sock: socket.socket, first: bytes) -> None:
        if self._stopping:
            sock.close()
            return
        self._post(lambda: self._begin(stream, sock, first))

    def send(self, streams: Iterable[Stream], data: bytes) -> None:
        members = list(streams)
        self._post(lambda: self._send_all(members, data))

    def end(self, stream: Stream, reason: str) -> None:
        self._post(lambda: self._finish(stream, reason))

    def stop(self) -> None:
        with self._lock:
            task, self._stopping = self._task, True
        if task is not None:
            self._post(lambda: None)
            task.join(5)
            self._work_off()

    def _post(self, work: Callable[[], None]) -> None:
        self._inbox.append(work)
        if self._waker is not None:
            with contextlib.suppress(BlockingIOError, OSError):  # a full pipe wakes as well; a closed one has no loop
                self._waker.send(b"\0")

    # -- the loop ------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._selector = selectors.DefaultSelector()
        theirs, self._waker = socket.socketpair()
        theirs.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(theirs, _READ, None)
        self._task = concurrency.spawn(self._run, self._selector, theirs, name="streams")

    def _run(self, selector: selectors.BaseSelector, woken: socket.socket) -> None:
        tick = min(1.0, self._keepalive / 2)
        while not self._stopping:
            for key, ready in selector.select(tick):
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(65536)
                else:
                    self._guarded(self._serve, key.data, ready)
            self._work_off()
            now = concurrency.monotonic()
            if now - self._wound_at >= tick:
                self._wound_at = now
                self._wind(now)
        self._work_off()
        for stream in self.streams():
            self._finish(stream, "shutdown")
            self._close(stream)
        waker, self._waker = self._waker, None
        self._selector = None
        for part in (selector, woken, waker):
            if part is not None:
                part.close()

    def _work_off(self) -> None:
        while self._inbox:
            self._guarded(self._inbox.popleft())

    @staticmethod
    def _guarded(work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except Exception:
            LOG.exception("a stream could not be served")

    def _begin(self, stream: Stream, sock: socket.socket, first: bytes) -> None:
        if stream not in self._streams or self._selector is None:
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sock = sock
        stream.chunks.appendleft(first)
        stream.size += len(first)
        self._selector.register(sock, _READ, stream)
        self._flush(stream)

    def _serve(self, stream: Stream, ready: int) -> None:
        if ready & selectors.EVENT_WRITE:
            self._flush(stream)
        if ready & _READ and stream.sock is not None:
            try:
                said = stream.sock.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            stream.noise += len(said)
            if not said or stream.noise > _PATIENCE:
                self._close(stream)

    def _send_all(self, members: list[Stream], data: bytes) -> None:
        for stream in members:
            self._send(stream, data)

    def _send(self, stream: Stream, data: bytes) -> None:
        if stream not in self._streams:
            return
        stream.push(data)
        if stream.sock is not None and len(stream.chunks) == 1:
            self._flush(stream)
        if stream.size > self._backlog:
            self.dropped += 1
            LOG.info("a client of a stream was too slow and is dropped")
            self._close(stream)

    def _flush(self, stream: Stream) -> None:
        """Send what the socket takes; the rest waits until it takes more."""
        sock, chunks = stream.sock, stream.chunks
        if sock is None:
            return
        try:
            while chunks:
                sent = sock.send(chunks[0])
                stream.size -= sent
                if sent < len(chunks[0]):
                    chunks[0] = chunks[0][sent:]
                    break
                chunks.popleft()
            stream.sent_at = concurrency.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self._close(stream)
            return
        if stream.closing and not chunks:
            self._close(stream)
        elif self._selector is not None:
            wanted = _BOTH if chunks else _READ
            if self._selector.get_key(sock).events != wanted:
                self._selector.modify(sock, wanted, stream)

    def _wind(self, now: float) -> None:
        """What time brings: silent streams are kept alive, expired ones end."""
        clock = concurrency.time()
        words: bytes | None = None
        for stream in self.streams():
            if stream.ends_at is not None and stream.ends_at <= clock:
                self._finish(stream, "expired")
            elif now - stream.sent_at >= self._keepalive and stream.sock is not None and not stream.chunks:
                words = self._idle() if words is None else words
                self._send(stream, words)

    def _finish(self, stream: Stream, reason: str) -> None:
        if stream.closing or stream not in self._streams:
            return
        stream.closing = True
        self._send(stream, self._farewell(reason))

    def _close(self, stream: Stream) -> None:
        sock, stream.sock = stream.sock, None
        self.discard(stream)
        stream.chunks.clear()
        if sock is None:
            return
        if self._selector is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        sock.close()
