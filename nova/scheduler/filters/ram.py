# SPDX-License-Identifier: Apache-2.0
"""Enough memory is free, overcommit included."""

from nova.placement import resources
from nova.scheduler.filters.capacity import CapacityFilter


class RamFilter(CapacityFilter):
    """Enough memory is free, overcommit included."""

    label = "RAM"
    resource_class = resources.MEMORY_MB
    unit = " MB"
