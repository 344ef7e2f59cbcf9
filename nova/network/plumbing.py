# SPDX-License-Identifier: Apache-2.0
"""What a network manager asks of a host, and the answer of a host that has no data plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

Document = dict[str, Any]
#: Called with hardware address, address and event: ``add``, ``old`` or ``del``.
LeaseListener = Callable[[str, str, str], None]


class Plumbing(Protocol):
    """Everything may be repeated; ports are named by their device."""

    def prepare(self, lease: LeaseListener) -> None:
        """Get ready, and take over what a former process left running. ``lease`` is told of changes."""
        ...

    def intact(self) -> bool:
        """Whether what we made is there still."""
        ...

    def devices(self) -> set[str]:
        """Ports that are set up, also those that were found at the start."""
        ...

    def networks(self) -> list[Document]:
        """Networks that are set up, also those that were found at the start."""
        ...

    def ensure_network(self, network: Document) -> None: ...

    def remove_network(self, network: Document, unused: Callable[[], bool]) -> None:
        """Take a network away if ``unused()`` says so when nobody else can set it up."""
        ...

    def apply(self, add: Sequence[Document], remove: Iterable[str]) -> None:
        """Set up these ports (network info) and take those devices away, as one change."""
        ...

    def stop(self) -> None:
        """Let go; guests go on."""
        ...

    def teardown(self) -> None:
        """Remove everything, running guests' connections included."""
        ...


class NullPlumbing:
    """Addresses without a data plane, for the fake driver: remembers what it was told."""

    def __init__(self) -> None:
        self._ports: dict[str, Document] = {}
        self._networks: dict[str, Document] = {}

    def prepare(self, lease: LeaseListener) -> None:
        return None

    def intact(self) -> bool:
        return True

    def devices(self) -> set[str]:
        return set(self._ports)

    def networks(self) -> list[Document]:
        return list(self._networks.values())

    def ensure_network(self, network: Document) -> None:
        self._networks[network["id"]] = network

    def remove_network(self, network: Document, unused: Callable[[], bool]) -> None:
        if unused():
            self._networks.pop(network["id"], None)

    def apply(self, add: Sequence[Document], remove: Iterable[str]) -> None:
        for device in remove:
            self._ports.pop(device, None)
        self._ports.update({vif["device"]: vif for vif in add})

    def stop(self) -> None:
        return None

    def teardown(self) -> None:
        self._ports.clear()
        self._networks.clear()
