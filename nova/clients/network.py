# SPDX-License-Identifier: Apache-2.0
"""The network service of a host: bridges, DHCP and filters before a guest starts, and away with them after."""

from __future__ import annotations

from typing import Any

from nova.context import RequestContext

TOPIC, NAMESPACE = "network", "network"


class NetworkClient:
    def __init__(self, bus: Any, *, timeout: float = 60.0) -> None:
        self._bus, self._timeout = bus, timeout

    def plug(self, context: RequestContext, host: str, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._bus.call(context, TOPIC, "plug", namespace=NAMESPACE, server=host, timeout=self._timeout,
                       args={"instance_uuid": instance_uuid, "vifs": vifs})

    def unplug(self, context: RequestContext, host: str, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._bus.call(context, TOPIC, "unplug", namespace=NAMESPACE, server=host, timeout=self._timeout,
                       args={"instance_uuid": instance_uuid, "vifs": vifs})

    def pull(self, context: RequestContext, host: str, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        """Remove what these interfaces had there; others of the server stay."""
        self._bus.call(context, TOPIC, "pull", namespace=NAMESPACE, server=host, timeout=self._timeout,
                       args={"instance_uuid": instance_uuid, "vifs": vifs})

    def refresh(self, context: RequestContext, host: str) -> None:
        """Documents of the host have changed; it would find out by itself, later."""
        self._bus.cast(context, TOPIC, "refresh", namespace=NAMESPACE, server=host, args={})
