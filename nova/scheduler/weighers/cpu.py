# SPDX-License-Identifier: Apache-2.0
"""Prefers hosts with more free virtual processors; a negative multiplier stacks instead of spreading."""

from collections.abc import Sequence

from nova.placement.resources import VCPU
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher


class CPUWeigher(Weigher):
    """Free virtual processors, overcommit included."""

    option = "cpu_weight_multiplier"

    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        return host.free.get(VCPU, 0)

    def weights(self, hosts: Sequence[HostState], spec: RequestSpec) -> list[float]:
        return [host.free.get(VCPU, 0) for host in hosts]
