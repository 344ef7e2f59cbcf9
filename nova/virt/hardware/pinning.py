# SPDX-License-Identifier: Apache-2.0
"""Which processors of a node a guest gets for itself, by its thread policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Pins:
    """``cpus`` in the order of the vCPUs; ``held`` includes siblings that must stay idle; ``threads`` share a core."""

    cpus: tuple[int, ...]
    held: frozenset[int]
    threads: int = 1


NOTHING = Pins((), frozenset())


def choose(count: int, free: frozenset[int], siblings: Sequence[frozenset[int]], policy: str) -> Pins | str:
    """``count`` of the ``free`` processors, or the reason why there are not so many."""
    cores = sorted(((core, sorted(core & free)) for core in siblings), key=lambda c: sorted(c[0]))
    if policy == "isolate":
        return _isolated(count, [core for core, open_ in cores if len(open_) == len(core)], free)
    most = max((len(open_) for _, open_ in cores), default=0)
    for width in range(min(most, count), 1, -1):
        if count % width:
            continue
        found = _packed(count, width, [open_ for _, open_ in cores])
        if found is not None:
            return Pins(found, frozenset(found), width)
    if policy == "require" and count > 1:
        return f"there are not {count} free dedicated processors on sibling threads"
    if policy == "require" and all(len(core) < 2 for core in siblings):
        return "its processors have no sibling threads"
    return _anything(count, [open_ for _, open_ in cores])


def _packed(count: int, width: int, cores: list[list[int]]) -> tuple[int, ...] | None:
    """Whole groups of ``width`` siblings."""
    groups = [open_[i:i + width] for open_ in cores for i in range(0, len(open_) - width + 1, width)]
    if len(groups) * width < count:
        return None
    return tuple(cpu for group in groups[:count // width] for cpu in group)


def _isolated(count: int, cores: list[frozenset[int]], free: frozenset[int]) -> Pins | str:
    """One thread of each of so many cores that nobody else is on."""
    if len(cores) < count:
        return f"{len(cores)} cores are all free, {count} are wanted"
    chosen = cores[:count]
    return Pins(tuple(min(core) for core in chosen), frozenset().union(*chosen))


def _anything(count: int, cores: list[list[int]]) -> Pins | str:
    """Partly used cores first, so that whole ones stay for who needs them."""
    cpus = [cpu for open_ in sorted(cores, key=len) for cpu in open_]
    if len(cpus) < count:
        return f"{len(cpus)} dedicated processors are free, {count} are wanted"
    return Pins(tuple(sorted(cpus[:count])), frozenset(cpus[:count]))
