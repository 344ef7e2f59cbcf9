# SPDX-License-Identifier: Apache-2.0
"""Network cards that come to fake guests and go, and what the guests are told of them."""

from __future__ import annotations

from typing import Any

from nova.virt.fake.host import FakeHost
from nova.virt.interfaces import Injection, Interfaces
from nova.virt.types import Nic


class FakeInterfaces(FakeHost, Interfaces, Injection):
    def attach_interface(self, uuid: str, nic: Nic) -> None:
        self.knobs.strike("attach_interface")
        with self.lock:
            guest = self.find(uuid)
            if all(known["address"] != nic.address for known in guest.nics):
                guest.nics = [*guest.nics, card(nic)]
                self.guests.save(guest)

    def detach_interface(self, uuid: str, nic: Nic) -> None:
        self.knobs.strike("detach_interface")
        with self.lock:
            guest = self.find(uuid)
            guest.nics = [known for known in guest.nics if known["address"] != nic.address]
            self.guests.save(guest)

    def inject_network_info(self, uuid: str, nics: tuple[Nic, ...]) -> None:
        self.knobs.strike("inject_network_info")
        with self.lock:
            guest = self.find(uuid)
            guest.nics = [card(nic) for nic in nics]
            self.guests.save(guest)


def card(nic: Nic) -> dict[str, Any]:
    """How the file of a host keeps a network card."""
    return {"index": nic.index, "address": nic.address, "ips": list(nic.ips), "device": nic.device}
