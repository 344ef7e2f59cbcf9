# SPDX-License-Identifier: Apache-2.0
"""What the parts of a domain document are made from: the guest, its disks, its plan, and what the host decides."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence

from nova.virt.hardware.host import HostNodes
from nova.virt.hardware.plan import Plan
from nova.virt.hardware.wishes import Wishes
from nova.virt.libvirt.offers import Offers
from nova.virt.types import GuestSpec


@dataclasses.dataclass(frozen=True, slots=True)
class DiskFile:
    """``path`` is a file, or a block device where ``kind`` says so. ``media`` is disk or cdrom. ``boot``: its
    place in the order of booting, where that is not the guest's own."""

    path: pathlib.Path
    device: str
    format: str = "qcow2"
    bus: str = "virtio"
    media: str = "disk"
    kind: str = "file"
    boot: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What a host decides about all its guests. ``cpu_flags`` have a sign; ``features`` are those of each model."""

    virt_type: str
    arch: str = "x86_64"
    cpu_mode: str = "none"
    cpu_models: tuple[str, ...] = ()
    cpu_flags: tuple[str, ...] = ()
    features: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    machine_type: str | None = None
    cachemode: str = "none"
    vnc_listen: str = "127.0.0.1"
    tb_cache_mib: int = 64
    mem_stats_period: int = 10
    nodes: HostNodes = HostNodes(())
    offers: Offers = Offers()


@dataclasses.dataclass(frozen=True)
class Draft:
    """One guest on its way to become a document."""

    guest: GuestSpec
    directory: pathlib.Path
    disks: Sequence[DiskFile]
    settings: Settings
    plan: Plan = Plan()

    @functools.cached_property
    def asked(self) -> Wishes:
        return wishes_of(self.guest)

    @functools.cached_property
    def uefi(self) -> bool:
        return self.asked.word("firmware") == "uefi"

    @functools.cached_property
    def machine(self) -> str:
        return machine_of(self.guest, self.settings)

    @property
    def q35(self) -> bool:
        return "q35" in self.machine

    @property
    def windows(self) -> bool:
        return self.asked.text("os_type") == "windows"

    @property
    def kvm(self) -> bool:
        return self.settings.virt_type == "kvm"

    @functools.cached_property
    def secure_boot(self) -> bool:
        wanted = self.asked.word("secure_boot")
        return wanted == "required" or (wanted == "optional" and self.uefi and self.q35
                                        and self.settings.offers.secure_boot)


def wishes_of(guest: GuestSpec) -> Wishes:
    return Wishes(guest.extra_specs, guest.image_properties)


def machine_of(guest: GuestSpec, settings: Settings) -> str:
    """The image's machine, or the host's, or the one that goes with the firmware."""
    asked = wishes_of(guest)
    uefi = asked.word("firmware") == "uefi"
    return asked.text("machine_type") or settings.machine_type or ("q35" if uefi else "pc")
