# SPDX-License-Identifier: Apache-2.0
"""Disks of their own without any format around them: a little faster, and without snapshots inside."""

from __future__ import annotations

import os
import pathlib

from nova.virt.libvirt.imagebackend.flat import Flat


class Raw(Flat):
    format = "raw"

    def adopt(self, directory: pathlib.Path, name: str, raw: pathlib.Path) -> None:
        self.appear(directory / name, raw.stat().st_size, lambda draft: os.replace(raw, draft))
