# SPDX-License-Identifier: Apache-2.0
"""What the relays of a conductor can be told over the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nova.clients.relay import NAMESPACE
from nova.context import RequestContext
from nova.rpc.endpoint import Endpoint


class RelayEndpoint(Endpoint):
    """``nudges`` by the name of the database whose outbox is relayed here."""

    namespace = NAMESPACE
    version = "1.0"

    def __init__(self, nudges: Mapping[str, Callable[[], None]]) -> None:
        self._nudges = nudges

    def look(self, context: RequestContext, database: str) -> None:
        nudge = self._nudges.get(database)
        if nudge is not None:
            nudge()
