# SPDX-License-Identifier: Apache-2.0
"""Enough virtual processors are free, overcommit included."""

from nova.placement import resources
from nova.scheduler.filters.capacity import CapacityFilter


class CoreFilter(CapacityFilter):
    """Enough virtual processors are free, overcommit included."""

    label = "VCPU"
    resource_class = resources.VCPU
