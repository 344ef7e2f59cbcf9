# SPDX-License-Identifier: Apache-2.0
"""What the guest boots with and runs on: firmware, machine, features, clock, TPM."""

from __future__ import annotations

from typing import Any

from lxml.builder import E

import nova
from nova.virt.libvirt.xml.draft import Draft
from nova.virt.types import GuestSpec

#: The variables of a guest's UEFI lie with its disks, so that they move and go with them.
NVRAM = "nvram.fd"


def sysinfo(guest: GuestSpec) -> Any:
    """Guests recognise this kind of cloud, and so where their metadata are, by the product name."""
    values = {"manufacturer": "OpenStack Foundation", "product": "OpenStack Nova", "version": nova.__version__,
              "serial": guest.uuid, "uuid": guest.uuid, "family": "Virtual Machine"}
    return E.sysinfo(E.system(*[E.entry(v, name=k) for k, v in values.items()]), type="smbios")


def os(draft: Draft) -> Any:
    node = E.os(E.type("hvm", arch=draft.settings.arch, machine=draft.machine))
    if draft.uefi:
        _uefi(draft, node)
    for device in () if any(disk.boot for disk in draft.disks) else draft.guest.boot_devices:
        node.append(E.boot(dev=device))
    if draft.asked.flag("boot_menu"):
        node.append(E.bootmenu(enable="yes"))
    node.append(E.smbios(mode="sysinfo"))
    return node


def _uefi(draft: Draft, node: Any) -> None:
    """libvirt chooses the firmware that has these features."""
    node.set("firmware", "efi")
    state = "yes" if draft.secure_boot else "no"
    wanted = draft.asked.word("secure_boot")
    if wanted is not None:
        node.append(E.firmware(E.feature(enabled=state, name="secure-boot"),
                               E.feature(enabled=state, name="enrolled-keys")))
    if draft.asked.flag("firmware_stateless"):
        node.append(E.loader(stateless="yes"))
    else:
        node.append(E.nvram(str(draft.directory / NVRAM)))


def features(draft: Draft) -> Any:
    node = E.features(E.acpi(), E.apic())
    settings, asked = draft.settings, draft.asked
    if draft.kvm and draft.windows:
        node.append(_hyperv())
    if draft.kvm and asked.flag("hide_hypervisor"):
        node.append(E.kvm(E.hidden(state="on")))
    pmu = asked.flag("pmu")
    if pmu is not None:
        node.append(E.pmu(state="on" if pmu else "off"))
    if draft.secure_boot:
        node.append(E.smm(state="on"))
    if draft.kvm and asked.word("viommu") in ("intel", "auto"):
        node.append(E.ioapic(driver="qemu"))
    if settings.virt_type == "qemu" and settings.tb_cache_mib:
        node.append(E.tcg(E("tb-cache", str(settings.tb_cache_mib), unit="MiB")))
    return node


def _hyperv() -> Any:
    """What Windows runs best with."""
    names = ("relaxed", "vapic", "vpindex", "runtime", "synic", "reset", "frequencies", "tlbflush", "ipi")
    return E.hyperv(*[E(name, state="on") for name in names], E.spinlocks(state="on", retries="8191"))


def clock(draft: Draft) -> Any:
    """Windows keeps local time in the hardware clock."""
    node = E.clock(offset="localtime" if draft.windows else "utc")
    hpet = draft.asked.flag("hpet")
    if draft.kvm:
        node.append(E.timer(name="pit", tickpolicy="delay"))
        node.append(E.timer(name="rtc", tickpolicy="catchup"))
        if draft.windows:
            node.append(E.timer(name="hypervclock", present="yes"))
    if draft.kvm or hpet is not None:
        node.append(E.timer(name="hpet", present="yes" if hpet else "no"))
    return node


def tpm(draft: Draft) -> list[Any]:
    version = draft.asked.word("tpm_version")
    if version is None:
        return []
    model = draft.asked.word("tpm_model") or "tpm-tis"
    return [E.tpm(E.backend(type="emulator", version=version), model=model)]
