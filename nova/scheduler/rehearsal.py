# SPDX-License-Identifier: Apache-2.0
"""What would become of a request: the engine's own decisions over one snapshot, each server counted for the next.

A pure function; nothing is counted anywhere else, and the draw among equally good hosts is left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from nova.scheduler import engine, explain
from nova.scheduler.engine import Decision, Options
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


def rehearse(spec: RequestSpec, hosts: Sequence[HostState], options: Options, count: int) -> dict[str, Any]:
    """{"asked", "placed", "first", "refusal"}: how many of ``count`` servers would find a host, the decision about the
    first one, and the decision that found none (None when all did)."""
    still = dataclasses.replace(options, host_subset_size=1, shuffle_best_same_weighed_hosts=False)
    states = {host.uuid: host for host in hosts}
    first: dict[str, Any] | None = None
    for placed in range(count):
        decision = engine.decide(spec, list(states.values()), still, _NoDraw())
        if first is None:
            first = _told(spec, decision, options)
        best = decision.ranked.best
        if best is None:
            refusal = first if not placed else _told(spec, decision, options)
            return {"asked": count, "placed": placed, "first": first, "refusal": refusal}
        states[best.uuid] = best.consumed(spec.resources)
        spec = _joined(spec, best.host)
    return {"asked": count, "placed": count, "first": first, "refusal": None}


class _NoDraw:
    def randrange(self, stop: int, /) -> int:
        return 0


def _joined(spec: RequestSpec, host: str) -> RequestSpec:
    """The request of the next server, which finds this one in its group."""
    group = spec.group
    if group is None:
        return spec
    counted = dict(group.hosts) | {host: group.hosts.get(host, 0) + 1}
    return dataclasses.replace(spec, group=dataclasses.replace(group, hosts=counted))


def _told(spec: RequestSpec, decision: Decision, options: Options) -> dict[str, Any]:
    """The decision with every weigher's part in the weights of the best few."""
    passed = decision.ranked.hosts
    parts = {weigher.option: engine.weigh(spec, passed, (weigher,), (multiplier,))
             for weigher, multiplier in zip(options.weighers, options.multipliers, strict=True)}
    weights = [{"host": host.host, "weight": decision.weights.get(host.host, 0.0),
                "parts": {option.removesuffix("_weight_multiplier"): round(values[i], 6)
                          for option, values in parts.items() if any(values)}}
               for i, host in enumerate(passed[:engine.KEPT_WEIGHTS])]
    return decision.to_dict() | {"weights": weights,
                                 "message": "" if decision.selected else explain.fault_message(decision)}
