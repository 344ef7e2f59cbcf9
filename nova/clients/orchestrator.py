# SPDX-License-Identifier: Apache-2.0
"""The orchestrators (nova-conductor, role api): they move operations at API level and apply inventories."""

from __future__ import annotations

from typing import Any

from nova.context import RequestContext

TOPIC, NAMESPACE = "orchestrator", "orchestrator"


class OrchestratorClient:
    """``cell_uuid`` None names a row of the API database."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    def look(self, context: RequestContext, operations: list[list[Any]], cell_uuid: str | None = None) -> None:
        """``operations`` are [uuid, epoch] pairs: take them if they are still there."""
        self._bus.cast(context, TOPIC, "look", namespace=NAMESPACE,
                       args={"operations": operations, "cell_uuid": cell_uuid})

    def inventory_changed(self, context: RequestContext, cell_uuid: str | None = None) -> None:
        self._bus.cast(context, TOPIC, "inventory_changed", namespace=NAMESPACE, args={"cell_uuid": cell_uuid})
