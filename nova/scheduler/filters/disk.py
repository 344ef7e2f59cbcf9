# SPDX-License-Identifier: Apache-2.0
"""Enough local disk is free for root, ephemeral and swap."""

from nova.placement import resources
from nova.scheduler.filters.capacity import CapacityFilter


class DiskFilter(CapacityFilter):
    """Enough local disk is free for root, ephemeral and swap."""

    label = "DISK"
    resource_class = resources.DISK_GB
    unit = " GB"
