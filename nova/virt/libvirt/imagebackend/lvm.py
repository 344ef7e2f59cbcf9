# SPDX-License-Identifier: Apache-2.0
"""Disks as logical volumes, named after the guest and the disk. A volume bears ``.new`` until all of it is there."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from nova.host import images, processes
from nova.host.imagecache import Base
from nova.virt.libvirt.imagebackend.base import Backend, check_fits

#: Zeroing or copying a large volume takes its time.
_LONG = 3600
_DRAFT = ".new"

Argv = Sequence[str]


class Lvm(Backend):
    """``group`` is a volume group; ``clear``: what was on a volume is overwritten before it goes."""

    format = "raw"
    kind = "block"

    def __init__(self, group: str, clear: bool = True) -> None:
        self._group, self._clear = group, clear

    def path(self, directory: pathlib.Path, name: str) -> pathlib.Path:
        return self._device(self._volume(directory, name))

    def exists(self, directory: pathlib.Path, name: str) -> bool:
        return self._volume(directory, name) in self._volumes()

    def empty(self, directory: pathlib.Path, name: str, size: int) -> None:
        self._create(self._volume(directory, name), size)
        self._appear(self._volume(directory, name))

    def from_base(self, directory: pathlib.Path, name: str, base: Base, size: int) -> None:
        check_fits(base, size)
        self._filled(self._volume(directory, name), base.path, base.format, size)

    def adopt(self, directory: pathlib.Path, name: str, raw: pathlib.Path) -> None:
        self._filled(self._volume(directory, name), raw, "raw", raw.stat().st_size)
        raw.unlink()

    def remove(self, directory: pathlib.Path, name: str) -> None:
        there = self._volumes()
        for volume in (self._volume(directory, name), self._volume(directory, name) + _DRAFT):
            if volume in there:
                self._remove(volume)

    def size_and_free(self) -> tuple[int, int]:
        """Of the volume group, in bytes."""
        done = processes.run(["vgs", "--noheadings", "--nosuffix", "--units", "b", "--separator", " ",
                              "-o", "vg_size,vg_free", self._group])
        size, free = (int(word) for word in done.stdout.split())
        return size, free

    def _filled(self, volume: str, source: pathlib.Path, source_format: str, size: int) -> None:
        self._create(volume, size)
        processes.run(["qemu-img", "convert", "-q", "-n", "-f", images.qemu_name(source_format), "-O", "raw",
                       source, self._device(volume + _DRAFT)], timeout=_LONG)
        self._appear(volume)

    def _create(self, volume: str, size: int) -> None:
        """Anew, should a process have died with half of it written."""
        if volume + _DRAFT in self._volumes():
            self._remove(volume + _DRAFT)
        processes.run(["lvcreate", "--yes", "--wipesignatures", "y", "--size", f"{size}b", "--name", volume + _DRAFT,
                       self._group])

    def _appear(self, volume: str) -> None:
        processes.run(["lvrename", self._group, volume + _DRAFT, volume])

    def _remove(self, volume: str) -> None:
        if self._clear:
            processes.run(["blkdiscard", "--zeroout", self._device(volume)], timeout=_LONG)
        processes.run(["lvremove", "--force", f"{self._group}/{volume}"])

    def _volumes(self) -> set[str]:
        done = processes.run(["lvs", "--noheadings", "-o", "lv_name", self._group])
        return set(done.stdout.split())

    def _device(self, volume: str) -> pathlib.Path:
        return pathlib.Path("/dev") / self._group / volume

    @staticmethod
    def _volume(directory: pathlib.Path, name: str) -> str:
        return f"{directory.name}_{name}"
