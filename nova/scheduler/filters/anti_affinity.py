# SPDX-License-Identifier: Apache-2.0
"""Server groups with policy anti-affinity spread out."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class ServerGroupAntiAffinityFilter(Filter):
    """At most ``max_server_per_host`` members (1 unless the group's rule says otherwise) on one host."""

    label = "server group anti-affinity"

    def applies(self, spec: RequestSpec) -> bool:
        return spec.group is not None and spec.group.policy == "anti-affinity" and bool(spec.group.hosts)

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        if spec.group is None:
            return None
        there = spec.group.hosts.get(host.host, 0)
        limit = int(spec.group.rules.get("max_server_per_host", 1))
        return None if there < limit else f"{there} of at most {limit} members of the group are there"
