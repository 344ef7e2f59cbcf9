# SPDX-License-Identifier: Apache-2.0
"""Disks that keep what differs from a base image, which many guests of a host share."""

from __future__ import annotations

import pathlib

from nova.host import images
from nova.host.imagecache import Base
from nova.virt.libvirt.imagebackend.base import FileBackend


class Qcow2(FileBackend):
    def from_base(self, directory: pathlib.Path, name: str, base: Base, size: int) -> None:
        self.appear(directory / name, size,
                    lambda draft: images.create_overlay(draft, base.path, base.format, size))
