# SPDX-License-Identifier: Apache-2.0
"""Many clients in one thread: each is answered, an answer that is refused ends it, and connections may be closed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from tools.benchlib.crowd import ask_for
from tools.benchlib.wire import Connection, Response


class Enough(Exception):
    pass


@pytest.fixture
def url() -> Iterator[str]:
    """A server that keeps connections below /kept and closes all others after each answer."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            if self.path != "/kept":
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            return None

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client may go while it is answered."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def three(url: str) -> Iterator[list[Connection]]:
    connections = [Connection(url) for _ in range(3)]
    yield connections
    for connection in connections:
        connection.close()


def test_each_is_asked_once_at_least(three: list[Connection]) -> None:
    answers: list[Response] = []
    samples, lasted = ask_for(0, "/kept", three, answers.append)
    assert len(samples) == 3 and len(answers) == 6  # three more before the clock starts
    assert all(0 < sample <= lasted for sample in samples)


@pytest.mark.parametrize("path", ["/kept", "/closed"])
def test_they_ask_again_until_it_ends(three: list[Connection], path: str) -> None:
    answers: list[bytes] = []

    def check(answer: Response) -> None:
        answers.append(answer.body)
        if len(answers) == 30:
            raise Enough

    with pytest.raises(Enough):
        ask_for(3600, path, three, check)
    assert answers == [b"{}"] * 30
