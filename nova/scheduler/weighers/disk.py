# SPDX-License-Identifier: Apache-2.0
"""Prefers hosts with more free local disk; a negative multiplier stacks instead of spreading."""

from collections.abc import Sequence

from nova.placement.resources import DISK_GB
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher


class DiskWeigher(Weigher):
    """Free local disk, overcommit included."""

    option = "disk_weight_multiplier"

    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        return host.free.get(DISK_GB, 0)

    def weights(self, hosts: Sequence[HostState], spec: RequestSpec) -> list[float]:
        return [host.free.get(DISK_GB, 0) for host in hosts]
