# SPDX-License-Identifier: Apache-2.0
"""Puts the nodes of a guest on nodes of a host: which processors, which pages. A pure function of what is free."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nova.virt.hardware import pinning
from nova.virt.hardware.host import Held, HostNode, HostNodes
from nova.virt.hardware.numa import ANY, LARGE, SMALL, Node, Request


class DoesNotFit(Exception):
    """This host cannot take the guest; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """One node of the guest on one of the host. ``pins`` is vCPU → processor; ``held`` what nobody else may use."""

    id: int
    host: int
    cpus: frozenset[int]
    memory_mb: int
    page_kb: int | None
    pins: Mapping[int, int]
    held: frozenset[int]
    emulator: int | None = None
    threads: int = 1


def place(request: Request, host: HostNodes, held: Held, near: Sequence[int] | None = None) -> tuple[Placed, ...]:
    """All nodes of the guest, each on another node of the host. ``near``: only these nodes may be used.

    Raises :class:`DoesNotFit` with a reason per node of the host that was tried.
    """
    if request.dedicated and host.dedicated is None:
        raise DoesNotFit("no processors are set aside for dedicated use: [compute] cpu_dedicated_set is not set")
    candidates = [n for n in host.nodes if near is None or n.id in near]
    candidates.sort(key=lambda n: (held.memory_mb.get(n.id, 0) / max(n.memory_mb, 1), n.id))
    fits: dict[tuple[int, int], Placed] = {}
    reasons: list[str] = []
    for node in request.nodes:
        for there in candidates:
            try:
                fits[node.id, there.id] = _fit(request, node, there, host, held)
            except DoesNotFit as e:
                reasons.append(f"node {there.id}: {e}")
    chosen = _match([n.id for n in request.nodes], [n.id for n in candidates], set(fits))
    if chosen is None:
        told = "; ".join(dict.fromkeys(reasons)) or f"it has {len(candidates)} nodes and the guest {len(request.nodes)}"
        raise DoesNotFit(told)
    return tuple(fits[node.id, chosen[node.id]] for node in request.nodes)


def _match(ours: list[int], theirs: list[int], possible: set[tuple[int, int]]) -> dict[int, int] | None:
    """Each of ours with one of theirs, along augmenting paths; None when there is no such pairing."""
    taken: dict[int, int] = {}

    def find(mine: int, seen: set[int]) -> bool:
        for there in theirs:
            if (mine, there) in possible and there not in seen:
                seen.add(there)
                if there not in taken or find(taken[there], seen):
                    taken[there] = mine
                    return True
        return False

    if all(find(mine, set()) for mine in ours):
        return {mine: there for there, mine in taken.items()}
    return None


def _fit(request: Request, node: Node, there: HostNode, host: HostNodes, held: Held) -> Placed:
    page_kb = _pages(request, node, there, host, held)
    if page_kb is None and node.memory_mb > there.memory_mb:
        raise DoesNotFit(f"it has {there.memory_mb} MiB, {node.memory_mb} are wanted")
    shared = node.cpus - node.dedicated
    if shared and request.visible and len(shared) > len(there.cpus & host.for_shared):
        raise DoesNotFit(f"it has {len(there.cpus & host.for_shared)} shared processors, {len(shared)} are wanted")
    extra = int(request.emulator == "isolate" and node.id == 0)
    found = pinning.NOTHING
    if node.dedicated:
        free = there.cpus & (host.dedicated or frozenset()) - held.cpus
        siblings = there.siblings or tuple(frozenset({c}) for c in there.cpus)
        found_or_reason = pinning.choose(len(node.dedicated) + extra, free, siblings, request.thread_policy)
        if isinstance(found_or_reason, str):
            raise DoesNotFit(found_or_reason)
        found = found_or_reason
    elif extra:
        raise DoesNotFit("its first node has no dedicated processor that the emulator could have")
    emulator = found.cpus[-1] if extra else None
    pins = dict(zip(sorted(node.dedicated), found.cpus, strict=False))
    return Placed(node.id, there.id, node.cpus, node.memory_mb, page_kb, pins, found.held, emulator,
                  1 if extra or shared else found.threads)


def _pages(request: Request, node: Node, there: HostNode, host: HostNodes, held: Held) -> int | None:
    """The page size, in KiB, that the node's memory is made of; None when the guest does not care."""
    if request.page_size is None:
        return None
    sizes = sorted(there.pages)
    if not sizes:
        raise DoesNotFit("nothing is known of its memory pages")
    if request.page_size == SMALL:
        wanted = sizes[:1]
    elif request.page_size == LARGE:
        wanted = sizes[:0:-1]
    elif request.page_size == ANY:
        wanted = sizes[::-1]
    else:
        wanted = [s for s in sizes if s == request.page_size]
    need = node.memory_mb << 10
    for size in wanted:
        free = there.pages[size] - host.reserved_pages.get((there.id, size), 0) - held.pages.get((there.id, size), 0)
        if need % size == 0 and need // size <= free:
            return size
    words = request.page_size if isinstance(request.page_size, str) else f"{request.page_size} KiB"
    raise DoesNotFit(f"{node.memory_mb} MiB in pages of size {words} are not free")


def as_json(placed: Sequence[Placed]) -> list[dict[str, Any]]:
    """JSON-ready."""
    return [{"id": p.id, "host": p.host, "cpus": sorted(p.cpus), "memory_mb": p.memory_mb, "page_kb": p.page_kb,
             "pins": [[v, c] for v, c in sorted(p.pins.items())], "held": sorted(p.held), "emulator": p.emulator,
             "threads": p.threads} for p in placed]


def from_json(told: Sequence[Mapping[str, Any]]) -> tuple[Placed, ...]:
    return tuple(Placed(t["id"], t["host"], frozenset(t["cpus"]), t["memory_mb"], t["page_kb"], dict(t["pins"]),
                        frozenset(t["held"]), t["emulator"], t["threads"]) for t in told)
