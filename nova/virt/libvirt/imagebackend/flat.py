# SPDX-License-Identifier: Apache-2.0
"""Disks of their own in QEMU's format: no base is needed to run them, and they can be moved alone."""

from __future__ import annotations

import pathlib

from nova.host import images
from nova.host.imagecache import Base
from nova.virt.libvirt.imagebackend.base import FileBackend, check_fits


class Flat(FileBackend):
    def from_base(self, directory: pathlib.Path, name: str, base: Base, size: int) -> None:
        check_fits(base, size)

        def write(draft: pathlib.Path) -> None:
            images.convert(base.path, base.format, draft, self.format)
            images.resize(draft, self.format, size)

        self.appear(directory / name, size, write)
