# SPDX-License-Identifier: Apache-2.0
"""The network service of a host: bridges, DHCP and filters before a guest starts, and away with them after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nova.clients.asking import ask
from nova.context import RequestContext

TOPIC, NAMESPACE = "network", "network"
#: Seconds for the answer to each saying. Much at once, on a busy host, is slow; one that died with it must not be.
SAYINGS = (2.5, 5.0, 50.0)


class NetworkClient:
    """Raises Unavailable when the host's nova-network has not answered in ``sayings`` altogether, about a minute."""

    def __init__(self, bus: Any, *, sayings: Sequence[float] = SAYINGS) -> None:
        self._bus, self._sayings = bus, sayings

    def plug(self, context: RequestContext, host: str, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._ask(context, host, "plug", instance_uuid, vifs)

    def unplug(self, context: RequestContext, host: str, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._ask(context, host, "unplug", instance_uuid, vifs)

    def pull(self, context: RequestContext, host: str, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        """Remove what these interfaces had there; others of the server stay."""
        self._ask(context, host, "pull", instance_uuid, vifs)

    def refresh(self, context: RequestContext, host: str) -> None:
        """Documents of the host have changed; it would find out by itself, later."""
        self._bus.cast(context, TOPIC, "refresh", namespace=NAMESPACE, server=host, args={})

    def _ask(self, context: RequestContext, host: str, method: str, instance_uuid: str,
             vifs: list[dict[str, Any]]) -> None:
        ask(self._bus, context, TOPIC, method, namespace=NAMESPACE, server=host, sayings=self._sayings,
            args={"instance_uuid": instance_uuid, "vifs": vifs})
