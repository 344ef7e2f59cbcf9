# SPDX-License-Identifier: Apache-2.0
"""Host states in memory: fresh by row versions, complete by a slow reconcile, and counting our own decisions at once.

What is here may be a little behind; the claim in the database is what decides. A reading of changes looks back further
than the former one (``overlap``), because a transaction becomes visible after the time it was stamped with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova import concurrency
from nova.scheduler.changes import CellAnswer, Changes, Metadata, Node, Provider, Service, Source
from nova.scheduler.hosts import HostState

_ABSENT = Service(up=False)
_ZONE = "availability_zone"


class HostStateCache:
    """Thread-safe. Ages and intervals are in seconds."""

    def __init__(self, source: Source, *, max_age: float = 1.0, full_interval: float = 300.0, overlap: float = 15.0,
                 default_zone: str = "nova") -> None:
        self._source = source
        self._max_age, self._full_interval, self._overlap = max_age, full_interval, overlap
        self._default_zone = default_zone
        self._lock = concurrency.Lock()  # guards the dictionaries; never held across a reading
        self._reading = concurrency.Lock()  # one reading at a time
        self._providers: dict[str, Provider] = {}
        self._nodes: dict[str, Node] = {}
        self._cells: dict[str, CellAnswer | None] = {}
        self._aggregates: Mapping[str, Metadata] = {}
        self._failed_builds: dict[str, int] = {}
        self._hosts: dict[str, HostState] = {}
        self._since: float | None = None
        self._read_at: float | None = None
        self._outdated_at = -1.0
        self._full_at = 0.0
        self._doubtful: set[str] = set()
        self._readings = self._done = 0

    def snapshot(self, max_age: float | None = None) -> list[HostState]:
        """The hosts, not older than ``max_age`` (the configured age when not given; 0 reads now)."""
        limit = self._max_age if max_age is None else max_age
        ticket = self._readings
        if not self._fresh(limit, ticket):
            with self._reading:
                if not self._fresh(limit, ticket):
                    self._read(full=False)
        with self._lock:
            return list(self._hosts.values())

    def refresh(self, *, full: bool = False) -> None:
        """Read what changed now, or everything."""
        with self._reading:
            self._read(full=full)

    def consume(self, uuid: str, resources: Mapping[str, int], servers: int = 1) -> None:
        """Count a decision of ours until the next reading shows its claim."""
        with self._lock:
            host, provider = self._hosts.get(uuid), self._providers.get(uuid)
            if host is None or provider is None:
                return
            self._hosts[uuid] = host = host.consumed(resources, servers)
            self._providers[uuid] = dataclasses.replace(provider, inventories=host.inventories,
                                                        servers=host.num_instances)

    def forget(self, uuid: str) -> None:
        """What is counted of this host is wrong (a claim was refused): the next reading, now due, takes it anew."""
        with self._lock:
            self._doubtful.add(uuid)
            self._read_at = None

    def outdate(self) -> None:
        """Something that must count at once was changed: what was read before now is too old, whatever its age."""
        with self._lock:
            self._outdated_at = concurrency.monotonic()

    def build_ended(self, host: str, *, failed: bool) -> None:
        """Failures count until a build on the host succeeds."""
        with self._lock:
            before = self._failed_builds.get(host, 0)
            if failed:
                self._failed_builds[host] = before + 1
            else:
                self._failed_builds.pop(host, None)
            if failed or before:
                for uuid in [uuid for uuid, state in self._hosts.items() if state.host == host]:
                    self._rebuild(uuid)

    def names(self, located: Mapping[str, str]) -> dict[str, str]:
        """server → host name, of server → provider uuid."""
        with self._lock:
            return {server: self._nodes[uuid].host for server, uuid in located.items() if uuid in self._nodes}

    def _fresh(self, limit: float, ticket: int) -> bool:
        """``ticket``: readings begun when the question came. One that began later answers it, whatever its age."""
        if self._read_at is None or self._read_at <= self._outdated_at:
            return False
        return self._done > ticket or (limit > 0 and concurrency.monotonic() - self._read_at <= limit)

    def _read(self, *, full: bool) -> None:
        began = concurrency.monotonic()
        with self._lock:
            self._readings += 1
            number, doubtful = self._readings, frozenset(self._doubtful)
            full = full or not self._hosts or began - self._full_at > self._full_interval
            since = None if full else self._since
            known = {} if full else {uuid: provider.generation for uuid, provider in self._providers.items()}
        changes = self._source.read(since, known, doubtful)
        with self._lock:
            self._doubtful -= doubtful
            self._done = number
            self._apply(changes)
            self._since = changes.now - self._overlap
            self._read_at = began
            if full:
                self._full_at = began

    def _apply(self, changes: Changes) -> None:
        dirty = self._apply_providers(changes) | self._apply_cells(changes)
        if changes.aggregates != self._aggregates:
            changed = {host for host in {*changes.aggregates, *self._aggregates}
                       if changes.aggregates.get(host) != self._aggregates.get(host)}
            self._aggregates = changes.aggregates
            dirty |= {uuid for uuid, node in self._nodes.items() if node.host in changed}
        order = [uuid for uuid in self._nodes if uuid in dirty]
        for uuid in (*order, *(dirty - set(order))):
            self._rebuild(uuid)

    def _apply_providers(self, changes: Changes) -> set[str]:
        dirty = {provider.uuid for provider in changes.providers}
        self._providers.update((provider.uuid, provider) for provider in changes.providers)
        if changes.complete:
            gone = set(self._providers) - dirty
            for uuid in gone:
                del self._providers[uuid]
            dirty |= gone
        return dirty

    def _apply_cells(self, changes: Changes) -> set[str]:
        dirty: set[str] = set()
        hosts_changed: set[tuple[str, str]] = set()
        for uuid in {*self._cells, *changes.cells}:
            hosts_changed |= {(uuid, host) for host in _differing(self._cells.get(uuid), changes.cells.get(uuid))}
        for answer in changes.cells.values():
            for node in answer.nodes if answer else ():
                if self._nodes.get(node.uuid) != node:
                    self._nodes[node.uuid] = node
                    dirty.add(node.uuid)
        if changes.complete:
            silent = {uuid for uuid, answer in changes.cells.items() if answer is None}
            seen = {node.uuid for answer in changes.cells.values() if answer for node in answer.nodes}
            gone = {uuid for uuid, node in self._nodes.items() if uuid not in seen and node.cell_uuid not in silent}
            for uuid in gone:
                del self._nodes[uuid]
            dirty |= gone
        self._cells = dict(changes.cells)
        return dirty | {uuid for uuid, node in self._nodes.items() if (node.cell_uuid, node.host) in hosts_changed}

    def _rebuild(self, uuid: str) -> None:
        provider, node = self._providers.get(uuid), self._nodes.get(uuid)
        if provider is None or node is None:
            self._hosts.pop(uuid, None)
            return
        cell = self._cells.get(node.cell_uuid)
        service = cell.services.get(node.host, _ABSENT) if cell else _ABSENT
        aggregates = self._aggregates.get(node.host, {})
        self._hosts[uuid] = HostState(
            uuid=uuid, host=node.host, node=node.node, cell_uuid=node.cell_uuid, up=service.up,
            disabled=service.disabled, disabled_reason=service.disabled_reason,
            cell_disabled=bool(cell and cell.disabled), inventories=provider.inventories,
            num_instances=provider.servers, num_io_ops=service.operations,
            failed_builds=self._failed_builds.get(node.host, 0),
            availability_zone=min(aggregates.get(_ZONE, ()), default=self._default_zone), aggregates=aggregates,
            traits=provider.traits, supported_instances=node.supported_instances,
            hypervisor_type=node.hypervisor_type, hypervisor_version=node.hypervisor_version)


def _differing(old: CellAnswer | None, new: CellAnswer | None) -> set[str]:
    """Hosts of a cell whose service is another than before; all of them when the cell fell silent or was (dis)abled."""
    before = old.services if old else {}
    after = new.services if new else {}
    everywhere = (old and old.disabled) != (new and new.disabled)
    return {host for host in {*before, *after} if everywhere or before.get(host) != after.get(host)}
