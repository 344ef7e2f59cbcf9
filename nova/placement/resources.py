# SPDX-License-Identifier: Apache-2.0
"""What a flavor asks of a host, as amounts of resource classes. Pure arithmetic: no database, no hosts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nova.virt.hardware import numa
from nova.virt.hardware.wishes import Wishes

VCPU = "VCPU"
PCPU = "PCPU"
MEMORY_MB = "MEMORY_MB"
DISK_GB = "DISK_GB"

_OVERRIDE = "resources:"


def capacity_of(total: int, reserved: int, allocation_ratio: float) -> int:
    """How much of an inventory may be handed out."""
    return math.floor((total - reserved) * allocation_ratio)


def resources_of(flavor: Mapping[str, Any], *, boot_from_volume: bool = False,
                 image_properties: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Amounts by resource class; zero amounts are left out.

    Dedicated processors are PCPU, by the flavor's policy or the image's; Invalid where these contradict each other.
    Swap is in MiB and rounded up to whole GiB. A root disk on a volume takes no local disk. ``resources:CLASS=n`` in
    the extra specs replaces the computed amount (0 removes it).
    """
    root = 0 if boot_from_volume else int(flavor.get("root_gb") or 0)
    swap_gb = -(-int(flavor.get("swap") or 0) // 1024)
    vcpus = int(flavor.get("vcpus") or 0)
    asked = Wishes(flavor.get("extra_specs") or {}, image_properties or {})
    pcpus = numa.dedicated_processors(asked, vcpus)
    amounts = {
        VCPU: vcpus - len(numa.dedicated(asked, vcpus)),
        PCPU: pcpus,
        MEMORY_MB: int(flavor.get("memory_mb") or 0),
        DISK_GB: root + int(flavor.get("ephemeral_gb") or 0) + swap_gb,
    }
    for key, value in (flavor.get("extra_specs") or {}).items():
        if key.startswith(_OVERRIDE):
            amounts[key[len(_OVERRIDE):]] = int(value)
    return {name: amount for name, amount in amounts.items() if amount > 0}
