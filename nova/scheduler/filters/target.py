# SPDX-License-Identifier: Apache-2.0
"""Hosts that the request names or excludes. The engine always runs this one, and first."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class TargetFilter(Filter):
    """Forced host or node, requested destination, hosts to be left out, and the only cell allowed."""

    label = "requested host"
    always = True

    def applies(self, spec: RequestSpec) -> bool:
        return bool(spec.forced or spec.requested_destination or spec.ignore_hosts or spec.only_cell)

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        destination = spec.requested_destination or {}
        hosts = (spec.force_host, destination.get("host"))
        nodes = (spec.force_node, destination.get("node"))
        if any(name and name != host.host for name in hosts) or any(name and name != host.node for name in nodes):
            return "not the requested host"
        if host.host in spec.ignore_hosts:
            return "left out by the request"
        if spec.only_cell and host.cell_uuid != spec.only_cell:
            return "in another cell"
        return None
