# SPDX-License-Identifier: Apache-2.0
"""Keeps the hypervisor and the cell equal: guests of deleted servers go, power states are told, events are heard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from nova import concurrency, errors, states
from nova.compute.power import Verdict, judge, vm_state_of
from nova.compute.turns import Turns
from nova.objects.store import Store
from nova.virt.interfaces import Events, Resize
from nova.virt.types import LifecycleEvent

LOG = logging.getLogger(__name__)


class Reconciler:
    """``turns`` tells which servers have an operation here: their guests are left alone, and while a guest is being
    judged no operation of its server begins. ``cut``: guests that run although their servers are off are stopped.
    ``action``: what the periodic check does with guests of nobody: reap, shutdown, log or noop. ``revive``: starts the
    guest of an active server that is found off when the host begins; None leaves it off."""

    def __init__(self, host: str, driver: Any, store: Store, turns: Turns, *, cut: bool = True,
                 action: str = "reap", revive: Callable[[Any], None] | None = None) -> None:
        self._action, self._revive = action, revive
        self._host, self._driver, self._store, self._turns, self._cut = host, driver, store, turns, cut
        self._suspects: frozenset[str] = frozenset()
        self._copies: frozenset[str] = frozenset()

    def listen(self) -> None:
        if self._driver.supports(Events):
            self._driver.listen(self._heard)

    def at_start(self) -> None:
        """Before anything else on a returning host: remove guests whose servers are gone or elsewhere."""
        self.remove(self.strangers())
        self.drop_copies(self.unwanted_copies())
        self.sync_power_states(self._revive)

    # -- guests of nobody ----------------------------------------------------------------------------------------------

    def strangers(self) -> list[str]:
        """Guests of ours that the cell does not know on this host."""
        here = self._driver.list()
        if not here:
            return []
        known = {server.uuid for server in self._store.instances_on_host(self._host)}
        if not known.issuperset(here):
            known.update(self._store.servers_moving(self._host))
        return [uuid for uuid in here if uuid not in known]

    def remove(self, uuids: Iterable[str]) -> list[str]:
        """Destroy those that still belong to nobody here; returns their uuids. One that cannot be destroyed now is left
        to the next check: the host does not wait for it."""
        removed = []
        for uuid in uuids:
            with self._turns.hold(uuid) as mine:
                if mine and self._is_stranger(uuid):
                    LOG.warning("guest %s belongs to no server of host %s and is removed", uuid, self._host)
                    try:
                        self._driver.destroy(uuid, self._name(uuid))
                    except errors.HostFailure as e:
                        LOG.warning("guest %s cannot be removed now: %s", uuid, e.message)
                        continue
                    removed.append(uuid)
        return removed

    def remove_if_stranger(self, uuid: str) -> None:
        """Destroy the guest of a build that another host, or a delete, has overtaken. The caller has the server's turn;
        what cannot be found out now is left to the next check."""
        try:
            if self._is_stranger(uuid):
                LOG.warning("server %s was taken from host %s while it was built; its guest is removed", uuid,
                            self._host)
                self._driver.destroy(uuid, self._name(uuid))
        except errors.NovaError as e:
            LOG.info("what is left of server %s is looked at by the next check: %s", uuid, e.message)

    def remove_suspects(self) -> list[str]:
        """The periodic form: only what two passes in a row did not know."""
        found, copies = frozenset(self.strangers()), frozenset(self.unwanted_copies())
        suspects, self._suspects = self._suspects, found
        again, self._copies = self._copies & copies, copies
        self.drop_copies(sorted(again))
        both = sorted(found & suspects)
        return self.remove(both) if self._action == "reap" else self._leave(both)

    def _leave(self, uuids: Iterable[str]) -> list[str]:
        """An operator wants to look at guests of nobody before they go; gives those that were switched off."""
        stopped = []
        for uuid in uuids if self._action != "noop" else ():
            LOG.warning("guest %s belongs to no server of host %s; it is kept as running_deleted_instance_action says",
                        uuid, self._host)
            with self._turns.hold(uuid) as mine:
                if mine and self._action == "shutdown" and self._is_stranger(uuid) and (
                        self._power(uuid) == states.RUNNING):
                    self._driver.power_off(uuid)
                    stopped.append(uuid)
        return stopped

    def tidy(self, uuid: str) -> None:
        """Somebody says that a server is wanted here no more. Whether that is so is looked up; what cannot be found out
        now is left to the next check."""
        try:
            self.remove([u for u in self.strangers() if u == uuid])
            self.drop_copies([u for u in self.unwanted_copies() if u == uuid])
        except errors.NovaError as e:
            LOG.info("what is left of server %s is looked at by the next check: %s", uuid, e.message)

    # -- disks of servers that left ------------------------------------------------------------------------------------

    def unwanted_copies(self) -> list[str]:
        """Disks that were set aside here, whose servers will not come back to them."""
        aside = self._driver.list_aside() if self._driver.supports(Resize) else []
        wanted = set(self._store.copies_wanted(self._host, aside)) if aside else set()
        return [uuid for uuid in aside if uuid not in wanted]

    def drop_copies(self, uuids: Iterable[str]) -> None:
        for uuid in uuids:
            with self._turns.hold(uuid) as mine:
                if mine and not self._store.copies_wanted(self._host, [uuid]):
                    LOG.info("the disks that server %s left on host %s are removed", uuid, self._host)
                    self._driver.drop_aside(uuid)

    def _is_stranger(self, uuid: str) -> bool:
        try:
            return bool(self._store.instance_get(uuid).deleted)
        except errors.NotFound:
            return self._driver.exists(uuid) and uuid not in self._store.servers_moving(self._host)

    def _name(self, uuid: str) -> str:
        """What the hypervisor calls a guest; one that died while it was made may have files and no name yet."""
        try:
            return str(self._driver.info(uuid).name)
        except errors.NotFound:
            return ""

    # -- power states --------------------------------------------------------------------------------------------------

    def sync_power_states(self, revive: Callable[[Any], None] | None = None) -> None:
        """Tell the power states that differ from what the cell believes; one call for all."""
        differ: dict[str, int] = {}
        for server in self._store.instances_on_host(self._host):
            if server.task_state is not None or server.vm_state == states.BUILDING:
                continue
            with self._turns.hold(server.uuid) as mine:
                if not mine:
                    continue
                power = self._power(server.uuid)
                if revive is not None and server.vm_state == states.ACTIVE and power != states.RUNNING:
                    power = self._revived(server, power, revive)
                if power != server.power_state:
                    differ[server.uuid] = power
                self._follow(server, power)
        if differ:
            self._store.instance_power_states(self._host, differ)

    def _revived(self, server: Any, power: int, revive: Callable[[Any], None]) -> int:
        """The power state after an attempt to have the guest running again; what fails stays as it is."""
        try:
            LOG.info("server %s was active when its host ended, and is started", server.uuid)
            revive(server)
            return self._power(server.uuid)
        except errors.NovaError as e:
            LOG.warning("server %s cannot be started with its host: %s", server.uuid, e.message)
            return power

    def _power(self, uuid: str) -> int:
        try:
            return int(self._driver.info(uuid).power_state)
        except errors.NotFound:
            return states.NOSTATE

    def _follow(self, server: Any, power: int) -> None:
        """The record follows a guest that stopped, paused or went on by itself; a guest that runs although its server
        is off is stopped. See :mod:`nova.compute.power`.

        The caller holds the server; its record is read again, for an operation may have ended since.
        """
        verdict = judge(server.vm_state, power)
        if verdict is Verdict.FINE:
            return
        fresh = self._store.instance_get(server.uuid)
        if (fresh.epoch, fresh.vm_state, fresh.task_state) != (server.epoch, server.vm_state, None):
            return
        if verdict is Verdict.CUT:
            LOG.warning("server %s is %s, but its guest runs%s", server.uuid, server.vm_state,
                        " and is stopped" if self._cut else "")
            if self._cut:
                self._driver.power_off(server.uuid)
            return
        try:
            self._store.instance_save(server.uuid, {"vm_state": vm_state_of(power), "power_state": power},
                                      epoch=server.epoch)
        except errors.Stale:
            LOG.debug("server %s was taken over by an operation", server.uuid)

    def _heard(self, event: LifecycleEvent) -> None:
        if not self._turns.busy(event.uuid):
            concurrency.spawn(self._look_at, event.uuid, name="lifecycle-event")

    def _look_at(self, uuid: str) -> None:
        """An event may be the echo of an operation: look again when that must be over, and act on what is then true."""
        concurrency.sleep(2.0)
        with self._turns.hold(uuid) as mine:
            if mine:
                self.settle(uuid)

    def settle(self, uuid: str) -> None:
        """Make record and guest of one server equal. The caller has the server's turn."""
        try:
            self._settle(uuid)
        except errors.NotFound:
            LOG.debug("guest %s is gone", uuid)
        except errors.NovaError as e:
            LOG.warning("guest %s is left to the next sync: %s", uuid, e.message)

    def _settle(self, uuid: str) -> None:
        server = self._store.instance_get(uuid)
        if server.task_state is not None or server.vm_state == states.BUILDING:
            return
        power = self._power(uuid)
        if power != server.power_state:
            self._store.instance_power_states(self._host, {uuid: power})
        self._follow(server, power)
