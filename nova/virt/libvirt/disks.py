# SPDX-License-Identifier: Apache-2.0
"""The disk files of a guest: an overlay on a cached base for its root, empty ones for ephemeral and swap space."""

from __future__ import annotations

import pathlib

from nova import errors
from nova.host import files, images
from nova.host.imagecache import ImageCache
from nova.virt.libvirt.domain import DiskFile
from nova.virt.types import GuestSpec, Progress

GIB = 1 << 30
MIB = 1 << 20
FORMAT = "qcow2"


def layout(guest: GuestSpec, directory: pathlib.Path) -> list[DiskFile]:
    """Which disks a guest has, whether made or not."""
    names = ["disk"]
    if guest.ephemeral_gb:
        names.append("disk.ephemeral")
    if guest.swap_mb:
        names.append("disk.swap")
    return [DiskFile(directory / name, f"vd{letter}", FORMAT) for name, letter in zip(names, "abc", strict=False)]


def make(guest: GuestSpec, directory: pathlib.Path, cache: ImageCache, progress: Progress) -> list[DiskFile]:
    """Have all disks. Each appears complete under its name or not at all, so a repetition goes on from there."""
    sizes = {"disk.ephemeral": guest.ephemeral_gb * GIB, "disk.swap": guest.swap_mb * MIB}
    disks = layout(guest, directory)
    for disk in disks:
        if disk.path.exists():
            continue
        draft = disk.path.with_name(disk.path.name + ".new")
        draft.unlink(missing_ok=True)
        if disk.path.name == "disk":
            _root(guest, draft, cache, progress)
        else:
            images.create(draft, FORMAT, sizes[disk.path.name])
        draft.rename(disk.path)
        files.sync_directory(directory)
    return disks


def _root(guest: GuestSpec, path: pathlib.Path, cache: ImageCache, progress: Progress) -> None:
    size = guest.root_gb * GIB
    if guest.image is None:
        images.create(path, FORMAT, size or GIB)
        return
    progress("fetching the image", 20)
    try:
        base = cache.get(guest.image, size or None)
    except errors.Invalid as e:
        raise errors.HostFailure(e.message, retry=False) from e
    progress("making the disk", 60)
    images.create_overlay(path, base.path, base.format, size or base.virtual_size)


def bases(instances: pathlib.Path) -> set[pathlib.Path]:
    """What the root disks of all guests lie over, running or not."""
    found = set()
    for path in instances.glob("*/disk"):
        if backing := images.info(path, FORMAT).backing_file:
            found.add(pathlib.Path(backing))
    return found
