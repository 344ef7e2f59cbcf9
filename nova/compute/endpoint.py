# SPDX-License-Identifier: Apache-2.0
"""What nova-compute offers over the bus."""

from __future__ import annotations

from typing import Any

from nova.clients import compute as client
from nova.compute.manager import ComputeManager
from nova.context import RequestContext
from nova.objects.work import Work
from nova.rpc.endpoint import Endpoint


class ComputeEndpoint(Endpoint):
    namespace = client.NAMESPACE
    version = "1.0"

    def __init__(self, manager: ComputeManager) -> None:
        self._manager = manager

    def look(self, context: RequestContext, operations: list[list[Any]]) -> None:
        self._manager.look(operations)

    def begin(self, context: RequestContext, incarnation: str, works: list[Work]) -> None:
        self._manager.begin(incarnation, works)

    def errand(self, context: RequestContext, work: Work) -> dict[str, Any]:
        return self._manager.errand(work)

    def tidy(self, context: RequestContext, uuids: list[str]) -> None:
        self._manager.tidy(uuids)

    def strangers(self, context: RequestContext) -> dict[str, list[str]]:
        return self._manager.strangers()

    def settle(self, context: RequestContext, uuid: str) -> None:
        self._manager.settle(uuid)

    def console_output(self, context: RequestContext, uuid: str, length: int | None = None) -> str:
        return self._manager.console_output(uuid, length)

    def diagnostics(self, context: RequestContext, uuid: str, common: bool) -> dict[str, Any]:
        return self._manager.diagnostics(uuid, common)

    def inject_network_info(self, context: RequestContext, uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._manager.inject_network_info(uuid, vifs)
