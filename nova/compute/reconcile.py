# SPDX-License-Identifier: Apache-2.0
"""Keeps the hypervisor and the cell equal: guests of deleted servers go, power states are told, events are heard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nova import concurrency, errors, states
from nova.objects.store import Store
from nova.virt.interfaces import Events
from nova.virt.types import LifecycleEvent

LOG = logging.getLogger(__name__)


class Reconciler:
    """``busy(uuid)`` is true while an operation of the server runs here: its guest is then left alone."""

    def __init__(self, host: str, driver: Any, store: Store, busy: Callable[[str], bool]) -> None:
        self._host, self._driver, self._store, self._busy = host, driver, store, busy

    def listen(self) -> None:
        if self._driver.supports(Events):
            self._driver.listen(self._heard)

    def at_start(self) -> None:
        """Before anything else on a returning host: remove guests whose servers are gone or elsewhere."""
        self.remove_strangers()
        self.sync_power_states()

    def remove_strangers(self) -> list[str]:
        """Destroy guests of ours that the cell does not know on this host; returns their uuids."""
        here = self._driver.list()
        if not here:
            return []
        known = {server.uuid for server in self._store.instances_on_host(self._host)}
        removed = []
        for uuid in here:
            if uuid in known or self._busy(uuid):
                continue
            try:
                self._store.instance_get(uuid)
            except errors.NotFound:
                LOG.warning("guest %s belongs to no server of host %s and is removed", uuid, self._host)
                self._driver.destroy(uuid, self._driver.info(uuid).name)
                removed.append(uuid)
        return removed

    def sync_power_states(self) -> None:
        """Tell the power states that differ from what the cell believes; one call for all."""
        differ: dict[str, int] = {}
        for server in self._store.instances_on_host(self._host):
            if server.task_state is not None or self._busy(server.uuid) or server.vm_state == states.BUILDING:
                continue
            try:
                power = int(self._driver.info(server.uuid).power_state)
            except errors.NotFound:
                power = states.NOSTATE
            if power != server.power_state:
                differ[server.uuid] = power
            self._follow(server, power)
        if differ:
            self._store.instance_power_states(self._host, differ)

    def _follow(self, server: Any, power: int) -> None:
        """A guest that stopped by itself makes its server stopped; one that runs against its record is stopped."""
        if server.vm_state == states.ACTIVE and power in (states.SHUTDOWN, states.CRASHED):
            self._store.instance_save(server.uuid, {"vm_state": states.STOPPED, "power_state": power})
        elif server.vm_state == states.STOPPED and power == states.RUNNING:
            self._driver.power_off(server.uuid)

    def _heard(self, event: LifecycleEvent) -> None:
        if not self._busy(event.uuid):
            concurrency.spawn(self._look_at, event.uuid, name="lifecycle-event")

    def _look_at(self, uuid: str) -> None:
        """An event may be the echo of an operation: look again when that must be over, and act on what is then true."""
        concurrency.sleep(2.0)
        if self._busy(uuid):
            return
        try:
            server = self._store.instance_get(uuid)
            power = int(self._driver.info(uuid).power_state)
            if server.task_state is not None:
                return
            if power != server.power_state:
                self._store.instance_power_states(self._host, {uuid: power})
            self._follow(server, power)
        except errors.NotFound:
            LOG.debug("guest %s is gone", uuid)
        except errors.NovaError as e:
            LOG.warning("an event of guest %s is left to the next sync: %s", uuid, e.message)
