# SPDX-License-Identifier: Apache-2.0
"""The decision: request + host states → ranked hosts, and for each refused host the reason.

A pure function of its arguments, the random numbers included; it reads no database and claims nothing. Each host is
counted once, at the first filter that refuses it, so the counts add up to the hosts considered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from nova.scheduler.filters.base import Filter
from nova.scheduler.filters.target import TargetFilter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher

#: Hosts whose reasons are kept per filter, and weights kept per decision; the counts are always complete.
KEPT_REASONS = 100
KEPT_WEIGHTS = 10

_TARGET = TargetFilter()


class Rng(Protocol):
    """What the engine draws from: :class:`random.Random` has it."""

    def randrange(self, stop: int, /) -> int: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What an operator chose. ``multipliers`` belong to ``weighers``, one each."""

    filters: tuple[Filter, ...]
    weighers: tuple[Weigher, ...]
    multipliers: tuple[float, ...]
    host_subset_size: int = 1
    shuffle_best_same_weighed_hosts: bool = False
    max_attempts: int = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """A host to build on, as much of it as others need to know."""

    uuid: str
    host: str
    node: str
    cell_uuid: str
    availability_zone: str = ""

    def to_dict(self) -> dict[str, str]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: dict[str, str]) -> Selection:
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data})


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """``ranked``: every host that passed, best first; ``selected`` is its head and ``alternates`` of the same cell.

    ``reasons``: filter label → {"count", "example", "hosts": {host: reason} (bounded)}, in the order of the filters.
    ``weights``: host → sum, for the best few. ``candidates`` hosts of ``considered`` passed all filters.
    """

    considered: int
    candidates: int
    selected: Selection | None
    alternates: tuple[Selection, ...]
    reasons: dict[str, dict[str, Any]]
    weights: dict[str, float]
    ranked: Ranked

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data for the operation's record; the ranking is left out."""
        return {"considered": self.considered, "candidates": self.candidates, "reasons": self.reasons,
                "weights": self.weights, "selected": self.selected.to_dict() if self.selected else None,
                "alternates": [alternate.to_dict() for alternate in self.alternates]}


@dataclasses.dataclass(frozen=True, slots=True)
class Ranked:
    """The hosts that passed, best first. After a refused claim the next one is :meth:`without` the refused."""

    hosts: tuple[HostState, ...]
    attempts: int = 3

    @property
    def best(self) -> HostState | None:
        return self.hosts[0] if self.hosts else None

    def without(self, host: HostState) -> Ranked:
        return Ranked(tuple(h for h in self.hosts if h.uuid != host.uuid), self.attempts)

    def alternates(self) -> tuple[Selection, ...]:
        """The next best of the best one's cell, one less than the attempts allowed."""
        if not self.hosts:
            return ()
        found: list[Selection] = []
        cell = self.hosts[0].cell_uuid
        for host in self.hosts[1:]:
            if len(found) >= self.attempts - 1:
                break
            if host.cell_uuid == cell:
                found.append(selection(host))
        return tuple(found)


def selection(host: HostState) -> Selection:
    return Selection(host.uuid, host.host, host.node, host.cell_uuid, host.availability_zone)


def decide(spec: RequestSpec, hosts: Sequence[HostState], options: Options, rng: Rng) -> Decision:
    """Rank ``hosts`` for one server of ``spec``; nothing is claimed."""
    candidates, reasons = sift(spec, hosts, options.filters)
    weights = weigh(spec, candidates, options.weighers, options.multipliers)
    order = _order(weights, options, rng)
    ranked = Ranked(tuple(candidates[i] for i in order), options.max_attempts)
    return Decision(
        considered=len(hosts), candidates=len(candidates), reasons=reasons, ranked=ranked,
        selected=selection(ranked.hosts[0]) if order else None, alternates=ranked.alternates(),
        weights={candidates[i].host: round(weights[i], 6) for i in order[:KEPT_WEIGHTS]})


def sift(spec: RequestSpec, hosts: Sequence[HostState],
         filters: Sequence[Filter]) -> tuple[list[HostState], dict[str, dict[str, Any]]]:
    """The hosts that pass every filter, and the reasons of the others by filter label."""
    left = list(hosts)
    reasons: dict[str, dict[str, Any]] = {}
    forced = spec.forced
    for check in (_TARGET, *filters):
        if not left:
            break
        if (forced and not check.always) or (spec.rebuild and check is not _TARGET and not check.on_rebuild):
            continue
        if not check.applies(spec):
            continue
        left, refused = check.sift(left, spec)
        if refused:
            label = check.label or type(check).__name__
            entry = reasons.setdefault(label, {"count": 0, "example": refused[0][1], "hosts": {}})
            entry["count"] += len(refused)
            room = KEPT_REASONS - len(entry["hosts"])
            entry["hosts"].update((host.host, reason) for host, reason in refused[:room])
    return left, reasons


def weigh(spec: RequestSpec, hosts: Sequence[HostState], weighers: Sequence[Weigher],
          multipliers: Sequence[float]) -> list[float]:
    """The weighted sum of each host. Each weigher's numbers are brought to 0..1 over the candidates first."""
    totals = [0.0] * len(hosts)
    if len(hosts) < 2:
        return totals
    overridden = [(i, host) for i, host in enumerate(hosts) if host.aggregates]
    for weigher, multiplier in zip(weighers, multipliers, strict=True):
        if not weigher.applies(spec):
            continue
        values = weigher.weights(hosts, spec)
        low, high = min(values), max(values)
        if low == high:
            continue
        scale = high - low
        special = {i: own for i, host in overridden if (own := _own_multiplier(host, weigher.option)) is not None}
        if special:
            totals = [total + special.get(i, multiplier) * ((value - low) / scale)
                      for i, (total, value) in enumerate(zip(totals, values, strict=True))]
        elif multiplier:
            factor = multiplier / scale
            totals = [total + (value - low) * factor for total, value in zip(totals, values, strict=True)]
    return totals


def _own_multiplier(host: HostState, option: str) -> float | None:
    """What the host's aggregates say instead of the option: the smallest of several."""
    numbers = []
    for value in host.aggregates.get(option, ()):
        try:
            numbers.append(float(value))
        except ValueError:
            continue
    return min(numbers, default=None)


def _order(weights: Sequence[float], options: Options, rng: Rng) -> list[int]:
    """Indexes, best first; the head is drawn from the best few when the options say so."""
    order = sorted(range(len(weights)), key=weights.__getitem__, reverse=True)
    if len(order) < 2:
        return order
    subset = min(max(options.host_subset_size, 1), len(order))
    if options.shuffle_best_same_weighed_hosts:
        best = weights[order[0]]
        same = next((n for n, i in enumerate(order) if weights[i] != best), len(order))
        subset = max(subset, same) if options.host_subset_size > 1 else same
    if subset > 1:
        order.insert(0, order.pop(rng.randrange(subset)))
    return order
