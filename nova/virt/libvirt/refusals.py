# SPDX-License-Identifier: Apache-2.0
"""What a guest asks for and cannot get from this host, said before anything of it is made."""

from __future__ import annotations

from nova import errors
from nova.virt.hardware import plan
from nova.virt.libvirt.xml import devices
from nova.virt.libvirt.xml.draft import Draft


def check(draft: Draft) -> None:
    """:class:`errors.HostFailure`; ``retry`` tells whether another host may have what this one lacks."""
    guest = draft.guest
    try:
        plan.check(draft.asked, guest.vcpus, guest.memory_mb)
        devices.serial_ports(draft.asked)
        devices.video_ram(draft.asked)
        _machine(draft)
    except errors.Invalid as e:
        raise errors.HostFailure(e.message, retry=False) from e
    _offers(draft)


def _machine(draft: Draft) -> None:
    """What contradicts itself on any host."""
    asked = draft.asked
    if asked.word("secure_boot") == "required" and not (draft.uefi and draft.q35):
        raise errors.Invalid("os_secure_boot = required needs hw_firmware_type = uefi and a q35 machine.")
    if asked.word("tpm_model") == "tpm-crb" and asked.word("tpm_version") == "1.2":
        raise errors.Invalid("hw_tpm_model = tpm-crb is for version 2.0 only.")
    if asked.word("tpm_model") and not asked.word("tpm_version"):
        raise errors.Invalid("hw_tpm_model needs hw_tpm_version.")
    if asked.word("viommu") is not None and not draft.q35:
        raise errors.Invalid("hw_viommu_model needs a q35 machine.")
    if asked.word("maxphysaddr_mode") == "emulate" and not asked.number("maxphysaddr_bits"):
        raise errors.Invalid("hw_maxphysaddr_mode = emulate needs hw_maxphysaddr_bits.")
    for what in ("bytes", "iops"):
        each = [asked.number(f"disk_{way}_{what}") for way in ("read", "write")]
        if asked.number(f"disk_total_{what}") and any(each):
            raise errors.Invalid(f"quota:disk_total_{what}_sec goes with neither quota:disk_read_{what}_sec nor "
                                 f"quota:disk_write_{what}_sec.")
    if draft.q35 and "ide" in (asked.word("disk_bus"), asked.word("cdrom_bus")):
        raise errors.Invalid("A q35 machine has no bus ide; use sata.")


def _offers(draft: Draft) -> None:
    asked, offers = draft.asked, draft.settings.offers
    architecture = asked.text("architecture")
    if architecture is not None and architecture != draft.settings.arch:
        raise _lacks(f"processors of architecture {architecture}")
    for name, have in (("disk_bus", offers.disk_buses), ("cdrom_bus", offers.disk_buses),
                       ("video_model", offers.video_models)):
        wanted = asked.word(name)
        if wanted is not None and have is not None and wanted not in have:
            raise _lacks(f"{name.replace('_', ' ')} {wanted} on machine {draft.machine}")
    if draft.uefi and offers.disk_buses is not None and not offers.uefi:
        raise _lacks("UEFI firmware (package ovmf)")
    if asked.word("secure_boot") == "required" and not offers.secure_boot:
        raise _lacks("UEFI firmware with secure boot (package ovmf)")
    if asked.word("tpm_version") is not None and not offers.tpm_emulator:
        raise _lacks("emulated TPM (package swtpm)")


def _lacks(what: str) -> errors.HostFailure:
    return errors.HostFailure(f"This host has no {what}.", retry=True)
