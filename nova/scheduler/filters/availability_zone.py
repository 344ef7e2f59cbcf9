# SPDX-License-Identifier: Apache-2.0
"""The host is in the availability zone that was asked for."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class AvailabilityZoneFilter(Filter):
    """A request without a zone may go to any."""

    label = "availability zone"

    def applies(self, spec: RequestSpec) -> bool:
        return spec.availability_zone is not None

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        return None if host.availability_zone == spec.availability_zone else f"not in zone {spec.availability_zone}"
