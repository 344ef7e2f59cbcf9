# SPDX-License-Identifier: Apache-2.0
"""What a host's nova-network offers on ``network.<host>``."""

from __future__ import annotations

from typing import Any, ClassVar

from nova.context import RequestContext
from nova.network.manager import NetworkManager
from nova.rpc.endpoint import Endpoint


class NetworkEndpoint(Endpoint):
    """Calls of nova-compute of the same host, and nudges of the conductor."""

    namespace: ClassVar[str | None] = "network"
    version: ClassVar[str] = "1.0"

    def __init__(self, manager: NetworkManager) -> None:
        self._manager = manager

    def plug(self, context: RequestContext, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        """Prepare the interfaces of a server before it starts; may be repeated."""
        self._manager.plug(instance_uuid, vifs)

    def unplug(self, context: RequestContext, instance_uuid: str, vifs: list[dict[str, Any]] | None = None) -> None:
        """Remove what a server's interfaces had here; without ``vifs`` all that is known of it."""
        self._manager.unplug(instance_uuid, vifs or ())

    def pull(self, context: RequestContext, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        """Remove what these interfaces had here; others of the server stay."""
        self._manager.pull(instance_uuid, vifs)

    def refresh(self, context: RequestContext) -> None:
        """Documents of this host have changed."""
        self._manager.refresh()
