# SPDX-License-Identifier: Apache-2.0
"""libvirt's lifecycle events in our words, and what guests did while no connection told of it."""

from __future__ import annotations

import logging
from typing import Any

from nova import concurrency
from nova.virt.interfaces import Events, Listener
from nova.virt.libvirt.eventloop import LOOP
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.libvirt.lifecycle import power_of
from nova.virt.types import EventKind, LifecycleEvent, PowerState

LOG = logging.getLogger(__name__)

#: libvirt's virDomainEventType → what it means; others (defined …) mean nothing to us.
KINDS = {
    2: EventKind.STARTED, 3: EventKind.PAUSED, 4: EventKind.RESUMED, 5: EventKind.STOPPED,
    7: EventKind.SUSPENDED, 8: EventKind.CRASHED,
}
UNDEFINED, STOPPED = 1, 5
#: Suspended, since it has begun to run at the host that it migrates to.
LEFT = (3, 7)
#: virDomainEventStoppedDetailType: what a stop is when it is not just that; None is no stop at all.
STOPPED_DETAILS: dict[int, EventKind | None] = {
    2: EventKind.CRASHED, 3: None, 4: EventKind.SUSPENDED, 5: EventKind.CRASHED,
}
#: What a guest that has come into a state while nobody told of it is said to have done.
BECAME = {
    PowerState.RUNNING: EventKind.STARTED, PowerState.PAUSED: EventKind.PAUSED, PowerState.SHUTDOWN: EventKind.STOPPED,
    PowerState.CRASHED: EventKind.CRASHED, PowerState.SUSPENDED: EventKind.SUSPENDED,
}
#: What is compared. A guest that is off is off, whatever ended it: its events and its state need not agree on that.
ON, STILL, OFF = "on", "still", "off"
STANDS = {
    EventKind.STARTED: ON, EventKind.RESUMED: ON, EventKind.PAUSED: STILL,
    EventKind.STOPPED: OFF, EventKind.CRASHED: OFF, EventKind.SUSPENDED: OFF,
}
#: Seconds between looks at a guest that the daemon itself has not found again yet: at first, and at most.
LOOK_AGAIN = (0.1, 10.0)


def translate(uuid: str, event: int, detail: int, at: float) -> LifecycleEvent | None:
    kind = KINDS.get(event)
    if event == STOPPED:
        kind = STOPPED_DETAILS.get(detail, kind)
    return LifecycleEvent(uuid, kind, at) if kind else None


class LibvirtEvents(Events):
    """``_standing``: how each guest stands as far as listeners know. What differs from it once there is a connection
    again happened unheard, also because a daemon that just began tells nothing of guests it does not find again."""

    hypervisor: Hypervisor
    _listeners: list[Listener]
    _standing: dict[str, str]
    _subscriptions: list[tuple[Any, int]]
    _current: Any = None

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    # in blocking calls

    def watch(self, conn: Any) -> None:
        """Ask a new connection for its events."""
        libvirt = self.hypervisor.libvirt
        number = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._noted, None)
        self._subscriptions.append((conn, number))

    def unwatch(self, conn: Any) -> None:
        for subscription in [s for s in self._subscriptions if s[0] is conn]:
            self._subscriptions.remove(subscription)
            try:
                conn.domainEventDeregisterAny(subscription[1])
            except self.hypervisor.libvirt.libvirtError as e:
                LOG.debug("a connection that tells nothing any more: %s", e)

    def _noted(self, conn: Any, dom: Any, event: int, detail: int, opaque: Any) -> None:
        LOOP.later(self._deliver, dom.UUIDString(), event, detail)

    def _deliver(self, uuid: str, event: int, detail: int) -> None:
        if (event, detail) == LEFT:
            self.note_left(uuid)
        told = translate(uuid, event, detail, concurrency.time())
        if told:
            self._tell(told)
        elif event == UNDEFINED:
            self._standing.pop(uuid, None)

    def note_left(self, uuid: str) -> None:
        """The guest runs elsewhere from now on, whatever becomes of it."""
        LOG.info("guest %s goes on at another host", uuid)

    def _tell(self, event: LifecycleEvent) -> None:
        self._standing[event.uuid] = STANDS[event.kind]
        for listener in self._listeners:
            listener(event)

    # -- what was missed -----------------------------------------------------------------------------------------------

    def catch_up(self, conn: Any) -> None:
        """See what was missed before this connection. Before the first there was nobody who could miss it."""
        first, self._current = self._current is None, conn
        self._subscriptions[:] = [s for s in self._subscriptions if s[0] is conn]
        concurrency.spawn(self._compare, conn, first, name="libvirt-compare")

    def rest(self) -> None:
        self._current = None

    def _compare(self, conn: Any, first: bool) -> None:
        """Until every guest was seen, or another connection has come."""
        libvirt, pause = self.hypervisor.libvirt, LOOK_AGAIN[0]
        seen: set[str] = set()
        while self._current is conn:
            believed = dict(self._standing)
            try:
                found, all_found = concurrency.offload(self._look, conn, seen)
            except libvirt.libvirtError as e:
                LOG.debug("guests cannot be looked at now: %s", e)
                found, all_found = {}, False
            for uuid, power in found.items():
                self._learn(uuid, power, believed.get(uuid), quietly=first)
            seen.update(found)
            if all_found:
                return
            concurrency.sleep(pause)
            pause = min(2 * pause, LOOK_AGAIN[1])

    def _look(self, conn: Any, seen: set[str]) -> tuple[dict[str, PowerState], bool]:
        """How guests of ours stand, but for those that were seen; and whether that is all. In a blocking call."""
        libvirt = self.hypervisor.libvirt
        found: dict[str, PowerState] = {}
        all_found = True
        for dom in conn.listAllDomains(0):
            uuid = dom.UUIDString()
            try:
                if uuid in seen or not self.hypervisor.ours(dom):
                    continue
                if dom.isActive() and dom.controlInfo(0)[0] != libvirt.VIR_DOMAIN_CONTROL_OK:
                    all_found = False  # its daemon does not know yet whether it can be had again
                    continue
                found[uuid] = power_of(libvirt, dom)
            except libvirt.libvirtError as e:
                if e.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
                    raise
                all_found = False  # it ended or went this moment
        return found, all_found

    def _learn(self, uuid: str, power: PowerState, believed: str | None, *, quietly: bool) -> None:
        """Events that were heard meanwhile are newer than the look."""
        kind = BECAME.get(power)
        if kind is None or self._standing.get(uuid) != believed or STANDS[kind] == believed:
            return
        if quietly:
            self._standing[uuid] = STANDS[kind]
        elif believed is not None or STANDS[kind] != OFF:  # that one of which nothing was heard is off is no news
            LOG.info("guest %s %s, which libvirt has not told", uuid, kind.value)
            self._tell(LifecycleEvent(uuid, kind, concurrency.time()))
