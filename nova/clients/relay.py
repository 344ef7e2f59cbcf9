# SPDX-License-Identifier: Apache-2.0
"""The relays of outboxes (in nova-conductor): told that there is something to publish."""

from __future__ import annotations

from typing import Any

from nova.context import RequestContext

NAMESPACE = "relay"


class RelayClient:
    """``topic`` is where the relay lives: ``conductor`` on a cell's bus, ``orchestrator`` on the API level's."""

    def __init__(self, bus: Any, topic: str = "conductor") -> None:
        self._bus, self._topic = bus, topic

    def look(self, context: RequestContext, database: str) -> None:
        """``database`` is its name; a relay of another does nothing."""
        self._bus.cast(context, self._topic, "look", namespace=NAMESPACE, args={"database": database})
