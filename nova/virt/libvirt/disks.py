# SPDX-License-Identifier: Apache-2.0
"""The disks of a guest: root, ephemeral space with a file system, swap space, config drive. How each is kept is told by
:mod:`nova.virt.libvirt.imagebackend`."""

from __future__ import annotations

import pathlib
import string
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from nova import errors
from nova.host import files, filesystems, images, machine
from nova.host.imagecache import ImageCache
from nova.virt import metadata
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt.xml.draft import DiskFile, Settings, machine_of, wishes_of
from nova.virt.types import EphemeralDisk, GuestSpec, Progress

GIB = 1 << 30
MIB = 1 << 20
ROOT, EPHEMERAL, SWAP, CONFIG = "disk", "disk.ephemeral", "disk.swap", "disk.config"
#: Of a guest that is rescued: an overlay, whatever its other disks are.
RESCUE = "disk.rescue"
CONFIG_LABEL = "config-2"
#: Of an ephemeral disk, with its number.
EPHEMERAL_LABEL = "ephemeral"
FORMAT = "qcow2"
PREFIXES = {"virtio": "vd", "ide": "hd", "sata": "sd", "scsi": "sd", "usb": "sd"}
#: What is named as maker of a config drive, which no backend keeps.
_ISO, _VFAT = "iso9660", "vfat"


def ephemerals(guest: GuestSpec) -> dict[str, EphemeralDisk]:
    """The ephemeral disks by name. The first has no number: it may be the only one."""
    return {EPHEMERAL + (str(number) if number else ""): disk for number, disk in enumerate(guest.ephemeral_disks)}


def is_ephemeral(name: str) -> bool:
    return name.startswith(EPHEMERAL)


class GuestDisks:
    """Disks of guests whose directories lie in ``instances``."""

    def __init__(self, instances: pathlib.Path, cache: ImageCache, conf: cfg.ConfigOpts) -> None:
        self._instances, self._cache, self._conf = instances, cache, conf
        self._chosen = imagebackend.chosen(conf)

    def layout(self, guest: GuestSpec, settings: Settings) -> list[DiskFile]:
        """Which disks a guest has, whether made or not."""
        directory = self._instances / guest.uuid
        makers = self._makers(guest)
        asked = wishes_of(guest)
        bus = asked.word("disk_bus") or "virtio"
        named = {ROOT: guest.root_bus, SWAP: guest.swap_bus} | {n: disk.bus for n, disk in ephemerals(guest).items()}
        cdrom_bus = asked.word("cdrom_bus") or ("sata" if "q35" in machine_of(guest, settings) else "ide")
        found, taken = [], dict.fromkeys(PREFIXES.values(), 0)
        for name, maker in makers.items():
            its_bus = cdrom_bus if maker == _ISO else named.get(name) or bus
            prefix = PREFIXES[its_bus]
            device = prefix + string.ascii_lowercase[taken[prefix]]
            taken[prefix] += 1
            if name == CONFIG:
                found.append(DiskFile(directory / name, device, "raw", its_bus, "cdrom" if maker == _ISO else "disk"))
            else:
                backend = imagebackend.by_name(maker)
                found.append(DiskFile(backend.path(directory, name), device, backend.format, its_bus,
                                      kind=backend.kind))
        return found

    def missing(self, guest: GuestSpec) -> list[str]:
        """The names of disks that are not there."""
        directory = self._instances / guest.uuid
        return [name for name, maker in self._makers(guest).items()
                if not (directory.joinpath(name).exists() if name == CONFIG
                        else imagebackend.by_name(maker).exists(directory, name))]

    def make(self, guest: GuestSpec, progress: Progress) -> None:
        """Have all disks. Each appears complete or not at all, so a repetition goes on from there."""
        directory = self._instances / guest.uuid
        makers = self._makers(guest)
        if makers != imagebackend.kept(directory):
            imagebackend.keep(directory, makers)
        for name in self.missing(guest):
            if name == CONFIG:
                self._config_drive(guest, directory, makers[name])
                continue
            backend = imagebackend.by_name(makers[name], self._conf)
            if name == ROOT:
                self._root(guest, directory, backend, progress)
            else:
                self._blank(guest, directory, backend, name)

    def discard(self, uuid: str, keep: Sequence[str]) -> None:
        """The disks of a guest go, but for those to ``keep``; how each is kept stays as it was chosen."""
        directory = self._instances / uuid
        for name, maker in imagebackend.kept(directory).items():
            if name in keep:
                continue
            if name != CONFIG:
                imagebackend.by_name(maker, self._conf).remove(directory, name)
            (directory / name).unlink(missing_ok=True)
        (directory / RESCUE).unlink(missing_ok=True)

    def remove(self, uuid: str) -> None:
        """What disks of a guest lie outside of its directory."""
        directory = self._instances / uuid
        for name, maker in imagebackend.kept(directory).items():
            if name != CONFIG:
                imagebackend.by_name(maker, self._conf).remove(directory, name)

    def space(self) -> machine.Disk:
        """What there is for disks of new guests."""
        if not self._chosen.startswith("lvm:"):
            return machine.disk(self._instances)
        size, free = imagebackend.Lvm(self._chosen.partition(":")[2]).size_and_free()
        return machine.Disk(total=size // GIB, used=(size - free) // GIB, free=free // GIB)

    def bases(self) -> set[pathlib.Path]:
        """What the root disks of all guests lie over, running or not."""
        found = set()
        for path in self._instances.glob(f"*/{ROOT}"):
            if imagebackend.kept(path.parent).get(ROOT, FORMAT) == FORMAT:
                backing = images.info(path, FORMAT).backing_file
                if backing:
                    found.add(pathlib.Path(backing))
        for path in self._instances.glob(f"*/{RESCUE}"):
            if backing := images.info(path, FORMAT).backing_file:
                found.add(pathlib.Path(backing))
        return found

    def _makers(self, guest: GuestSpec) -> dict[str, str]:
        """Disk → what made or will make it. What a guest has stays as it is, whatever is chosen for new ones."""
        kept = imagebackend.kept(self._instances / guest.uuid)
        return {name: kept.get(name, chosen) for name, chosen in self._wanted(guest)}

    def _wanted(self, guest: GuestSpec) -> Iterator[tuple[str, str]]:
        yield ROOT, self._chosen
        for name in ephemerals(guest):
            yield name, self._chosen
        if guest.swap_mb:
            yield SWAP, self._chosen
        if guest.config_drive:
            yield CONFIG, _VFAT if self._conf.config_drive_format == "vfat" else _ISO

    def _root(self, guest: GuestSpec, directory: pathlib.Path, backend: imagebackend.Backend,
              progress: Progress) -> None:
        size = guest.root_gb * GIB
        if guest.image is None:
            backend.empty(directory, ROOT, size or GIB)
            return
        progress("fetching the image", 20)
        try:
            base = self._cache.get(guest.image, size or None)
        except errors.Invalid as e:
            raise errors.HostFailure(e.message, retry=False) from e
        progress("making the disk", 60)
        backend.from_base(directory, ROOT, base, size or base.virtual_size)

    def _blank(self, guest: GuestSpec, directory: pathlib.Path, backend: imagebackend.Backend, name: str) -> None:
        raw = directory / f"{name}.raw"
        raw.unlink(missing_ok=True)
        if name == SWAP:
            filesystems.swap_file(raw, guest.swap_mb * MIB)
        else:
            names = list(ephemerals(guest))
            disk = ephemerals(guest)[name]
            windows = wishes_of(guest).text("os_type") == "windows"
            kind = disk.format or self._conf.default_ephemeral_format or ("ntfs" if windows else "ext4")
            filesystems.format_file(raw, disk.gb * GIB, kind, f"{EPHEMERAL_LABEL}{names.index(name)}")
        backend.adopt(directory, name, raw)

    def _config_drive(self, guest: GuestSpec, directory: pathlib.Path, maker: str) -> None:
        """It may hold a password: nobody but QEMU reads it."""
        draft = directory / f"{CONFIG}.new"
        draft.unlink(missing_ok=True)
        tree = metadata.config_drive(guest)
        if maker == _VFAT:
            filesystems.vfat(draft, tree, CONFIG_LABEL)
        else:
            filesystems.iso(draft, tree, CONFIG_LABEL, self._conf.mkisofs_cmd)
        draft.chmod(0o600)
        draft.rename(directory / CONFIG)
        files.sync_directory(directory)
