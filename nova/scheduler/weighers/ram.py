# SPDX-License-Identifier: Apache-2.0
"""Prefers hosts with more free memory; a negative multiplier stacks instead of spreading."""

from collections.abc import Sequence

from nova.placement.resources import MEMORY_MB
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher


class RAMWeigher(Weigher):
    """Free memory, overcommit included."""

    option = "ram_weight_multiplier"

    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        return host.free.get(MEMORY_MB, 0)

    def weights(self, hosts: Sequence[HostState], spec: RequestSpec) -> list[float]:
        return [host.free.get(MEMORY_MB, 0) for host in hosts]
