# SPDX-License-Identifier: Apache-2.0
"""A small HTTP/1.1 client that costs little: the cores belong to what is measured, not to who asks."""

from __future__ import annotations

import json
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_STALE = 5.0


class WireError(Exception):
    """The other side closed, did not speak HTTP, or was not there."""


class Response:
    """A status, headers in lower case, and the body as bytes."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One kept-alive connection to a base URL. Not for use by two threads at a time."""

    def __init__(self, base: str, headers: dict[str, str] | None = None, *, timeout: float = 120.0,
                 verify: bool = True, cacert: str | None = None) -> None:
        url = urlsplit(base)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise WireError(f"{base!r} is not an http or https URL")
        self._host, self._secure = url.hostname, url.scheme == "https"
        self._port = url.port or (443 if self._secure else 80)
        self.prefix = url.path.rstrip("/")
        lines = {"Host": url.netloc.rpartition("@")[2], "Accept": "application/json", **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._timeout, self._verify, self._cacert = timeout, verify, cacert
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._used = 0.0

    def request(self, method: str, path: str, body: Any = None) -> Response:
        """Send and wait for the whole answer. A kept connection that had gone is opened again, never for a POST."""
        message = self._message(method, path, body)
        if self._socket is not None and time.monotonic() - self._used > _STALE:
            self.close()
        kept = self._socket is not None
        try:
            return self._exchange(method, message)
        except (OSError, WireError) as e:
            self.close()
            if not (kept and method in _IDEMPOTENT) or isinstance(e, TimeoutError):
                raise WireError(f"{method} {path}: {e or type(e).__name__}") from e
        try:
            return self._exchange(method, message)
        except (OSError, WireError) as e:
            self.close()
            raise WireError(f"{method} {path}: {e or type(e).__name__}") from e

    def send(self, method: str, path: str) -> socket.socket:
        """Ask without waiting; the socket becomes readable when :meth:`receive` finds an answer. A connection that was
        never used, or was closed, is opened."""
        try:
            if self._socket is None:
                self._socket = self._connect()
            self._socket.sendall(self._message(method, path, None))
        except OSError as e:
            self.close()
            raise WireError(f"{method} {path}: {e or type(e).__name__}") from e
        return self._socket

    def receive(self, method: str) -> Response:
        """The whole answer to what was sent last."""
        try:
            return self._answer(method)
        except (OSError, WireError) as e:
            self.close()
            raise WireError(f"{method}: {e or type(e).__name__}") from e

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _exchange(self, method: str, message: bytes) -> Response:
        if self._socket is None:
            self._socket = self._connect()
        self._socket.sendall(message)
        return self._answer(method)

    def _message(self, method: str, path: str, body: Any) -> bytes:
        payload = b"" if body is None else json.dumps(body).encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n" if body is not None else (
            "Content-Length: 0\r\n" if method in ("POST", "PUT") else "")
        return f"{method} {self.prefix}{path} HTTP/1.1\r\n{self._head}{kind}\r\n".encode() + payload

    def _answer(self, method: str) -> Response:
        status, headers = self._read_head()
        while status in (100, 102, 103):
            status, headers = self._read_head()
        body = self._read_body(method, status, headers)
        self._used = time.monotonic()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Response(status, headers, body)

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((self._host, self._port), timeout=self._timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._secure:
            return sock
        context = ssl.create_default_context(cafile=self._cacert)
        if not self._verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(sock, server_hostname=self._host)

    def _more(self) -> None:
        assert self._socket is not None
        chunk = self._socket.recv(262144)
        if not chunk:
            raise WireError("the connection was closed")
        self._buffer += chunk

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > 1 << 20:
                raise WireError("the answer's headers do not end")
            self._more()
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        self._buffer = self._buffer[end + 4:]
        words = lines[0].split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise WireError(f"the answer is not HTTP/1.1: {lines[0][:60]!r}")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(words[1]), headers

    def _read_body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304):
            return b""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        if "content-length" in headers:
            return self._take(int(headers["content-length"]))
        headers["connection"] = "close"
        assert self._socket is not None
        parts = [self._buffer]
        while chunk := self._socket.recv(262144):
            parts.append(chunk)
        self._buffer = b""
        return b"".join(parts)

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self._line().partition(b";")[0], 16):
            parts.append(self._take(size))
            self._take(2)
        while self._line():
            pass  # trailers
        return b"".join(parts)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._more()
        line, self._buffer = self._buffer[:end], self._buffer[end + 2:]
        return line

    def _take(self, size: int) -> bytes:
        if len(self._buffer) < size:
            assert self._socket is not None
            parts, held = [self._buffer], len(self._buffer)
            while held < size:
                chunk = self._socket.recv(min(262144, size - held))
                if not chunk:
                    raise WireError("the connection was closed in the middle of an answer")
                parts.append(chunk)
                held += len(chunk)
            self._buffer = b"".join(parts)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data
