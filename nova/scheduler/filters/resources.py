# SPDX-License-Identifier: Apache-2.0
"""Resource classes other than processors, memory and disk."""

from nova.placement.resources import DISK_GB, MEMORY_MB, VCPU
from nova.scheduler.filters.base import Filter
from nova.scheduler.filters.capacity import shortage
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec

_OWN_FILTER = frozenset((VCPU, MEMORY_MB, DISK_GB))


class ResourcesFilter(Filter):
    """Enough is free of every further resource class that the flavor asks for."""

    label = "resources"
    always = True

    def applies(self, spec: RequestSpec) -> bool:
        return not _OWN_FILTER.issuperset(spec.resources)

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        for name in sorted(set(spec.resources) - _OWN_FILTER):
            reason = shortage(host, name, spec.resources[name], "")
            if reason is not None:
                return f"{name}: {reason}"
        return None
