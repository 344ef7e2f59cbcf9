# SPDX-License-Identifier: Apache-2.0
"""The loop of long answers: sockets leave the workers, slow and silent clients are looked after, streams end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nova import concurrency
from nova.web.channel import HANDOVER
from nova.web.server import Server
from nova.web.streams import Handover, Loop, Stream

Make = Callable[..., Loop]


@pytest.fixture
def make_loop() -> Iterator[Make]:
    made: list[Loop] = []

    def make(**options: Any) -> Loop:
        made.append(Loop(**{"backlog": 65536, "keepalive": 60.0, "farewell": lambda reason: reason.encode()} | options))
        return made[-1]

    yield make
    for loop in made:
        loop.stop()


_clients: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    yield
    for sock in _clients:
        sock.close()
    _clients.clear()


def pair() -> tuple[socket.socket, socket.socket]:
    """The server's end, and the client's, which is closed after the test."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    _clients.append(theirs)
    return ours, theirs


def listen(loop: Loop, **options: Any) -> tuple[Stream, socket.socket]:
    ours, theirs = pair()
    stream = Stream("key", **options)
    loop.register(stream)
    loop.adopt(stream, ours, b"hello")
    assert theirs.recv(5) == b"hello"
    return stream, theirs


def read_to_the_end(sock: socket.socket) -> bytes:
    found = b""
    while data := sock.recv(65536):
        found += data
    return found


def exactly(sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        data = sock.recv(count - len(found))
        assert data, found
        found += data
    return found


def wait(condition: Callable[[], Any]) -> None:
    end = concurrency.monotonic() + 10
    while not condition():
        assert concurrency.monotonic() < end
        concurrency.sleep(0.01)


def test_everybody_gets_what_is_sent(make_loop: Make) -> None:
    loop = make_loop()
    clients = [listen(loop) for _ in range(3)]
    loop.send([stream for stream, _ in clients], b"news")
    assert [sock.recv(100) for _, sock in clients] == [b"news"] * 3


def test_what_is_sent_before_the_socket_is_there_is_not_lost(make_loop: Make) -> None:
    loop = make_loop()
    stream = Stream("key")
    loop.register(stream)
    loop.send([stream], b" world")
    ours, theirs = pair()
    loop.adopt(stream, ours, b"hello")
    assert exactly(theirs, 11) == b"hello world"


def test_a_client_that_goes_is_forgotten(make_loop: Make) -> None:
    loop = make_loop()
    _, sock = listen(loop)
    sock.close()
    wait(lambda: len(loop) == 0)


def test_a_slow_client_is_dropped_and_the_others_are_not(make_loop: Make) -> None:
    loop = make_loop(backlog=200_000)
    slow, slow_socket = listen(loop)
    good, good_socket = listen(loop)
    piece = b"x" * 50_000
    for _ in range(20):
        loop.send([slow, good], piece)
        assert len(exactly(good_socket, len(piece))) == len(piece)
    wait(lambda: loop.streams() == [good])
    assert loop.dropped == 1
    assert len(read_to_the_end(slow_socket)) < 20 * len(piece)


def test_a_client_that_reads_late_gets_everything(make_loop: Make) -> None:
    loop = make_loop(backlog=10_000_000)
    stream, sock = listen(loop)
    for i in range(100):
        loop.send([stream], bytes([i]) * 10_000)
    data = exactly(sock, 1_000_000)
    assert data == b"".join(bytes([i]) * 10_000 for i in range(100))


def test_silence_is_filled(make_loop: Make) -> None:
    loop = make_loop(keepalive=0.1, idle=lambda: b".")
    _, sock = listen(loop)
    assert exactly(sock, 3) == b"..."


def test_a_stream_ends_with_its_time(make_loop: Make) -> None:
    loop = make_loop(keepalive=0.2)
    _, sock = listen(loop, ends_at=concurrency.time() + 0.1)
    assert read_to_the_end(sock).endswith(b"expired")
    wait(lambda: len(loop) == 0)


def test_a_stop_says_farewell(make_loop: Make) -> None:
    loop = make_loop()
    _, sock = listen(loop)
    loop.stop()
    assert read_to_the_end(sock) == b"shutdown"


def test_who_talks_on_a_stream_is_cut_off(make_loop: Make) -> None:
    loop = make_loop()
    _, sock = listen(loop)
    sock.sendall(b"x" * 200_000)
    wait(lambda: len(loop) == 0)


@pytest.fixture
def served(make_loop: Make) -> Iterator[tuple[Server, Loop]]:
    """A server with one worker: ``/stream`` is handed over, anything else is answered."""
    loop = make_loop()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            stream = Stream("key")
            loop.register(stream)
            return Handover(loop, stream, b"first\n", environ.get(HANDOVER))
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    server = Server(app, "127.0.0.1:0", 1)
    server.start()
    yield server, loop
    loop.stop()
    server.stop()


def ask(server: Server, path: str, version: str = "1.1") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    _clients.append(sock)
    sock.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    return sock


def read_until(sock: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        data = sock.recv(4096)
        assert data, found
        found += data
    return found


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_handed_over_socket_leaves_the_server(served: tuple[Server, Loop], version: str) -> None:
    server, loop = served
    streams = [ask(server, "/stream", version) for _ in range(5)]
    for sock in streams:
        head, _, body = read_until(sock, b"first\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/" + version.encode() + b" 200 OK\r\n") and body == b"first\n"
        assert b"\r\nConnection: close" in head and b"Content-Length" not in head and b"chunked" not in head
    with ask(server, "/other") as other:  # the only worker is free
        assert read_until(other, b"ok").startswith(b"HTTP/1.1 200")
    wait(lambda: len(loop) == 5)
    loop.send(loop.streams(), b"news")
    assert [exactly(sock, 4) for sock in streams] == [b"news"] * 5
    for sock in streams:
        sock.close()
    wait(lambda: len(loop) == 0)


def test_a_server_that_cannot_hand_over_ends_the_answer(make_loop: Make) -> None:
    loop = make_loop()
    stream = Stream("key")
    loop.register(stream)
    body = Handover(loop, stream, b"first\n", None)
    assert b"".join(body) == b"first\n"
    body.close()
    assert len(loop) == 0
