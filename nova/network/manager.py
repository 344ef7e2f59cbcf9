# SPDX-License-Identifier: Apache-2.0
"""The network manager of a host: keeps it equal to its port and network documents. How is known to its plumbing.

A build brings its complete network info, so plugging a server waits for nobody. Documents are what the cell says this
host must be: everything at the start, afterwards what is newer than the newest that was seen.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Protocol

from oslo_config import cfg

from nova import concurrency, errors
from nova.network.plumbing import Document, Plumbing

LOG = logging.getLogger(__name__)
#: A document may be committed this long after its version says, in microseconds; so much is asked for again.
OVERLAP = 10_000_000
_RETRY = 2.0


class NetworkStore(Protocol):
    """What is asked of the cell; a part of :class:`nova.objects.store.Store`."""

    def network_documents(self, host: str, since_version: int) -> list[Document]:
        """A document per server of the host that is newer: ``instance_uuid``, ``version``, ``deleted``, and ``vifs``,
        its whole network info. Since 0: all that exist."""
        ...

    def lease(self, host: str, mac: str, address: str, event: str) -> None: ...


class NetworkManager:
    """``start`` and ``stop`` belong to the process; the rest may be called by any task, and repeated."""

    def __init__(self, conf: cfg.ConfigOpts, host: str, store: NetworkStore, plumbing: Plumbing) -> None:
        self.host = host
        self._interval = float(conf.network.sync_interval)
        self._store, self._plumbing = store, plumbing
        self._lock = concurrency.Lock()
        self._syncing = concurrency.Lock()
        self._ports: dict[str, Document] = {}  # network info by device
        self._owners: dict[str, str] = {}  # server by device
        self._touched: set[str] = set()  # devices that were plugged or unplugged since the last look began
        self._version = 0
        self._stopping = concurrency.Event()
        self._nudge = concurrency.Event()
        self._tasks: list[concurrency.Task] = []
        self._lease_events = concurrency.Queue()

    def start(self) -> None:
        """Take over what is running on this host, then look after it. Raises ConfigError when this host cannot."""
        self._plumbing.prepare(self.lease)
        self._tasks = [concurrency.spawn(self._watch, name="network-sync"),
                       concurrency.spawn(self._report_leases, name="network-leases")]

    def stop(self) -> None:
        """Guests go on; the next start takes them over."""
        self._stopping.set()
        self._nudge.set()
        self._lease_events.put(None)
        for task in self._tasks:
            task.join(10)
        self._plumbing.stop()

    def teardown(self) -> None:
        """After ``stop``: take all of it off this host, running guests' connections included."""
        self._plumbing.teardown()

    def plug(self, instance_uuid: str, vifs: Sequence[Document]) -> None:
        """Everything that a server's interfaces need, before it is started. The server need not exist yet."""
        with self._lock:
            for vif in vifs:
                self._ports[vif["device"]] = vif
                self._owners[vif["device"]] = instance_uuid
                self._touched.add(vif["device"])
        for network in {vif["network"]["id"]: vif["network"] for vif in vifs}.values():
            self._plumbing.ensure_network(network)
        self._plumbing.apply(vifs, ())

    ensure_server = plug

    def unplug(self, instance_uuid: str, vifs: Sequence[Document] = ()) -> None:
        """Nothing of a server is left here. Without ``vifs``: of those that are known."""
        with self._lock:
            devices = {d for d, owner in self._owners.items() if owner == instance_uuid} | {v["device"] for v in vifs}
            for device in devices:
                self._ports.pop(device, None)
                self._owners.pop(device, None)
                self._touched.add(device)
        self._plumbing.apply((), sorted(devices))

    def pull(self, instance_uuid: str, vifs: Sequence[Document]) -> None:
        """Nothing of these interfaces is left here; others of the server stay."""
        devices = {vif["device"] for vif in vifs}
        with self._lock:
            for device in devices:
                self._ports.pop(device, None)
                self._owners.pop(device, None)
                self._touched.add(device)
        self._plumbing.apply((), sorted(devices))

    def refresh(self) -> None:
        """Look for changed documents soon."""
        self._nudge.set()

    def lease(self, mac: str, address: str, event: str) -> None:
        """A guest got, kept or gave back its address; the cell is told by another task."""
        self._lease_events.put((mac, address, event))

    def sync(self, complete: bool = False) -> None:
        """Ask for documents and make the host equal to them."""
        with self._syncing:
            complete = complete or self._version == 0
            found = self._plumbing.devices()
            with self._lock:
                before = set(self._ports) | found
                self._touched.clear()
            documents = self._store.network_documents(self.host, 0 if complete else max(1, self._version - OVERLAP))
            add, gone = self._difference(documents, before if complete else None)
            self._apply(add, gone)
            if complete:
                self._clean()
            self._version = max([self._version, 1, *(int(d["version"]) for d in documents)])

    def _difference(self, documents: list[Document], before: set[str] | None) -> tuple[list[Document], set[str]]:
        """Ports to set up and devices to remove. What was plugged or unplugged while we asked is newer."""
        servers = {d["instance_uuid"] for d in documents}
        wanted = {vif["device"]: (d["instance_uuid"], vif)
                  for d in documents if not d["deleted"] for vif in d["vifs"] or ()}
        with self._lock:
            gone = {device for device, owner in self._owners.items() if owner in servers} | (before or set())
            gone -= wanted.keys() | self._touched
            add = {device: found for device, found in wanted.items() if device not in self._touched}
            for device in gone:
                self._ports.pop(device, None)
                self._owners.pop(device, None)
            for device, (owner, vif) in add.items():
                self._ports[device], self._owners[device] = vif, owner
        return [vif for _, vif in add.values()], gone

    def _apply(self, add: list[Document], gone: set[str]) -> None:
        for network in {vif["network"]["id"]: vif["network"] for vif in add}.values():
            self._plumbing.ensure_network(network)
        self._plumbing.apply(add, sorted(gone))
        with self._lock:
            late = {vif["device"] for vif in add} & self._touched - self._ports.keys()
        if late:
            self._plumbing.apply((), sorted(late))  # unplugged while we plugged it

    def _clean(self) -> None:
        """Take away networks that no port of this host is on."""
        for network in self._plumbing.networks():
            if self._unused(network["id"]):
                self._plumbing.remove_network(network, functools.partial(self._unused, network["id"]))

    def _unused(self, network_id: str) -> bool:
        with self._lock:
            return all(vif["network"]["id"] != network_id for vif in self._ports.values())

    def _watch(self) -> None:
        complete, failed, pause = True, False, 0.0
        while not self._stopping.is_set():
            try:
                self.sync(complete or not self._plumbing.intact())
                complete, failed, pause = False, False, self._interval
            except Exception as e:
                pause = min(self._interval, pause * 2 if failed else _RETRY)
                LOG.warning("this host's network could not be brought up to date, next try in %g s: %s", pause, e,
                            exc_info=not isinstance(e, errors.NovaError))
                failed = True
            self._nudge.wait(pause)
            self._nudge.clear()

    def _report_leases(self) -> None:
        while (event := self._lease_events.get()) is not None:
            mac, address, kind = event
            try:
                self._store.lease(self.host, mac, address, kind)
            except Exception as e:  # the next change of this lease is told all the same
                LOG.warning("lease of %s by %s (%s) could not be reported: %s", address, mac, kind, e,
                            exc_info=not isinstance(e, errors.NovaError))
