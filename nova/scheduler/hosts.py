# SPDX-License-Identifier: Apache-2.0
"""A hypervisor host as the scheduler sees it at one moment. States are replaced, not changed: a snapshot is a list.

How they are kept fresh is in :mod:`nova.scheduler.cache`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova.placement.resources import capacity_of


@dataclasses.dataclass(slots=True)
class Inventory:
    """One resource class of a host, with what is claimed of it."""

    total: int
    used: int = 0
    reserved: int = 0
    allocation_ratio: float = 1.0
    min_unit: int = 1
    max_unit: int = 2**31 - 1
    step_size: int = 1

    @property
    def capacity(self) -> int:
        return capacity_of(self.total, self.reserved, self.allocation_ratio)

    @property
    def free(self) -> int:
        return self.capacity - self.used


@dataclasses.dataclass(slots=True)
class HostState:
    """``uuid`` is that of the compute node and of its resource provider; ``failed_builds`` counts since the last good.

    ``aggregates`` merges the metadata of the host's aggregates: key → values. ``free`` and ``room`` are worked out of
    the inventories: what is left, and the most that one server may surely take of it (-1 where units need a closer
    look).
    """

    uuid: str
    host: str
    node: str
    cell_uuid: str = ""
    up: bool = True
    disabled: bool = False
    disabled_reason: str | None = None
    cell_disabled: bool = False
    inventories: Mapping[str, Inventory] = dataclasses.field(default_factory=dict)
    num_instances: int = 0
    num_io_ops: int = 0
    failed_builds: int = 0
    availability_zone: str = "nova"
    aggregates: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    supported_instances: tuple[tuple[str, str, str], ...] = ()
    hypervisor_type: str = ""
    hypervisor_version: int = 0
    free: dict[str, int] = dataclasses.field(init=False, repr=False, compare=False)
    room: dict[str, int] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.free = {name: inventory.free for name, inventory in self.inventories.items()}
        self.room = {
            name: min(self.free[name], inventory.max_unit) if inventory.min_unit == inventory.step_size == 1 else -1
            for name, inventory in self.inventories.items()}

    def consumed(self, resources: Mapping[str, int], servers: int = 1) -> HostState:
        """The host after ``servers`` more servers that take ``resources`` together (negative: given back)."""
        inventories = dict(self.inventories)
        for name, amount in resources.items():
            if name in inventories:
                inventories[name] = dataclasses.replace(inventories[name], used=inventories[name].used + amount)
        return dataclasses.replace(self, inventories=inventories, num_instances=max(self.num_instances + servers, 0),
                                   num_io_ops=max(self.num_io_ops + servers, 0))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, to be stored with a decision and replayed."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        data["inventories"] = {name: dataclasses.asdict(inventory) for name, inventory in self.inventories.items()}
        data["aggregates"] = {key: sorted(values) for key, values in self.aggregates.items()}
        data["traits"] = sorted(self.traits)
        data["supported_instances"] = [list(entry) for entry in self.supported_instances]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HostState:
        known = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.init and f.name in data}
        known["inventories"] = {name: Inventory(**values) for name, values in known.get("inventories", {}).items()}
        known["aggregates"] = {key: frozenset(values) for key, values in known.get("aggregates", {}).items()}
        known["traits"] = frozenset(known.get("traits", ()))
        known["supported_instances"] = tuple(tuple(entry) for entry in known.get("supported_instances", ()))
        return cls(**known)
