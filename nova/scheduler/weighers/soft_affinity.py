# SPDX-License-Identifier: Apache-2.0
"""Server groups with policy soft-affinity keep together where they can."""

from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher


class ServerGroupSoftAffinityWeigher(Weigher):
    """Members of the group on the host; more is better."""

    option = "soft_affinity_weight_multiplier"

    def applies(self, spec: RequestSpec) -> bool:
        return spec.group is not None and spec.group.policy == "soft-affinity" and bool(spec.group.hosts)

    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        return spec.group.hosts.get(host.host, 0) if spec.group else 0
