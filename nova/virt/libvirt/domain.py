# SPDX-License-Identifier: Apache-2.0
"""The XML document that describes a guest to libvirt. A pure function of the guest and of this host's settings."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from lxml import etree
from lxml.builder import E

import nova
from nova.virt.types import GuestSpec, Nic

#: Our own part of a domain's metadata: how guests of ours are told from others.
NAMESPACE = "urn:nova-controller:guest:1"
_NS = "{" + NAMESPACE + "}"


@dataclasses.dataclass(frozen=True, slots=True)
class DiskFile:
    path: pathlib.Path
    device: str
    format: str = "qcow2"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What a host decides about all its guests."""

    virt_type: str
    arch: str = "x86_64"
    cpu_mode: str = "none"
    cpu_model: str | None = None
    machine_type: str | None = None
    cachemode: str = "none"
    vnc_listen: str = "127.0.0.1"
    tb_cache_mib: int = 64
    mem_stats_period: int = 10


def build(guest: GuestSpec, name: str, directory: pathlib.Path, disks: Sequence[DiskFile], settings: Settings) -> str:
    """The document for a guest that libvirt shall call ``name`` and whose files lie in ``directory``."""
    root = E.domain(
        E.name(name),
        E.uuid(guest.uuid),
        E.metadata(_metadata(guest, directory)),
        E.memory(str(guest.memory_mb), unit="MiB"),
        E.vcpu(str(guest.vcpus)),
        _sysinfo(guest),
        _os(guest, settings),
        _features(settings),
        _cpu(guest, settings),
        _clock(settings),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        _devices(guest, directory, disks, settings),
        type=settings.virt_type,
    )
    text: str = etree.tostring(root, encoding="unicode", pretty_print=True)
    return text


def _metadata(guest: GuestSpec, directory: pathlib.Path) -> Any:
    def element(tag: str, text: str | None = None, **attributes: Any) -> Any:
        node = etree.Element(_NS + tag, {k: printable(str(v)) for k, v in attributes.items()},
                             nsmap={"nova": NAMESPACE})
        node.text = printable(text) if text is not None else None
        return node

    node = element("guest", version=nova.__version__)
    node.append(element("name", guest.display_name))
    node.append(element("path", str(directory)))
    node.append(element("owner", project=guest.project_id, user=guest.user_id))
    node.append(element("flavor", name=guest.flavor.get("name", ""), vcpus=guest.vcpus, memory_mb=guest.memory_mb,
                        root_gb=guest.root_gb, ephemeral_gb=guest.ephemeral_gb, swap_mb=guest.swap_mb))
    if guest.image:
        node.append(element("image", id=guest.image.id))
    for nic in guest.nics:
        node.append(element("port", id=nic.id, addresses=" ".join(nic.ips)))
    return node


def printable(text: str) -> str:
    """Without the characters that XML cannot carry at all, escaped or not."""
    return "".join(c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000" else "?"
                   for c in text)


def _sysinfo(guest: GuestSpec) -> Any:
    """Guests recognise this kind of cloud, and so where their metadata are, by the product name."""
    values = {"manufacturer": "OpenStack Foundation", "product": "OpenStack Nova", "version": nova.__version__,
              "serial": guest.uuid, "uuid": guest.uuid, "family": "Virtual Machine"}
    return E.sysinfo(E.system(*[E.entry(v, name=k) for k, v in values.items()]), type="smbios")


def _os(guest: GuestSpec, settings: Settings) -> Any:
    uefi = guest.image_properties.get("hw_firmware_type") == "uefi"
    machine = guest.image_properties.get("hw_machine_type") or settings.machine_type or ("q35" if uefi else "pc")
    node = E.os(E.type("hvm", arch=settings.arch, machine=str(machine)))
    if uefi:
        node.set("firmware", "efi")
    for device in guest.boot_devices:
        node.append(E.boot(dev=device))
    node.append(E.smbios(mode="sysinfo"))
    return node


def _features(settings: Settings) -> Any:
    node = E.features(E.acpi(), E.apic())
    if settings.virt_type == "qemu" and settings.tb_cache_mib:
        node.append(E.tcg(E("tb-cache", str(settings.tb_cache_mib), unit="MiB")))
    return node


def _cpu(guest: GuestSpec, settings: Settings) -> Any:
    node = E.cpu()
    if settings.cpu_mode == "custom":
        node = E.cpu(E.model(settings.cpu_model or "", fallback="forbid"), mode="custom", match="exact")
    elif settings.cpu_mode != "none":
        node = E.cpu(mode=settings.cpu_mode)
    node.append(E.topology(sockets=str(guest.vcpus), cores="1", threads="1"))
    return node


def _clock(settings: Settings) -> Any:
    clock = E.clock(offset="utc")
    if settings.virt_type == "kvm":
        clock.append(E.timer(name="pit", tickpolicy="delay"))
        clock.append(E.timer(name="rtc", tickpolicy="catchup"))
        clock.append(E.timer(name="hpet", present="no"))
    return clock


def _devices(guest: GuestSpec, directory: pathlib.Path, disks: Sequence[DiskFile], settings: Settings) -> Any:
    devices = E.devices(*[_disk(d, settings) for d in disks], *[_interface(n) for n in guest.nics])
    devices.append(E.serial(E.log(file=str(directory / "console.log"), append="on"), E.target(port="0"), type="pty"))
    devices.append(E.console(E.target(type="serial", port="0"), type="pty"))
    devices.append(E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"))
    devices.append(E.input(type="tablet", bus="usb"))
    devices.append(E.graphics(E.listen(type="address", address=settings.vnc_listen), type="vnc", autoport="yes"))
    devices.append(E.video(E.model(type=str(guest.image_properties.get("hw_video_model") or "vga"))))
    balloon = E.memballoon(model="virtio")
    if settings.mem_stats_period:
        balloon.append(E.stats(period=str(settings.mem_stats_period)))
    devices.append(balloon)
    devices.append(E.rng(E.backend("/dev/urandom", model="random"), model="virtio"))
    return devices


def _disk(disk: DiskFile, settings: Settings) -> Any:
    return E.disk(
        E.driver(name="qemu", type=disk.format, cache=settings.cachemode, discard="unmap"),
        E.source(file=str(disk.path)),
        E.target(dev=disk.device, bus="virtio"),
        type="file", device="disk",
    )


def _interface(nic: Nic) -> Any:
    """A tap under the name that the network's filters go by; libvirt makes it and joins it to the bridge."""
    node = E.interface(E.mac(address=nic.address), E.target(dev=nic.device), E.model(type=nic.model),
                       type="bridge" if nic.bridge else "ethernet")
    if nic.bridge:
        node.append(E.source(bridge=nic.bridge))
    if nic.mtu:
        node.append(E.mtu(size=str(nic.mtu)))
    if nic.model == "virtio":
        node.append(E.driver(name="qemu"))
    return node
