# SPDX-License-Identifier: Apache-2.0
"""Keeps away from hosts on which builds failed lately. The multiplier outweighs every other weigher."""

from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec
from nova.scheduler.weighers.base import Weigher


class BuildFailureWeigher(Weigher):
    """Failed builds since the last good one; fewer is better."""

    option = "build_failure_weight_multiplier"
    default = 1000000.0

    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        return -host.failed_builds
