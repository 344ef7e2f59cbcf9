# SPDX-License-Identifier: Apache-2.0
"""Filters and weighers by name: ours are listed here, those of an operator come by entry point.

The groups are ``nova.scheduler.filters`` and ``nova.scheduler.weighers``; the name of the entry point is what the
options enabled_filters and enabled_weighers say.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib import metadata
from typing import TypeVar

from nova import errors
from nova.scheduler.filters.base import Filter
from nova.scheduler.weighers.base import Weigher

FILTERS = {
    "AvailabilityZoneFilter": "nova.scheduler.filters.availability_zone",
    "ComputeFilter": "nova.scheduler.filters.compute",
    "CoreFilter": "nova.scheduler.filters.vcpu",
    "DifferentHostFilter": "nova.scheduler.filters.different_host",
    "DiskFilter": "nova.scheduler.filters.disk",
    "ImagePropertiesFilter": "nova.scheduler.filters.image_properties",
    "RamFilter": "nova.scheduler.filters.ram",
    "ResourcesFilter": "nova.scheduler.filters.resources",
    "SameHostFilter": "nova.scheduler.filters.same_host",
    "ServerGroupAffinityFilter": "nova.scheduler.filters.affinity",
    "ServerGroupAntiAffinityFilter": "nova.scheduler.filters.anti_affinity",
    "TargetFilter": "nova.scheduler.filters.target",
    "TraitsFilter": "nova.scheduler.filters.traits",
}

WEIGHERS = {
    "BuildFailureWeigher": "nova.scheduler.weighers.build_failure",
    "CPUWeigher": "nova.scheduler.weighers.cpu",
    "DiskWeigher": "nova.scheduler.weighers.disk",
    "IoOpsWeigher": "nova.scheduler.weighers.io_ops",
    "RAMWeigher": "nova.scheduler.weighers.ram",
    "ServerGroupSoftAffinityWeigher": "nova.scheduler.weighers.soft_affinity",
    "ServerGroupSoftAntiAffinityWeigher": "nova.scheduler.weighers.soft_anti_affinity",
}

T = TypeVar("T")


def filters(names: Sequence[str]) -> tuple[Filter, ...]:
    """One instance of each filter named, in that order."""
    return tuple(_make(name, "enabled_filters", FILTERS, Filter) for name in names)  # type: ignore[type-abstract]


def weighers(names: Sequence[str]) -> tuple[Weigher, ...]:
    """One instance of each weigher named, in that order."""
    return tuple(_make(name, "enabled_weighers", WEIGHERS, Weigher) for name in names)  # type: ignore[type-abstract]


def _make(name: str, option: str, known: dict[str, str], base: type[T]) -> T:
    group = f"nova.scheduler.{option.removeprefix('enabled_')}"
    if name in known:
        found = getattr(importlib.import_module(known[name]), name)
    else:
        points = metadata.entry_points(group=group, name=name)
        if not points:
            raise errors.ConfigError(
                f"[filter_scheduler] {option} names {name!r}, which is neither one of {', '.join(sorted(known))} nor "
                f"an installed entry point of {group}; correct the name or install the package that brings it")
        found = next(iter(points)).load()
    if not (isinstance(found, type) and issubclass(found, base)):
        raise errors.ConfigError(f"[filter_scheduler] {option} names {name!r}, which is no {base.__name__}; "
                                 f"remove it from the option")
    return found()
