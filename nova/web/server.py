# SPDX-License-Identifier: Apache-2.0
"""Serving a WSGI application over HTTP with waitress: a loop that owns the sockets and a pool that answers."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import waitress
from waitress.server import create_server

from nova import concurrency, errors
from nova.web.urlmap import WSGIApp


class Server:
    """``listen`` is ``host:port``, ``[v6]:port`` or ``unix:/path``; port 0 takes a free one (see ``port``)."""

    def __init__(self, app: WSGIApp, listen: str, threads: int = 16, *, max_body: int = 2**40,
                 idle_timeout: int = 120) -> None:
        self._app = app
        self._listen = listen
        self._threads = threads
        self._max_body = max_body
        self._idle = idle_timeout
        self._server: Any = None
        self._task: concurrency.Task | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port in use; 0 for a unix socket."""
        return self._socket.getsockname()[1] if self._socket and self._socket.family != socket.AF_UNIX else 0

    def start(self) -> None:
        """Listen and serve in the background. Raises :class:`errors.ConfigError` when the address cannot be had."""
        self._socket = _bind(self._listen)
        self._server = create_server(
            self._app, map={}, sockets=[self._socket], threads=self._threads, channel_timeout=self._idle,
            connection_limit=2000, backlog=1024, send_bytes=18000, asyncore_use_poll=True, ident="",
            max_request_body_size=self._max_body, clear_untrusted_proxy_headers=False, log_socket_errors=False,
            outbuf_overflow=8 << 20, inbuf_overflow=1 << 20)
        self._task = concurrency.spawn(self._run, name="http")

    def _run(self) -> None:
        server = self._server
        try:
            server.run()
        except OSError as e:  # the sockets are closed under the loop by stop()
            if e.errno != errno.EBADF:
                raise

    def stop(self, timeout: float = 10.0) -> None:
        """Take no new connections, let requests in work end, then close everything."""
        server, self._server = self._server, None
        if server is None:
            return
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=timeout)
        server.close()
        server.pull_trigger() if hasattr(server, "pull_trigger") else None
        if self._task is not None:
            self._task.join(timeout)
        if self._listen.startswith("unix:"):
            _unlink(self._listen[5:])


def _bind(listen: str) -> socket.socket:
    try:
        if listen.startswith("unix:"):
            return _bind_unix(listen[5:])
        host, port = split_address(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as e:
        raise errors.ConfigError(f"--listen {listen}: {os.strerror(e.errno) if e.errno else e}; "
                                 "choose another address, or stop what uses this one") from e
    return sock


def _bind_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(path):
        try:
            sock.connect(path)
        except ConnectionRefusedError:
            _unlink(path)  # left behind by a process that died
            sock.close()
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            raise OSError(errno.EADDRINUSE, "in use")
    sock.bind(path)
    sock.listen(1024)
    return sock


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise errors.ConfigError(f"--listen {listen}: write host:port, e.g. 127.0.0.1:8774")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - what an empty host means


__all__ = ["Server", "split_address", "waitress"]
