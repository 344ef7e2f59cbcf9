# SPDX-License-Identifier: Apache-2.0
"""A disk of the guest, and how much it may do per second."""

from __future__ import annotations

from typing import Any

from lxml.builder import E

from nova.virt.hardware.wishes import Wishes
from nova.virt.libvirt.xml.draft import DiskFile

_LIMITS = ("read_bytes", "read_iops", "write_bytes", "write_iops", "total_bytes", "total_iops")


def disk(file: DiskFile, cachemode: str, asked: Wishes) -> Any:
    driver = E.driver(name="qemu", type=file.format, cache=cachemode)
    if file.media == "disk":
        driver.set("discard", "unmap")
    if file.bus == "virtio" and asked.flag("packed_ring"):
        driver.set("packed", "on")
    source = E.source(dev=str(file.path)) if file.kind == "block" else E.source(file=str(file.path))
    node = E.disk(driver, source, E.target(dev=file.device, bus=file.bus), type=file.kind, device=file.media)
    if file.boot is not None:
        node.append(E.boot(order=str(file.boot)))
    if file.media == "cdrom":
        node.append(E.readonly())
    else:
        limits = iotune(asked)
        if len(limits):
            node.append(limits)
    return node


def iotune(asked: Wishes) -> Any:
    """The limits of each disk; empty without any."""
    node = E.iotune()
    for name in _LIMITS:
        value = asked.number(f"disk_{name}")
        if value:
            node.append(E(f"{name}_sec", str(value)))
    return node
