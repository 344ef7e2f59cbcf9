# SPDX-License-Identifier: Apache-2.0
"""What this machine is and has: processors, memory, disks, KVM. Read from the kernel, never from libvirt."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import platform
import shutil

PROC = pathlib.Path("/proc")
KVM = pathlib.Path("/dev/kvm")


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """In MiB. ``available`` is what the kernel thinks can be had without swapping."""

    total: int
    available: int


@dataclasses.dataclass(frozen=True, slots=True)
class Disk:
    """Of the file system that holds a path, in GiB."""

    total: int
    used: int
    free: int


@dataclasses.dataclass(frozen=True, slots=True)
class Cpu:
    arch: str
    vendor: str
    model: str
    flags: frozenset[str]
    sockets: int
    cores: int
    threads: int


def memory(proc: pathlib.Path = PROC) -> Memory:
    values = {}
    for line in (proc / "meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0])
    return Memory(total=values["MemTotal"] // 1024, available=values.get("MemAvailable", values["MemFree"]) // 1024)


def cpus() -> int:
    """Processors that are online."""
    return os.cpu_count() or 1


def cpu(proc: pathlib.Path = PROC) -> Cpu:
    """The first processor, and how many of its kind sit how."""
    blocks = [dict(_pairs(b)) for b in (proc / "cpuinfo").read_text().split("\n\n") if b.strip()]
    first = blocks[0] if blocks else {}
    sockets = len({b.get("physical id", "0") for b in blocks}) or 1
    cores = len({(b.get("physical id", "0"), b.get("core id", b.get("processor"))) for b in blocks}) or 1
    return Cpu(
        arch=platform.machine(),
        vendor=first.get("vendor_id", ""),
        model=first.get("model name", ""),
        flags=frozenset((first.get("flags") or first.get("Features") or "").split()),
        sockets=sockets,
        cores=max(1, cores // sockets),
        threads=max(1, len(blocks) // cores),
    )


def _pairs(block: str) -> list[tuple[str, str]]:
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in block.splitlines())]


def kvm_usable(proc: pathlib.Path = PROC, device: pathlib.Path = KVM) -> bool:
    """Whether guests can run on the processor itself.

    /dev/kvm alone proves nothing: there are kernels that offer it on processors without virtualisation and then
    emulate instruction by instruction.
    """
    if not cpu(proc).flags & {"vmx", "svm"}:
        return False
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def disk(path: str | os.PathLike[str]) -> Disk:
    """The path need not exist yet."""
    place = pathlib.Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    usage = shutil.disk_usage(place)
    return Disk(total=usage.total >> 30, used=usage.used >> 30, free=usage.free >> 30)


def uptime_seconds(proc: pathlib.Path = PROC) -> float:
    return float((proc / "uptime").read_text().split()[0])


def uptime() -> str:
    """Uptime and load in the words of uptime(1)."""
    seconds = int(uptime_seconds())
    days, rest = divmod(seconds, 86400)
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    return f"up {days} days, {rest // 3600}:{rest % 3600 // 60:02d}, load average: {load}"
