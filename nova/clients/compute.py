# SPDX-License-Identifier: Apache-2.0
"""A hypervisor host, by name."""

from __future__ import annotations

from typing import Any

from nova.context import RequestContext
from nova.objects.work import Work

TOPIC, NAMESPACE = "compute", "compute"
#: Seconds that an errand may take: who waits for it has another way.
ERRAND = 2.0


class ComputeClient:
    def __init__(self, bus: Any, *, timeout: float = 60.0) -> None:
        self._bus, self._timeout = bus, timeout

    def look(self, context: RequestContext, host: str, operations: list[list[Any]]) -> None:
        """``operations`` are [uuid, epoch] pairs of rows for this host: take them if they are still there."""
        self._bus.cast(context, TOPIC, "look", namespace=NAMESPACE, server=host, args={"operations": operations})

    def begin(self, context: RequestContext, host: str, incarnation: str, works: list[Work]) -> None:
        """``works`` are that incarnation's own: begin at once, there is nothing to ask for."""
        self._bus.cast(context, TOPIC, "begin", namespace=NAMESPACE, server=host,
                       args={"incarnation": incarnation, "works": works})

    def errand(self, context: RequestContext, host: str, work: Work) -> dict[str, Any]:
        """Have the step done at which ``work`` stands, and be told what came of it: ``data`` for its row, ``changes``
        of the server, when it was. Raises whatever the step does, Stale, Unavailable."""
        return dict(self._bus.call(context, TOPIC, "errand", namespace=NAMESPACE, server=host, timeout=ERRAND,
                                   args={"work": work}))

    def tidy(self, context: RequestContext, host: str, uuids: list[str]) -> None:
        """These servers are wanted on that host no more, if the cell says so too: it looks sooner than it would."""
        self._bus.cast(context, TOPIC, "tidy", namespace=NAMESPACE, server=host, args={"uuids": uuids})

    def strangers(self, context: RequestContext, host: str) -> dict[str, list[str]]:
        """What is on the host and belongs to no server of it, by uuid: ``guests``, and ``disks`` that were set aside
        for a way back which is closed. Raises Unavailable."""
        return dict(self._bus.call(context, TOPIC, "strangers", namespace=NAMESPACE, server=host,
                                   timeout=self._timeout, args={}))

    def settle(self, context: RequestContext, host: str, uuid: str) -> None:
        """Compare this server's record with what its guest does, as soon as nothing else is done to it there."""
        self._bus.cast(context, TOPIC, "settle", namespace=NAMESPACE, server=host, args={"uuid": uuid})

    def console_output(self, context: RequestContext, host: str, uuid: str, length: int | None) -> str:
        """The end of a guest's serial console log. Raises NotFound, NotSupported, Unavailable."""
        return str(self._bus.call(context, TOPIC, "console_output", namespace=NAMESPACE, server=host,
                                  timeout=self._timeout, args={"uuid": uuid, "length": length}))

    def diagnostics(self, context: RequestContext, host: str, uuid: str, common: bool) -> dict[str, Any]:
        """What the hypervisor counts of a guest. Raises NotFound, NotSupported, Unavailable."""
        return dict(self._bus.call(context, TOPIC, "diagnostics", namespace=NAMESPACE, server=host,
                                   timeout=self._timeout, args={"uuid": uuid, "common": common}))

    def inject_network_info(self, context: RequestContext, host: str, uuid: str, vifs: list[dict[str, Any]]) -> None:
        """Write into a guest which cards and addresses it has. Raises NotFound, NotSupported, Unavailable."""
        self._bus.call(context, TOPIC, "inject_network_info", namespace=NAMESPACE, server=host, timeout=self._timeout,
                       args={"uuid": uuid, "vifs": vifs})
