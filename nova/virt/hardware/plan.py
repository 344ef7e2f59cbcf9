# SPDX-License-Identifier: Apache-2.0
"""What one guest got of one host: placed nodes and devices. Made by a pure function, kept as JSON beside the guest."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova.virt.hardware import numa, pci, placing, topology
from nova.virt.hardware.host import Held, HostNodes
from nova.virt.hardware.pci import Alias, Device
from nova.virt.hardware.placing import DoesNotFit, Placed
from nova.virt.hardware.topology import Topology
from nova.virt.hardware.wishes import Wishes


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """``devices`` are addresses by owner: an alias, or the id of a port. ``host`` is where this holds."""

    host: str = ""
    nodes: tuple[Placed, ...] = ()
    devices: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def pins(self) -> dict[int, int]:
        return dict(itertools.chain.from_iterable(p.pins.items() for p in self.nodes))

    @property
    def empty(self) -> bool:
        return not self.nodes and not self.devices

    def as_json(self) -> dict[str, Any]:
        return {"host": self.host, "nodes": placing.as_json(self.nodes),
                "devices": {k: list(v) for k, v in self.devices.items()}}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Plan:
        return cls(told["host"], placing.from_json(told["nodes"]),
                   {k: tuple(v) for k, v in told["devices"].items()})


def held_by(plans: Iterable[Plan]) -> Held:
    """What all these hold together."""
    cpus: set[int] = set()
    devices: set[str] = set()
    pages: dict[tuple[int, int], int] = {}
    memory: dict[int, int] = {}
    for plan in plans:
        devices.update(itertools.chain.from_iterable(plan.devices.values()))
        for node in plan.nodes:
            cpus |= node.held
            memory[node.host] = memory.get(node.host, 0) + node.memory_mb
            if node.page_kb:
                key = (node.host, node.page_kb)
                pages[key] = pages.get(key, 0) + (node.memory_mb << 10) // node.page_kb
    return Held(frozenset(cpus), pages, memory, frozenset(devices))


def make(asked: Wishes, vcpus: int, memory_mb: int, host: HostNodes, held: Held, *, name: str,
         devices: Sequence[Device] = (), known: Mapping[str, Alias] | None = None,
         ports: Iterable[tuple[str, str]] = ()) -> Plan:
    """Raises Invalid for what no host could give, :class:`placing.DoesNotFit` for what this one cannot."""
    request = numa.request(asked, vcpus, memory_mb)
    wanted = pci.requests(asked, known or {}, ports)
    if request is None:
        return Plan(name, (), _devices(wanted, devices, held, (), host))
    reasons = []
    for near in _places(request, host, devices if wanted else ()):
        try:
            nodes = placing.place(request, host, held, near)
            return Plan(name, nodes, _devices(wanted, devices, held, nodes, host))
        except DoesNotFit as e:
            reasons.append(str(e))
    raise DoesNotFit("; ".join(dict.fromkeys(reasons)))


def _places(request: numa.Request, host: HostNodes, devices: Sequence[Device]) -> list[tuple[int, ...] | None]:
    """Which nodes to try, those with devices first. Few guests have more than two nodes, few hosts more than eight."""
    if not devices:
        return [None]
    with_devices = {d.node for d in devices}
    ids = sorted((n.id for n in host.nodes), key=lambda i: (i not in with_devices, i))
    return list(itertools.islice(itertools.combinations(ids, len(request.nodes)), 1000)) or [None]


def _devices(wanted: Sequence[pci.DeviceRequest], devices: Sequence[Device], held: Held, nodes: Sequence[Placed],
             host: HostNodes) -> dict[str, tuple[str, ...]]:
    ours = frozenset(p.host for p in nodes)
    sockets = {n.socket for n in host.nodes if n.id in ours}
    found = pci.choose(wanted, devices, held.devices, ours,
                       frozenset(n.id for n in host.nodes if n.socket in sockets))
    if isinstance(found, str):
        raise DoesNotFit(found)
    return {owner: tuple(d.address for d in chosen) for owner, chosen in found.items()}


def shape(asked: Wishes, vcpus: int, plan: Plan) -> Topology:
    """The guest's sockets, cores and threads; siblings that it is pinned to are shown to it."""
    threads = {p.threads for p in plan.nodes}
    return topology.topology(asked, vcpus, threads.pop() if len(threads) == 1 else 1)


def check(asked: Wishes, vcpus: int, memory_mb: int) -> None:
    """Raise Invalid for what no host could give, before a server is made."""
    asked.check()
    if asked.given() or any(key.startswith("hw:numa_") for key in asked.specs):
        numa.request(asked, vcpus, memory_mb)
        topology.topology(asked, vcpus)
