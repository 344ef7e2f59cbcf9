# SPDX-License-Identifier: Apache-2.0
"""The orchestrators (nova-conductor, role api): they move operations at API level and apply inventories."""

from __future__ import annotations

from typing import Any

from nova.context import RequestContext

TOPIC, NAMESPACE, CELL_NAMESPACE = "orchestrator", "orchestrator", "cell_orchestrator"


class OrchestratorClient:
    """From the API level. ``cell_uuid`` None names rows of the API database."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    def look(self, context: RequestContext, operations: list[list[Any]], cell_uuid: str | None = None) -> None:
        """``operations`` are [uuid, epoch] pairs: take them if they are still there."""
        self._bus.cast(context, TOPIC, "look", namespace=NAMESPACE,
                       args={"operations": operations, "cell_uuid": cell_uuid})


class CellOrchestratorClient:
    """From within a cell, over the cell's own bus: rows of that cell, and its hosts' inventories."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    def look(self, context: RequestContext, operations: list[list[Any]]) -> None:
        self._bus.cast(context, TOPIC, "look", namespace=CELL_NAMESPACE, args={"operations": operations})

    def inventory_changed(self, context: RequestContext) -> None:
        self._bus.cast(context, TOPIC, "inventory_changed", namespace=CELL_NAMESPACE, args={})
