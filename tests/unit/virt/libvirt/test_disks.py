# SPDX-License-Identifier: Apache-2.0
"""What disks of guests are called, and which there are; that they are made is proven on real guests."""

from __future__ import annotations

from typing import Any

from nova.conf import guest_disks
from nova.virt.libvirt import disks
from nova.virt.types import DISK_BUSES, FILE_SYSTEMS, EphemeralDisk, GuestSpec


def guest(**values: Any) -> GuestSpec:
    return GuestSpec(uuid="u", name="n", display_name="d", vcpus=1, memory_mb=64, root_gb=5, **values)


def test_a_flavor_has_one_ephemeral_disk_or_none() -> None:
    assert disks.ephemerals(guest()) == {} and guest(swap_mb=1025).disk_gb == 7
    one = guest(ephemeral_gb=3)
    assert disks.ephemerals(one) == {"disk.ephemeral": EphemeralDisk(3)} and one.disk_gb == 8


def test_it_can_be_divided() -> None:
    asked = (EphemeralDisk(1, "ext2"), EphemeralDisk(1, bus="sata"))
    several = guest(ephemeral_gb=3, ephemerals=asked)
    assert disks.ephemerals(several) == {"disk.ephemeral": asked[0], "disk.ephemeral1": asked[1]}
    assert several.disk_gb == 7
    assert all(disks.is_ephemeral(name) for name in disks.ephemerals(several))
    assert not any(disks.is_ephemeral(name) for name in (disks.ROOT, disks.SWAP, disks.CONFIG, disks.RESCUE))


def test_what_the_api_takes_is_what_there_is() -> None:
    (option,) = (o for o in guest_disks.OPTS if o.name == "default_ephemeral_format")
    assert sorted(option.type.choices) == list(FILE_SYSTEMS)
    assert sorted(disks.PREFIXES) == list(DISK_BUSES)
