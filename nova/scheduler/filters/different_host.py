# SPDX-License-Identifier: Apache-2.0
"""Hint ``different_host``: away from the servers named."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class DifferentHostFilter(Filter):
    """A named server that has no host keeps nothing away."""

    label = "different host"

    def applies(self, spec: RequestSpec) -> bool:
        return bool(spec.hint_uuids("different_host"))

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        near = any(spec.located.get(uuid) == host.host for uuid in spec.hint_uuids("different_host"))
        return "holds a server to stay away from" if near else None
