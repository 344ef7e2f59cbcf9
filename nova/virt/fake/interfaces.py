# SPDX-License-Identifier: Apache-2.0
"""Network cards that come to fake guests and go."""

from __future__ import annotations

from typing import Any

from nova.virt.fake.host import FakeHost
from nova.virt.interfaces import Interfaces
from nova.virt.types import Nic


class FakeInterfaces(FakeHost, Interfaces):
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


def card(nic: Nic) -> dict[str, Any]:
    """How the file of a host keeps a network card."""
    return {"index": nic.index, "address": nic.address, "ips": list(nic.ips), "device": nic.device}
