# SPDX-License-Identifier: Apache-2.0
"""The guest's devices beside disks, network cards and what is passed through."""

from __future__ import annotations

from typing import Any

from lxml.builder import E

from nova import errors
from nova.virt.hardware.wishes import Wishes
from nova.virt.libvirt.xml.draft import Draft

#: What an ISA machine has addresses for.
MOST_SERIAL_PORTS = 4


def serial_ports(asked: Wishes) -> int:
    """At least the console. An image may ask for fewer than the flavor gives, not for more."""
    flavor, image = asked.in_flavor("serial_ports"), asked.in_image("serial_ports")
    for text in (flavor, image):
        if text is not None and not (text.isdigit() and int(text) <= MOST_SERIAL_PORTS):
            raise errors.Invalid(f"A guest cannot have '{text}' serial ports: 1 to {MOST_SERIAL_PORTS} can be.")
    if flavor is not None and image is not None and int(image) > int(flavor):
        raise errors.Invalid(f"hw_serial_port_count = {image} exceeds the flavor's hw:serial_port_count = {flavor}.")
    return max(1, int(image or flavor or 1))


def consoles(draft: Draft) -> list[Any]:
    """Serial ports, of which the first is logged, the graphical console, and its card."""
    log = E.log(file=str(draft.directory / "console.log"), append="on")
    ports = [E.serial(log, E.target(port="0"), type="pty")]
    ports += [E.serial(E.target(port=str(n)), type="pty") for n in range(1, serial_ports(draft.asked))]
    return [*ports, E.console(E.target(type="serial", port="0"), type="pty"),
            E.graphics(E.listen(type="address", address=draft.settings.vnc_listen), type="vnc", autoport="yes"),
            E.video(_video(draft))]


def video_ram(asked: Wishes) -> int | None:
    """In MiB; an image may ask for what the flavor allows."""
    wanted, most = asked.number("video_ram"), asked.number("video_ram_max")
    if wanted is not None and wanted > (most or 0):
        raise errors.Invalid(f"hw_video_ram = {wanted} exceeds the flavor's hw_video:ram_max_mb = {most or 0}.")
    return wanted


def _video(draft: Draft) -> Any:
    node = E.model(type=draft.asked.word("video_model") or "vga")
    ram = video_ram(draft.asked)
    if ram and node.get("type") != "none":
        node.set("vram", str(ram << 10))
    return node


def inputs(draft: Draft) -> list[Any]:
    """A tablet shows the pointer where it is; a PS/2 mouse every guest has by itself."""
    bus = draft.asked.word("input_bus") or "usb"
    if draft.asked.word("pointer_model") == "ps2mouse" or (bus == "usb" and _without_usb(draft)):
        return []
    return [E.input(type="tablet", bus=bus)]


def _without_usb(draft: Draft) -> bool:
    return draft.asked.word("usb_model") == "none"


def controllers(draft: Draft) -> list[Any]:
    made = []
    if any(disk.bus == "scsi" for disk in draft.disks):
        model = draft.asked.word("scsi_model")
        made.append(E.controller(type="scsi", index="0", model=model or "virtio-scsi"))
    usb = draft.asked.word("usb_model")
    if usb is not None:
        made.append(E.controller(type="usb", index="0", model=usb))
    return made


def channels(draft: Draft) -> list[Any]:
    if draft.asked.flag("guest_agent") is False:
        return []
    return [E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix")]


def others(draft: Draft) -> list[Any]:
    """Balloon, random numbers, watchdog, sound, IOMMU."""
    balloon = E.memballoon(model="virtio")
    if draft.settings.mem_stats_period:
        balloon.append(E.stats(period=str(draft.settings.mem_stats_period)))
    return [balloon, *_rng(draft), *_watchdog(draft), *_sound(draft), *_iommu(draft)]


def _rng(draft: Draft) -> list[Any]:
    asked = draft.asked
    if asked.flag("rng_allowed") is False or asked.word("rng_model") == "none":
        return []
    node = E.rng(model="virtio")
    rate = asked.number("rng_bytes")
    if rate:
        node.append(E.rate(bytes=str(rate), period=str(asked.number("rng_period") or 1000)))
    node.append(E.backend("/dev/urandom", model="random"))
    return [node]


def _watchdog(draft: Draft) -> list[Any]:
    action = draft.asked.word("watchdog")
    return [] if action in (None, "disabled") else [E.watchdog(model="i6300esb", action=str(action))]


def _sound(draft: Draft) -> list[Any]:
    model = draft.asked.word("sound_model")
    return [] if model is None else [E.sound(model=model)]


def _iommu(draft: Draft) -> list[Any]:
    model = draft.asked.word("viommu")
    if model is None:
        return []
    if model == "virtio":
        return [E.iommu(model="virtio")]
    driver = E.driver(intremap="on") if draft.kvm else E.driver(caching_mode="on")
    return [E.iommu(driver, model="intel")]
