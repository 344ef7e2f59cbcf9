# SPDX-License-Identifier: Apache-2.0
"""The host's compute service is there and takes servers."""

from collections.abc import Sequence

from nova.scheduler.filters.base import Filter, Refused
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class ComputeFilter(Filter):
    """Refuses services that are down and, unless the host is forced, those that an operator disabled.

    A disabled cell takes only what is meant for it, so that a new cell can be tried out before others go there.
    """

    label = "compute service"
    always = True

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        if not host.up:
            return "the service is down"
        if host.disabled and not spec.forced:
            return "the service is disabled"
        if host.cell_disabled and spec.only_cell != host.cell_uuid and not spec.forced:
            return "the cell is disabled"
        return None

    def sift(self, hosts: Sequence[HostState], spec: RequestSpec) -> tuple[list[HostState], Refused]:
        ready = [host for host in hosts if host.up and not host.disabled and not host.cell_disabled]
        return (ready, []) if len(ready) == len(hosts) else super().sift(hosts, spec)
