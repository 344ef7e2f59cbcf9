# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server for the files of a directory, with ranges and with faults on demand."""

from __future__ import annotations

import http.server
import re
import threading
from pathlib import Path
from typing import Any


class FileServer:
    """Serves ``directory``; ``requests`` holds (path, Range header) of each request so far."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[tuple[str, str | None]] = []
        self.break_after: list[int] = []
        """For each of the next answers: after how many bytes the connection breaks."""
        self.statuses: list[int] = []
        """For each of the next answers: an error status to give instead."""
        self.ranges = True
        handler = type("Handler", (_Handler,), {"server_of_ours": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server_of_ours: FileServer

    def do_GET(self) -> None:
        ours = self.server_of_ours
        wanted = self.headers.get("Range")
        ours.requests.append((self.path, wanted))
        path = ours.directory / self.path.partition("?")[0].lstrip("/")
        if ours.statuses:
            self.send_error(ours.statuses.pop(0))
        elif not path.is_file():
            self.send_error(404)
        else:
            self._send(path.read_bytes(), wanted if ours.ranges else None)

    def _send(self, data: bytes, wanted: str | None) -> None:
        begin = 0
        if wanted and (match := re.fullmatch(r"bytes=(\d+)-", wanted)):
            begin = int(match[1])
            if begin >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        faults = self.server_of_ours.break_after
        self.wfile.write(data[begin:begin + faults.pop(0)] if faults else data[begin:])

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``requests`` instead."""
