# SPDX-License-Identifier: Apache-2.0
"""Disk images through qemu-img: always with an explicit format, and only on files that :mod:`inspector` has passed."""

from __future__ import annotations

import dataclasses
import os
import struct
from typing import Any

import orjson

from nova import errors
from nova.host import processes

Path = str | os.PathLike[str]

#: Copying a disk of some hundred GiB takes its time.
COPY_TIMEOUT = 3600
#: qemu-img's own names where they differ from those of the Image API.
QEMU_NAMES = {"vhd": "vpc", "iso": "raw", "ami": "raw", "aki": "raw", "ari": "raw"}

#: The beginning of a qcow2: magic, version, where the name of its backing file stands and how long that is (its longest
#: by the format), bits of a cluster, bytes of the disk.
_QCOW2, _LONGEST_NAME = struct.Struct(">4sIQIIQ"), 1023


@dataclasses.dataclass(frozen=True, slots=True)
class ImageInfo:
    """What qemu-img says of a disk, in bytes."""

    format: str
    virtual_size: int
    disk_size: int
    backing_file: str | None
    backing_format: str | None


def info(path: Path, image_format: str) -> ImageInfo:
    done = processes.run(["qemu-img", "info", "--force-share", "--output=json", "-f", qemu_name(image_format), path])
    found: dict[str, Any] = orjson.loads(done.stdout)
    return ImageInfo(
        format=found["format"],
        virtual_size=found["virtual-size"],
        disk_size=found["actual-size"],
        backing_file=found.get("full-backing-filename") or found.get("backing-filename"),
        backing_format=found.get("backing-filename-format"),
    )


def described(path: Path, image_format: str) -> ImageInfo:
    """As :func:`info`, without starting a program, of a raw or qcow2 file of our own making: what its header says. Not
    for files of strangers, of which QEMU itself is to make sense."""
    if image_format not in ("raw", "qcow2") or not os.path.isfile(path):
        return info(path, image_format)
    with open(path, "rb") as file:
        held = os.fstat(file.fileno())
        used = held.st_blocks * 512
        if image_format == "raw":
            return ImageInfo("raw", held.st_size, used, None, None)
        head = file.read(_QCOW2.size)
        if len(head) < _QCOW2.size or not head.startswith(b"QFI\xfb"):
            return info(path, image_format)
        _, _, offset, length, _, size = _QCOW2.unpack(head)
        file.seek(offset)
        backing = os.fsdecode(file.read(min(length, _LONGEST_NAME))) if offset else None
    return ImageInfo("qcow2", size, used, backing, None)


def create(path: Path, image_format: str, size: int) -> None:
    """An empty disk of ``size`` bytes."""
    processes.run(["qemu-img", "create", "-q", "-f", qemu_name(image_format), path, str(size)])


def create_overlay(path: Path, base: Path, base_format: str, size: int) -> None:
    """A qcow2 of ``size`` bytes that keeps only what differs from ``base``."""
    at_least = described(base, base_format).virtual_size
    if size < at_least:
        raise errors.HostFailure(
            f"The image needs a disk of {at_least} bytes, the server's is {size}.", retry=False)
    processes.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", qemu_name(base_format), "-b", os.path.abspath(base),
                   path, str(size)])


def convert(source: Path, source_format: str, target: Path, target_format: str) -> None:
    """A copy in another format, without what it is based on."""
    processes.run(["qemu-img", "convert", "-q", "-f", qemu_name(source_format),
                   "-O", qemu_name(target_format), source, target], timeout=COPY_TIMEOUT)


def resize(path: Path, image_format: str, size: int) -> None:
    """Grow a disk to ``size`` bytes; a disk that is as big already stays, and none is ever shrunk."""
    if info(path, image_format).virtual_size < size:
        processes.run(["qemu-img", "resize", "-q", "-f", qemu_name(image_format), path, str(size)])


def qemu_name(image_format: str) -> str:
    return QEMU_NAMES.get(image_format, image_format)
