# SPDX-License-Identifier: Apache-2.0
"""A thousand open streams, an event that reaches all of them, and other clients that go on asking meanwhile."""

from __future__ import annotations

import http.client
import resource
import selectors
import socket
from collections.abc import Iterator

import pytest

from nova import concurrency, states
from tests.functional.cloud import Cloud
from tests.functional.notifications.streams import Fronted

STREAMS, OTHERS = 1000, 16


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of each connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * STREAMS + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Listeners:
    """Clients on one thread."""

    def __init__(self, port: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.said: dict[socket.socket, bytes] = {}
        for _ in range(STREAMS):
            sock = socket.create_connection(("127.0.0.1", port), timeout=60)
            sock.sendall(b"GET /servers/events HTTP/1.1\r\nHost: x\r\nX-Auth-Token: p1:reader\r\n\r\n")
            self._selector.register(sock, selectors.EVENT_READ)
            self.said[sock] = b""

    def until(self, word: bytes, timeout: float = 120.0) -> None:
        end = concurrency.monotonic() + timeout
        while missing := sum(word not in said for said in self.said.values()):
            assert concurrency.monotonic() < end, f"{missing} have not heard {word!r}"
            for key, _ in self._selector.select(1.0):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                data = sock.recv(65536)
                assert data, f"closed after {self.said[sock][-300:]!r}"
                self.said[sock] += data

    def close(self) -> None:
        for sock in self.said:
            sock.close()
        self._selector.close()


class Others:
    """Clients that read a server again and again, each on a connection of its own."""

    def __init__(self, port: int, uuid: str) -> None:
        self._port, self._uuid = port, uuid
        self._stop = concurrency.Event()
        self.answers: list[int] = []
        self._tasks = [concurrency.spawn(self._ask, name="other") for _ in range(OTHERS)]

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            while not self._stop.is_set():
                connection.request("GET", f"/servers/{self._uuid}", headers={"X-Auth-Token": "p1:reader"})
                answer = connection.getresponse()
                answer.read()
                self.answers.append(answer.status)
        finally:
            connection.close()

    def stop(self) -> None:
        self._stop.set()
        assert all([task.join(120) for task in self._tasks])


def test_a_thousand_streams_take_no_worker_and_all_hear(cloud: Cloud, many_files: None) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ACTIVE)
    front = Fronted(cloud, threads=4)
    listeners = Listeners(front.server.port)
    others = Others(front.server.port, uuid)
    try:
        listeners.until(b"event: ready")
        assert len(front.hub.loop) == STREAMS
        before = len(others.answers)
        cloud.operations.delete(cloud.context(), uuid)
        listeners.until(b"event: server.deleted")
        cloud.wait(lambda: len(others.answers) > before + OTHERS, what="the others are answered")
    finally:
        others.stop()
        listeners.close()
        cloud.wait(lambda: len(front.hub.loop) == 0, what="the streams are let go")
        front.close()
    assert {said.count(b"event: server.deleted") for said in listeners.said.values()} == {1}
    assert set(others.answers) <= {200, 404} and 200 in others.answers
