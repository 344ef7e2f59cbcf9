# SPDX-License-Identifier: Apache-2.0
"""The guest's processor: its model, its topology, its nodes, and where its vCPUs run."""

from __future__ import annotations

from typing import Any

from lxml import etree
from lxml.builder import E

from nova.virt.hardware import cpusets, numa, plan, traits
from nova.virt.libvirt.xml.draft import Draft, Settings

#: Pages up to this size in KiB are the kernel's ordinary ones on some processor.
ORDINARY_PAGE = 64


def vcpu(draft: Draft) -> Any:
    """With the host's shared processors, unless every vCPU has a place of its own."""
    node = E.vcpu(str(draft.guest.vcpus))
    shared = draft.settings.nodes.shared
    if shared is not None and not draft.plan.nodes:
        node.set("cpuset", cpusets.render(shared))
    return node


def cpu(draft: Draft) -> Any:
    settings = draft.settings
    if settings.cpu_mode == "custom":
        model = choose_model(settings, traits.required(draft.guest.extra_specs, draft.guest.image_properties))
        node = E.cpu(E.model(model, fallback="forbid"), mode="custom", match="exact")
    elif settings.cpu_mode != "none":
        node = E.cpu(mode=settings.cpu_mode)
    else:
        node = E.cpu()
    _maxphysaddr(draft, node)
    shape = plan.shape(draft.asked, draft.guest.vcpus, draft.plan)
    node.append(E.topology(sockets=str(shape.sockets), cores=str(shape.cores), threads=str(shape.threads)))
    if settings.cpu_mode != "none":
        for flag in settings.cpu_flags:
            node.append(E.feature(name=flag.lstrip("+-"), policy="disable" if flag.startswith("-") else "require"))
    if draft.plan.nodes:
        node.append(E.numa(*[_cell(draft, p.id, p.cpus, p.memory_mb) for p in draft.plan.nodes]))
    return node


def choose_model(settings: Settings, required: frozenset[str]) -> str:
    """The first model that has all features that are asked for by trait; the first of all where none has."""
    for model in settings.cpu_models:
        if required <= traits.of_features(settings.features.get(model, frozenset())):
            return model
    return settings.cpu_models[0]


def _maxphysaddr(draft: Draft, node: Any) -> None:
    mode = draft.asked.word("maxphysaddr_mode")
    if mode is not None:
        bits = draft.asked.number("maxphysaddr_bits")
        node.append(E.maxphysaddr(mode=mode, **({"bits": str(bits)} if bits and mode == "emulate" else {})))


def _cell(draft: Draft, number: int, cpus: frozenset[int], memory_mb: int) -> Any:
    return E.cell(id=str(number), cpus=cpusets.render(cpus), memory=str(memory_mb), unit="MiB")


def cputune(draft: Draft) -> Any:
    """Weights, limits and pins; empty when there are none."""
    asked, node = draft.asked, E.cputune()
    for tag, name in (("shares", "cpu_shares"), ("period", "cpu_period"), ("quota", "cpu_quota")):
        value = asked.number(name)
        if value is not None:
            node.append(E(tag, str(value)))
    if not draft.plan.nodes:
        return node
    request = numa.request(asked, draft.guest.vcpus, draft.guest.memory_mb)
    pins = _pins(draft)
    for number in sorted(pins):
        node.append(E.vcpupin(vcpu=str(number), cpuset=cpusets.render(pins[number])))
    if request is not None and any(pins.values()):
        node.append(E.emulatorpin(cpuset=cpusets.render(_emulator(draft, request, pins))))
        if request.realtime:
            node.append(E.vcpusched(vcpus=cpusets.render(request.realtime), scheduler="fifo", priority="1"))
    return node


def _pins(draft: Draft) -> dict[int, frozenset[int]]:
    """Where each vCPU may run: its own processor, or the shared ones of its node."""
    host = {n.id: n for n in draft.settings.nodes.nodes}
    pins: dict[int, frozenset[int]] = {}
    for placed in draft.plan.nodes:
        there = host.get(placed.host)
        shared = draft.settings.nodes.for_shared & (there.cpus if there else frozenset())
        for number in placed.cpus:
            allowed = frozenset({placed.pins[number]}) if number in placed.pins else shared
            if allowed:
                pins[number] = allowed
    return pins


def _emulator(draft: Draft, request: numa.Request, pins: dict[int, frozenset[int]]) -> frozenset[int]:
    own = [p.emulator for p in draft.plan.nodes if p.emulator is not None]
    if own:
        return frozenset(own)
    if request.emulator == "share" and draft.settings.nodes.shared:
        return draft.settings.nodes.shared
    free = frozenset().union(*(c for v, c in pins.items() if v not in request.realtime))
    return free or frozenset().union(*pins.values())


def numatune(draft: Draft) -> Any:
    """Memory of each node comes from the node of the host that it was placed on."""
    node = E.numatune()
    if draft.plan.nodes:
        node.append(E.memory(mode="strict", nodeset=cpusets.render(p.host for p in draft.plan.nodes)))
        for placed in draft.plan.nodes:
            node.append(E.memnode(cellid=str(placed.id), mode="strict", nodeset=str(placed.host)))
    return node


def memory_backing(draft: Draft) -> Any:
    node = etree.Element("memoryBacking")
    huge = [p for p in draft.plan.nodes if (p.page_kb or 0) > ORDINARY_PAGE]
    if huge:
        node.append(E.hugepages(*[E.page(size=str(p.page_kb), unit="KiB", nodeset=str(p.id)) for p in huge]))
    realtime = draft.asked.flag("cpu_realtime")
    if realtime:
        node.append(E.nosharepages())
    if realtime or draft.asked.flag("locked_memory"):
        node.append(E.locked())
    return node
