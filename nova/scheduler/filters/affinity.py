# SPDX-License-Identifier: Apache-2.0
"""Server groups with policy affinity keep together."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class ServerGroupAffinityFilter(Filter):
    """Once a member has a host, the others go there."""

    label = "server group affinity"

    def applies(self, spec: RequestSpec) -> bool:
        return spec.group is not None and spec.group.policy == "affinity" and bool(spec.group.hosts)

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        together = spec.group is not None and spec.group.hosts.get(host.host)
        return None if together else "the group's members are on another host"
