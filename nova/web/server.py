# SPDX-License-Identifier: Apache-2.0
"""Serving a WSGI application over HTTP with waitress: a loop that owns the sockets and a pool that answers."""

from __future__ import annotations

import errno
import gc
import os
import socket
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from nova import concurrency, errors
from nova.web.channel import Channel
from nova.web.dispatcher import Dispatcher
from nova.web.manners import Manners
from nova.web.turnstile import Turnstile
from nova.web.urlmap import WSGIApp


class Server:
    """``listen`` is ``host:port``, ``[v6]:port`` or ``unix:/path``; port 0 takes a free one (see ``port``).

    Of its ``threads``, ``at_once`` work at the same moment (None: all); the others wait, see :class:`Turnstile`.
    Clients that are refused most of the time have ``clumsy_share`` of the time. ``max_body`` is the most that is ever
    received, whatever the application would say later; ``idle_timeout`` is after how many seconds a silent connection
    is closed.
    """

    def __init__(self, app: WSGIApp, listen: str, threads: int = 16, *,
                 at_once: int | None = None, clumsy_share: float = 1.0, max_body: int = 2**40, idle_timeout: int = 120,
                 option: str = "[wsgi] listen") -> None:
        self._app = app
        self._option = option
        self._listen = listen
        self._threads = threads
        self._turnstile = Turnstile(at_once or threads, share=clumsy_share)
        self._max_body = max_body
        self._idle = idle_timeout
        self._server: Any = None
        self._map: dict[int, Any] = {}
        self._task: concurrency.Task | None = None
        self._deadline: float | None = None
        self._ordering, self._pulling = concurrency.Lock(), concurrency.Lock()
        self._pulled = False
        self.port = 0

    def start(self) -> None:
        """Listen and serve in the background. Raises :class:`errors.ConfigError` when the address cannot be had."""
        _relax_collector()
        sock = _bind(self._listen, self._option)
        self.port = 0 if sock.family == socket.AF_UNIX else sock.getsockname()[1]
        self._deadline, self._pulled = None, False
        self._server = create_server(
            self._app, map=self._map, sockets=[sock], _dispatcher=Dispatcher(self._threads), channel_timeout=self._idle,
            connection_limit=2000, backlog=1024, asyncore_use_poll=True, ident=None,
            max_request_body_size=self._max_body, clear_untrusted_proxy_headers=False, log_socket_errors=False,
            outbuf_overflow=8 << 20, inbuf_overflow=1 << 20)
        self._server.channel_class, self._server.turnstile = Channel, self._turnstile
        self._server.manners = Manners()
        self._guard(self._server.trigger)
        self._task = concurrency.spawn(self._run, self._server, name="http")

    def stop(self, timeout: float = 10.0) -> None:
        """Take no new connections, let requests in work end for at most ``timeout`` seconds, then close everything."""
        server, self._server = self._server, None
        if server is None:
            return
        with self._ordering:
            self._deadline = concurrency.monotonic() + timeout
            server.pull_trigger()
        if self._task is not None:
            self._task.join(timeout + 5)
        if self._listen.startswith("unix:"):
            _unlink(self._listen[5:])

    def _run(self, server: Any) -> None:
        listening = True
        while self._deadline is None or (concurrency.monotonic() < self._deadline and _busy(server)):
            if self._deadline is not None and listening:
                listening = False
                wasyncore.dispatcher.close(server)
            wasyncore.loop(timeout=1.0 if listening else 0.05, use_poll=True, map=self._map, count=1)
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=0.5)
        if listening:
            wasyncore.dispatcher.close(server)
        with self._ordering, self._pulling:  # who stops us has pulled what is closed now
            wasyncore.close_all(self._map, ignore_all=True)

    def _guard(self, trigger: Any) -> None:
        """A worker that answers late pulls no more: the descriptor that it would write to may be another's by then.

        Nor does one that comes before the loop has looked at the last pull, which will find what this one has done as
        well: with many clients workers would stand in line for the pipe, one switch of threads after the other.
        """
        pull, receive = trigger._physical_pull, trigger.recv

        def pull_once() -> None:
            if self._pulled:
                return
            self._pulled = True
            with self._pulling:
                if not trigger._closed:
                    pull()

        def read(size: int) -> Any:
            data = receive(size)
            self._pulled = False  # not before: a byte that is read now must not be the one that somebody relies on
            return data

        trigger._physical_pull, trigger.recv = pull_once, read


def _relax_collector() -> None:
    """A page of a thousand servers makes twenty thousand containers that live until it is sent. With Python's default
    threshold the collector would walk the heap dozens of times for it, which took longer than the page. What outlived
    one pass is looked at again after a few: cycles that were in use at that moment are not kept for long."""
    gc.freeze()
    gc.set_threshold(50_000, 5, 10)


def _busy(server: Any) -> bool:
    """Whether a request is being answered or an answer is still on its way."""
    return any(channel.requests or channel.total_outbufs_len for channel in list(server.active_channels.values()))


def _bind(listen: str, option: str) -> socket.socket:
    path = listen[5:] if listen.startswith("unix:") else None
    address: Any = path if path is not None else split_address(listen, option)
    family = socket.AF_UNIX if path is not None else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if path is not None:
            _clear_unix(path)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1024)
    except OSError as e:
        sock.close()
        raise errors.ConfigError(f"{option} {listen}: {os.strerror(e.errno) if e.errno else e}; "
                                 "choose another address, or stop what uses this one") from e
    return sock


def _clear_unix(path: str) -> None:
    """Remove a socket that a process which died has left; one that answers is in use."""
    if os.path.exists(path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                _unlink(path)
            else:
                raise OSError(errno.EADDRINUSE, "in use")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def split_address(listen: str, option: str = "[wsgi] listen") -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise errors.ConfigError(f"{option} {listen}: write host:port, e.g. 127.0.0.1:8774")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - what an empty host means
