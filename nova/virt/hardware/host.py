# SPDX-License-Identifier: Apache-2.0
"""A host's nodes, its processors and pages, and what other guests already hold of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class HostNode:
    """``siblings`` are the threads of each core; ``pages`` how many pages there are of each size in KiB."""

    id: int
    cpus: frozenset[int]
    memory_mb: int
    siblings: tuple[frozenset[int], ...] = ()
    pages: Mapping[int, int] = dataclasses.field(default_factory=dict)
    socket: int = 0

    @property
    def threads(self) -> int:
        return max((len(s) for s in self.siblings), default=1)


@dataclasses.dataclass(frozen=True, slots=True)
class HostNodes:
    """``dedicated`` and ``shared`` are what the operator set aside; None where nothing was said."""

    nodes: tuple[HostNode, ...]
    dedicated: frozenset[int] | None = None
    shared: frozenset[int] | None = None
    reserved_pages: Mapping[tuple[int, int], int] = dataclasses.field(default_factory=dict)
    """(node, size in KiB) → pages that guests may not have."""

    @property
    def cpus(self) -> frozenset[int]:
        return frozenset().union(*(n.cpus for n in self.nodes))

    @property
    def for_shared(self) -> frozenset[int]:
        """Where vCPUs without a processor of their own run."""
        if self.shared is not None:
            return self.shared
        return frozenset() if self.dedicated is not None else self.cpus


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """What the guests of a host hold. ``pages`` and ``memory_mb`` are by (node, size) and by node."""

    cpus: frozenset[int] = frozenset()
    pages: Mapping[tuple[int, int], int] = dataclasses.field(default_factory=dict)
    memory_mb: Mapping[int, int] = dataclasses.field(default_factory=dict)
    devices: frozenset[str] = frozenset()
