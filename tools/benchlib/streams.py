# SPDX-License-Identifier: Apache-2.0
"""Many clients of ``GET /servers/events`` on one thread: what they cost, and when the last of them hears an event."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from .auth import Session
from .wire import WireError

_RECEIVE = 65536


class Streams:
    """``count`` open streams of a session; a context manager. Plain HTTP only."""

    def __init__(self, session: Session, count: int, *, timeout: float = 60.0) -> None:
        url = urlsplit(session.compute)
        if url.scheme != "http" or not url.hostname:
            raise WireError("streams are measured over plain http only")
        self._address = (url.hostname, url.port or 80)
        self._request = (f"GET {url.path.rstrip('/')}/servers/events HTTP/1.1\r\nHost: {url.netloc}\r\n"
                         f"X-Auth-Token: {session.token}\r\n\r\n").encode()
        self._count, self._timeout = count, timeout
        self._selector = selectors.DefaultSelector()
        self._heard: dict[socket.socket, bytes] = {}

    def __enter__(self) -> Streams:
        wanted = self._count + 256
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        try:
            for _ in range(self._count):
                sock = socket.create_connection(self._address, timeout=self._timeout)
                self._heard[sock] = b""
                sock.sendall(self._request)
                self._selector.register(sock, selectors.EVENT_READ)
        except OSError as e:
            self.__exit__()
            raise WireError(f"stream {len(self._heard) + 1} could not be opened: {e}") from e
        return self

    def __exit__(self, *error: object) -> None:
        for sock in self._heard:
            sock.close()
        self._selector.close()

    def until(self, word: bytes, begin: Callable[[], None] = lambda: None) -> float:
        """Wait until every stream has said ``word``; the moment of the last. ``begin`` is called first."""
        self._heard = dict.fromkeys(self._heard, b"")
        begin()
        left, end, last = set(self._heard), time.perf_counter() + self._timeout, 0.0
        while left:
            if time.perf_counter() > end:
                raise WireError(f"{len(left)} of {self._count} streams have not said {word.decode()}")
            for key, _ in self._selector.select(1.0):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                data = sock.recv(_RECEIVE)
                if not data:
                    raise WireError(f"a stream was closed: {self._heard[sock][:200].decode(errors='replace')}")
                self._heard[sock] += data
                if sock in left and word in self._heard[sock]:
                    left.discard(sock)
                    last = time.perf_counter()
        return last
