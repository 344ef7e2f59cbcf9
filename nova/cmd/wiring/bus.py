# SPDX-License-Identifier: Apache-2.0
"""Buses and keys of a process. No database here: hosts use this too."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nova import concurrency
from nova.clients.objects import ObjectsClient
from nova.rpc.bus import OsloBus
from nova.rpc.envelope import Sender, Signer
from nova.rpc.keyring import SERVICES, Keyring, host_key


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who this process is on the bus; ``incarnation`` is the uuid of this start."""

    service: str
    host: str
    incarnation: str

    @classmethod
    def of(cls, service: str, host: str) -> Identity:
        return cls(service, host, concurrency.uuid4())


def keys_path(conf: Any) -> Path:
    return Path(conf.rpc["keys"] or Path(conf.state_path) / "keys")  # .keys is the mapping's own


def signer(conf: Any, identity: Identity, *, on_host: bool) -> Signer:
    """A host signs with its own key when it was given one, everything else with the key of the services."""
    ring = Keyring.load(keys_path(conf))
    own = host_key(identity.host) if on_host and host_key(identity.host) in ring else SERVICES
    return Signer(ring, own, lifetime=float(conf.rpc.message_lifetime))


def open_bus(conf: Any, url: str, name: str, identity: Identity, *, on_host: bool = False) -> OsloBus:
    """A host that meets an object newer than it knows has it translated by its conductor."""
    opened: list[OsloBus] = []

    def translate(primitive: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
        return ObjectsClient(opened[0]).backport(primitive, versions)

    bus = OsloBus(conf, url, name=name, signer=signer(conf, identity, on_host=on_host),
                  sender=Sender(identity.service, identity.host, identity.incarnation),
                  backport=translate if on_host else None)
    opened.append(bus)
    return bus
