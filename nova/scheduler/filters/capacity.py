# SPDX-License-Identifier: Apache-2.0
"""The base of the filters that compare an amount with what a host has left. It is no filter itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from nova.scheduler.filters.base import Filter, Refused
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


def shortage(host: HostState, resource_class: str, amount: int, unit: str) -> str | None:
    """Why ``amount`` does not fit, by free capacity and by the units in which the host hands the class out."""
    inventory = host.inventories.get(resource_class)
    if inventory is None:
        return f"{amount}{unit} requested, none offered"
    if amount > host.free[resource_class]:
        return f"{amount}{unit} requested, {max(host.free[resource_class], 0)}{unit} free"
    if amount > inventory.max_unit:
        return f"{amount}{unit} requested, at most {inventory.max_unit}{unit} for one server"
    if amount < inventory.min_unit:
        return f"{amount}{unit} requested, at least {inventory.min_unit}{unit} for one server"
    if amount % inventory.step_size:
        return f"{amount}{unit} requested, not a multiple of {inventory.step_size}{unit}"
    return None


class CapacityFilter(Filter):
    """Enough of one resource class is free."""

    always = True
    resource_class: ClassVar[str]
    unit: ClassVar[str] = ""

    def applies(self, spec: RequestSpec) -> bool:
        return spec.resources.get(self.resource_class, 0) > 0

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        return shortage(host, self.resource_class, spec.resources[self.resource_class], self.unit)

    def sift(self, hosts: Sequence[HostState], spec: RequestSpec) -> tuple[list[HostState], Refused]:
        name, amount = self.resource_class, spec.resources[self.resource_class]
        passed = [host for host in hosts if amount <= host.room.get(name, -1)]
        return (passed, []) if len(passed) == len(hosts) else super().sift(hosts, spec)
