# SPDX-License-Identifier: Apache-2.0
"""The floating addresses of a host's guests: which there are, and that this host answers for them.

They are kept in a file, so that a restart takes them over before it hears of every port again.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Iterable

import orjson

from nova import concurrency
from nova.host import files
from nova.host.net import links, nat
from nova.network.plumbing import Document


class FloatingAddresses:
    """``interface`` gets the addresses; ``owner`` tells ours from those of another nova-network on this host."""

    def __init__(self, file: pathlib.Path, interface: str, owner: str) -> None:
        self._file, self._interface = file, interface
        self._label = f"nova:{hashlib.sha256(owner.encode()).hexdigest()[:8]}"
        self._lock = concurrency.Lock()
        self._led: dict[str, dict[str, str]] = {}  # by device: public address → the guest's

    def load(self) -> None:
        """What a former process left."""
        if self._file.exists():
            with self._lock:
                self._led = orjson.loads(self._file.read_bytes())

    def change(self, ports: Iterable[Document], gone: Iterable[str]) -> bool:
        """Take up what these ports say and forget those devices; True if that makes a difference."""
        with self._lock:
            after = {device: led for device, led in self._led.items() if device not in set(gone)}
            for vif in ports:
                led = {public: ip["address"] for ip in vif["ips"] for public in ip.get("floating_ips", ())}
                after.pop(vif["device"], None)
                if led:
                    after[vif["device"]] = led
            if after == self._led:
                return False
            self._led = after
            files.write_atomic(self._file, orjson.dumps(after))
            return True

    def clear(self) -> None:
        """None is here any more."""
        with self._lock:
            self._led = {}
            self._file.unlink(missing_ok=True)

    def ensure(self) -> set[nat.Floating]:
        """Have this host answer for exactly these addresses; returns how they are to be translated."""
        with self._lock:
            floating = {nat.Floating(public, fixed) for led in self._led.values() for public, fixed in led.items()}
            links.put_addresses(self._interface, frozenset(f.public for f in floating), self._label)
        return floating
