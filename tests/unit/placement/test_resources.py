# SPDX-License-Identifier: Apache-2.0
"""What a flavor asks for."""

from __future__ import annotations

from typing import Any

import pytest

from nova.placement.resources import capacity_of, resources_of

FLAVOR = {"vcpus": 2, "memory_mb": 512, "root_gb": 10, "ephemeral_gb": 5, "swap": 1025, "extra_specs": {}}


@pytest.mark.parametrize(("change", "expected"), [
    ({}, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 17}),
    ({"swap": 0, "root_gb": 0, "ephemeral_gb": 0}, {"VCPU": 2, "MEMORY_MB": 512}),
    ({"swap": 1024}, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 16}),
    ({"extra_specs": {"resources:VCPU": "0", "resources:CUSTOM_GPU": "1", "hw:cpu_policy": "shared"}},
     {"MEMORY_MB": 512, "DISK_GB": 17, "CUSTOM_GPU": 1}),
])
def test_resources_of_a_flavor(change: dict[str, Any], expected: dict[str, int]) -> None:
    assert resources_of(FLAVOR | change) == expected


def test_a_root_disk_on_a_volume_takes_no_local_disk() -> None:
    assert resources_of(FLAVOR, boot_from_volume=True)["DISK_GB"] == 7


@pytest.mark.parametrize(("total", "reserved", "ratio", "capacity"), [
    (4, 0, 1.0, 4), (4, 1, 16.0, 48), (3, 0, 1.5, 4), (1, 3, 1.5, -3), (0, 0, 1.0, 0)])
def test_capacity(total: int, reserved: int, ratio: float, capacity: int) -> None:
    assert capacity_of(total, reserved, ratio) == capacity


@pytest.mark.parametrize(("specs", "image", "expected"), [
    ({"hw:cpu_policy": "dedicated"}, {}, {"PCPU": 4}),
    ({"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}, {}, {"PCPU": 5}),
    ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"}, {}, {"VCPU": 1, "PCPU": 3}),
    ({}, {"hw_cpu_policy": "dedicated"}, {"PCPU": 4}),
    ({"hw:cpu_policy": "dedicated", "resources:PCPU": "2"}, {}, {"PCPU": 2}),
])
def test_dedicated_processors_are_another_class(specs: dict[str, str], image: dict[str, str],
                                                expected: dict[str, int]) -> None:
    flavor = {"vcpus": 4, "memory_mb": 0, "root_gb": 0, "extra_specs": specs}
    assert resources_of(flavor, image_properties=image) == expected
