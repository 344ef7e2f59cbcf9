# SPDX-License-Identifier: Apache-2.0
"""libvirt's lifecycle events in our words."""

from __future__ import annotations

from typing import Any

from nova import concurrency
from nova.virt.interfaces import Events, Listener
from nova.virt.libvirt.eventloop import LOOP
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.types import EventKind, LifecycleEvent

#: libvirt's virDomainEventType → what it means; others (defined, undefined …) mean nothing to us.
KINDS = {
    2: EventKind.STARTED, 3: EventKind.PAUSED, 4: EventKind.RESUMED, 5: EventKind.STOPPED,
    7: EventKind.SUSPENDED, 8: EventKind.CRASHED,
}
STOPPED = 5
#: virDomainEventStoppedDetailType: what a stop is when it is not just that; None is no stop at all.
STOPPED_DETAILS: dict[int, EventKind | None] = {
    2: EventKind.CRASHED, 3: None, 4: EventKind.SUSPENDED, 5: EventKind.CRASHED,
}


def translate(uuid: str, event: int, detail: int, at: float) -> LifecycleEvent | None:
    kind = KINDS.get(event)
    if event == STOPPED:
        kind = STOPPED_DETAILS.get(detail, kind)
    return LifecycleEvent(uuid, kind, at) if kind else None


class LibvirtEvents(Events):
    hypervisor: Hypervisor
    _listeners: list[Listener]

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def watch(self, conn: Any) -> None:
        """Ask a new connection for its events."""
        libvirt = self.hypervisor.libvirt
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._noted, None)

    def _noted(self, conn: Any, dom: Any, event: int, detail: int, opaque: Any) -> None:
        LOOP.later(self._deliver, dom.UUIDString(), event, detail)

    def _deliver(self, uuid: str, event: int, detail: int) -> None:
        told = translate(uuid, event, detail, concurrency.time())
        if told:
            for listener in self._listeners:
                listener(told)
