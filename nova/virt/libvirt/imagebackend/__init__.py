# SPDX-License-Identifier: Apache-2.0
"""How disks of guests are kept: one class a file. A guest's own file tells which one made each of its disks."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import orjson
from oslo_config import cfg

from nova import errors
from nova.host import files
from nova.virt.libvirt.imagebackend.base import Backend, FileBackend
from nova.virt.libvirt.imagebackend.flat import Flat
from nova.virt.libvirt.imagebackend.lvm import Lvm
from nova.virt.libvirt.imagebackend.qcow2 import Qcow2
from nova.virt.libvirt.imagebackend.raw import Raw

__all__ = ["Backend", "Flat", "Lvm", "Qcow2", "Raw", "by_name", "chosen", "kept", "keep"]

FILE = "disk.info"
_CLASSES: dict[str, type[FileBackend]] = {"qcow2": Qcow2, "flat": Flat, "raw": Raw}


def chosen(conf: cfg.ConfigOpts) -> str:
    """The name of the one that new disks are made by; ConfigError when it cannot be."""
    name = str(conf.libvirt.images_type)
    if name != "lvm":
        return name
    if not conf.libvirt.images_volume_group:
        raise errors.ConfigError("libvirt.images_type = lvm needs libvirt.images_volume_group.")
    return f"lvm:{conf.libvirt.images_volume_group}"


def by_name(name: str, conf: cfg.ConfigOpts | None = None) -> Backend:
    """``lvm`` has its volume group behind a colon."""
    preallocate = conf is not None and conf.preallocate_images == "space"
    kind, _, group = name.partition(":")
    if kind == "lvm":
        return Lvm(group, clear=conf is None or conf.libvirt.volume_clear == "zero")
    return _CLASSES[kind](preallocate)


def kept(directory: pathlib.Path) -> dict[str, str]:
    """Disk → name of what made it. A guest without the file has files of the first kind."""
    try:
        found: dict[str, str] = orjson.loads((directory / FILE).read_bytes())
    except FileNotFoundError:
        return {}
    return found


def keep(directory: pathlib.Path, names: Mapping[str, str]) -> None:
    """Tell who makes these disks, before they are made."""
    files.write_atomic(directory / FILE, orjson.dumps(dict(names), option=orjson.OPT_SORT_KEYS))
