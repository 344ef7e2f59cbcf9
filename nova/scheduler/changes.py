# SPDX-License-Identifier: Apache-2.0
"""What a reading of the world brings to the host states: plain values, and the protocol of whoever reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Protocol

from nova.scheduler.hosts import Inventory

#: Metadata of all aggregates of a host, merged: key → values.
Metadata = Mapping[str, frozenset[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """What placement knows of a host. ``generation`` is the row version."""

    uuid: str
    generation: int
    inventories: Mapping[str, Inventory]
    traits: frozenset[str] = frozenset()
    servers: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """What the host reported of itself to its cell."""

    uuid: str
    host: str
    node: str
    cell_uuid: str
    hypervisor_type: str = ""
    hypervisor_version: int = 0
    supported_instances: tuple[tuple[str, str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """The compute service of a host, and the operations under way there."""

    up: bool
    disabled: bool = False
    disabled_reason: str | None = None
    operations: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class CellAnswer:
    """What one cell said: its nodes (all, or those that changed) and all its compute services by host."""

    nodes: tuple[Node, ...]
    services: Mapping[str, Service]
    disabled: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """One reading, made at ``now`` by the database's clock.

    ``complete``: providers and nodes are all there are. ``cells`` holds None for a cell that did not answer.
    """

    now: float
    complete: bool
    providers: tuple[Provider, ...]
    cells: Mapping[str, CellAnswer | None]
    aggregates: Mapping[str, Metadata] = dataclasses.field(default_factory=dict)


class Source(Protocol):
    """Reads the world.

    ``since`` None asks for everything. ``known`` are generations that need no second reading; ``doubtful`` providers
    are to be read in any case.
    """

    def read(self, since: float | None, known: Mapping[str, int], doubtful: Collection[str]) -> Changes: ...
