# SPDX-License-Identifier: Apache-2.0
"""The other end of ``nova-dhcpbridge``: a local socket on which dnsmasq's script tells of leases.

One connection carries one JSON line and gets one back. The answer never waits for anything, so dnsmasq does not either;
what the cell is to know is told to it afterwards, by the manager.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pathlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from nova import concurrency

LOG = logging.getLogger(__name__)
_LINE = 64 * 1024
_TIMEOUT = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Lease:
    mac: str
    address: str
    interface: str
    expires: int
    hostname: str = "*"
    client_id: str = "*"

    def line(self) -> str:
        """As dnsmasq keeps leases in a file."""
        return f"{self.expires} {self.mac} {self.address} {self.hostname} {self.client_id}"


class Leases:
    """The leases that guests hold, as far as dnsmasq told.

    ``serves(mac, address)`` says if there is such a guest; a lease of another is nobody's. ``changed(mac, address,
    event)`` hears of leases that were made or have ended.
    """

    def __init__(self, serves: Callable[[str, str], bool], changed: Callable[[str, str, str], None]) -> None:
        self._serves, self._changed = serves, changed
        self._lock = concurrency.Lock()
        self._held: dict[str, Lease] = {}

    def handle(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the script said; the answer is for the script."""
        event, interface = str(message.get("event")), str(message.get("interface") or "")
        if event == "init":
            return {"leases": [lease.line() for lease in self._living() if lease.interface == interface]}
        if event not in ("add", "old", "del"):
            return {}
        mac, address = str(message.get("mac") or "").lower(), str(message.get("address") or "")
        if self._note(event, mac, address, interface, message):
            self._changed(mac, address, event)
        return {}

    def _living(self) -> list[Lease]:
        now = concurrency.time()
        with self._lock:
            kept = {m: v for m, v in self._held.items() if v.expires > now and self._serves(m, v.address)}
            self._held = kept
        return list(kept.values())

    def _note(self, event: str, mac: str, address: str, interface: str, message: dict[str, Any]) -> bool:
        with self._lock:
            before = self._held.pop(mac, None)
            if event == "del" or not self._serves(mac, address):
                return before is not None
            expires = int(concurrency.time()) + int(message.get("remaining") or 0)
            self._held[mac] = Lease(mac, address, interface, expires, message.get("hostname") or "*",
                                    message.get("client_id") or "*")
            return before is None or before.address != address


class LeaseSocket:
    """Listens for the script. Only this user and root may speak to it."""

    def __init__(self, path: pathlib.Path, handle: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._path, self._handle = path, handle
        self._listener: socket.socket | None = None
        self._task: concurrency.Task | None = None

    def start(self) -> None:
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(self._path) as name:
            listener.bind(name)
        os.chmod(self._path, 0o600)
        listener.listen(64)
        self._listener = listener
        self._task = concurrency.spawn(self._serve, listener, name="leases")

    def stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self._path.unlink(missing_ok=True)
        if self._task is not None:
            self._task.join(5)

    def _serve(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                peer, _ = listener.accept()
            except OSError:
                if self._listener is not listener:
                    return
                raise
            try:
                with peer:
                    self._answer(peer)
            except (OSError, ValueError) as e:
                LOG.warning("a message about a lease could not be read: %s", e)

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(_TIMEOUT)
        data = b""
        while not data.endswith(b"\n") and len(data) < _LINE:
            chunk = peer.recv(_LINE)
            if not chunk:
                break
            data += chunk
        message = orjson.loads(data)
        if not isinstance(message, dict):
            raise ValueError("not an object")
        peer.sendall(orjson.dumps(self._handle(message)) + b"\n")


@contextlib.contextmanager
def short_path(path: pathlib.Path) -> Iterator[str]:
    """A name for a socket that fits the kernel's 108 bytes however deep its directory is."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
