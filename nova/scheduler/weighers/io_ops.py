# SPDX-License-Identifier: Apache-2.0
"""How busy a host is with builds and moves. The multiplier is negative, so that quiet hosts are preferred."""

from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher


class IoOpsWeigher(Weigher):
    """Operations under way on the host."""

    option = "io_ops_weight_multiplier"
    default = -1.0

    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        return host.num_io_ops
