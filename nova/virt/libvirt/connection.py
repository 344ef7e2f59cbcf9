# SPDX-License-Identifier: Apache-2.0
"""The connection to a libvirt daemon: opened when needed, opened again when lost, never blocking other tasks.

A daemon that stops answering is noticed by keep-alive messages, which end every call that waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from nova import concurrency, errors
from nova.virt.libvirt.eventloop import LOOP

T = TypeVar("T")
LOG = logging.getLogger(__name__)

#: Seconds between keep-alive messages, and how many may go unanswered.
KEEPALIVE = (5, 4)
REVIVE_EVERY = 2.0


def load_libvirt() -> Any:
    """The bindings, which are an extra: whoever runs no libvirt needs none."""
    try:
        import libvirt
    except ImportError as e:
        raise errors.ConfigError(
            "compute_driver = libvirt needs the libvirt bindings: pip install 'nova-controller[libvirt]' "
            f"(with libvirt-dev, pkg-config and a C compiler). {e}") from e
    return libvirt


class Connection:
    """``on_open`` is called with every new connection in a blocking call, before anybody else uses it, and ``on_close``
    with one that still lives before it is closed; ``on_ready`` in a task, once the connection is the one in use."""

    def __init__(self, uri: str, timeout: float, on_open: Callable[[Any], None], on_ready: Callable[[Any], None],
                 on_close: Callable[[Any], None]) -> None:
        self.uri = uri
        self.libvirt = load_libvirt()
        self._timeout, self._on_open, self._on_ready, self._on_close = timeout, on_open, on_ready, on_close
        self._lock = concurrency.Lock()
        self._conn: Any = None
        self._running = False

    def start(self) -> None:
        """Open for the first time; :class:`errors.ConfigError` when there is no daemon."""
        LOOP.acquire(self.libvirt)
        self._running = True
        try:
            self._get()
        except errors.Unavailable as e:
            self.stop()
            raise errors.ConfigError(
                f"libvirt.connection_uri = {self.uri}: {e.message} Start libvirtd, or set the URI of another.") from e

    def stop(self) -> None:
        if not self._running:
            return
        self._running = False
        with self._lock:
            conn, self._conn = self._conn, None
        if conn is not None:
            concurrency.offload(self._part_with, conn)
        LOOP.release(self.libvirt)

    def call(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(virConnect, *args)`` apart from other tasks; libvirt's errors come out as ours."""
        conn = self._get()
        try:
            return concurrency.offload(work, conn, *args)
        except self.libvirt.libvirtError as e:
            raise self._meaning(e) from e

    def domain(self, uuid: str, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(virDomain, *args)``; :class:`errors.NotFound` when there is none of that uuid."""
        return self.call(lambda conn: work(conn.lookupByUUIDString(uuid), *args))

    def _get(self) -> Any:
        with self._lock:
            if self._conn is not None and not self._conn.isAlive():
                _close(self.libvirt, self._conn)
                self._conn = None
            if self._conn is None:
                if not self._running:
                    raise errors.Unavailable("The libvirt driver is stopped.")
                self._conn = self._open()
                self._on_ready(self._conn)
            return self._conn

    def _open(self) -> Any:
        """Opening has no keep-alive yet, so somebody else does it and is waited for only so long."""
        result: list[Any] = []
        ended, given_up = concurrency.Event(), concurrency.Event()

        def work() -> None:
            try:
                result.append(concurrency.offload(self._open_now))
                if given_up.is_set():
                    concurrency.offload(self._part_with, result[0])
            except self.libvirt.libvirtError as e:
                result.append(errors.Unavailable(f"libvirt at {self.uri} cannot be reached: {_text(e)}."))
            except errors.NovaError as e:
                result.append(e)
            finally:
                ended.set()

        concurrency.spawn(work, name="libvirt-open")
        if not ended.wait(self._timeout) or not result:
            given_up.set()
            raise errors.Unavailable(f"libvirt at {self.uri} did not answer within {self._timeout:g} s.")
        if isinstance(result[0], errors.NovaError):
            raise result[0]
        return result[0]

    def _open_now(self) -> Any:
        conn = self.libvirt.open(self.uri)
        if conn.setKeepAlive(*KEEPALIVE) != 0:
            LOG.info("libvirt at %s has no keep-alive", self.uri)
        conn.registerCloseCallback(self._closed, None)
        self._on_open(conn)
        return conn

    def _part_with(self, conn: Any) -> None:
        """A connection that calls somebody back stays open however often it is closed. In a blocking call."""
        self._on_close(conn)
        try:
            conn.unregisterCloseCallback()
        except self.libvirt.libvirtError as e:
            LOG.debug("a connection that calls nobody back: %s", _text(e))
        _close(self.libvirt, conn)

    def _closed(self, conn: Any, reason: int, opaque: Any) -> None:
        LOOP.later(self._lost, reason)

    def _lost(self, reason: int) -> None:
        if self._running and reason != self.libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT:
            LOG.warning("the connection to libvirt at %s is lost", self.uri)
            concurrency.spawn(self._revive, name="libvirt-revive")

    def _revive(self) -> None:
        """Events are wanted even when nobody calls, so the connection is sought until it is there."""
        while self._running:
            try:
                self._get()
            except errors.Unavailable:
                concurrency.sleep(REVIVE_EVERY)
            else:
                LOG.info("libvirt at %s is back", self.uri)
                return

    def _meaning(self, e: Any) -> errors.NovaError:
        libvirt = self.libvirt
        if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return errors.NotFound(f"The guest is not on this host: {_text(e)}.")
        if e.get_error_domain() in (libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC):
            return errors.Unavailable(f"libvirt at {self.uri} does not answer: {_text(e)}.")
        return errors.HostFailure(f"libvirt: {_text(e)}.", libvirt_code=e.get_error_code())


def _text(e: Any) -> str:
    return str(e.get_error_message() or e).strip().rstrip(".")


def _close(libvirt: Any, conn: Any) -> None:
    try:
        conn.close()
    except libvirt.libvirtError as e:
        LOG.debug("closing a connection to libvirt: %s", _text(e))
