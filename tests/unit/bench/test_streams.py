# SPDX-License-Identifier: Apache-2.0
"""Clients of event streams that the bench holds open."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tools.benchlib.auth import Session
from tools.benchlib.streams import Streams
from tools.benchlib.wire import WireError


class Speaker:
    """Accepts connections, reads a request from each and says what it is told."""

    def __init__(self, count: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.open: list[socket.socket] = []
        self._task = threading.Thread(target=self._accept, args=(count,))
        self._task.start()

    def _accept(self, count: int) -> None:
        for _ in range(count):
            sock, _ = self._listener.accept()
            sock.settimeout(10)
            self.requests.append(sock.recv(4096))
            self.open.append(sock)

    def say(self, text: bytes) -> None:
        self._task.join(120)
        for sock in self.open:
            sock.sendall(text)

    def close(self) -> None:
        self._task.join(120)
        for sock in self.open:
            sock.close()
        self._listener.close()


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    made = Speaker(5)
    yield made
    made.close()


def session(port: int, scheme: str = "http") -> Session:
    return Session("t0", "p", f"{scheme}://127.0.0.1:{port}/compute/v2.1", None)


def test_all_must_have_heard(speaker: Speaker) -> None:
    with Streams(session(speaker.port), 5, timeout=120) as streams:
        begun: list[int] = []
        last = streams.until(b"event: ready", lambda: (begun.append(1), speaker.say(b"event: ready\n\n"))[0])
        assert begun and last > 0
    assert all(b"GET /compute/v2.1/servers/events HTTP/1.1\r\n" in r and b"X-Auth-Token: t0\r\n" in r
               for r in speaker.requests)


def test_silence_and_ends_are_told(speaker: Speaker) -> None:
    with Streams(session(speaker.port), 5, timeout=0.2) as streams:
        with pytest.raises(WireError, match="5 of 5 streams have not said ready"):
            streams.until(b"ready")
        speaker.close()
        with pytest.raises(WireError, match="closed"):
            streams.until(b"ready")


def test_only_plain_http() -> None:
    with pytest.raises(WireError, match="plain http"):
        Streams(session(1, "https"), 1)
