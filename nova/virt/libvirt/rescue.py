# SPDX-License-Identifier: Apache-2.0
"""Guests of libvirt that boot from a rescue image: a disk more, and a document that begins with it."""

from __future__ import annotations

import dataclasses
import pathlib
import string
from typing import Any

from nova import errors
from nova.host import files, images
from nova.virt.interfaces import Rescue
from nova.virt.libvirt.disks import PREFIXES, RESCUE
from nova.virt.libvirt.lifecycle import LibvirtLifecycle
from nova.virt.libvirt.xml.draft import DiskFile
from nova.virt.types import GuestSpec, ImageSource, PowerState, Progress, no_progress

_FORMAT = "qcow2"


class LibvirtRescue(LibvirtLifecycle, Rescue):
    def rescue(self, guest: GuestSpec, image: ImageSource, timeout: float = 0,
               progress: Progress = no_progress) -> None:
        """A repetition goes on with the disk that is there; the document says whether the guest has it already."""
        if self._has_rescue_disk(guest.uuid) and self.info(guest.uuid).power_state is PowerState.RUNNING:
            return
        disk = self._rescue_disk(guest, image, progress)
        progress("stopping", 70)
        self.power_off(guest.uuid, timeout)
        self.hypervisor.claim(guest)
        made = beside(self.hypervisor.layout(guest), disk, image)
        self.hypervisor.connection.call(self._define_and_start, guest, made)
        progress("started", 100)

    def unrescue(self, guest: GuestSpec, *, power_on: bool) -> None:
        if self._has_rescue_disk(guest.uuid):
            self._stop_hard(guest.uuid)
            self.hypervisor.claim(guest)
            self.hypervisor.connection.call(self._define, guest, self.hypervisor.layout(guest))
        if power_on:
            self.power_on(guest.uuid)
        else:
            self._stop_hard(guest.uuid)
        self._path(guest.uuid).unlink(missing_ok=True)

    def _path(self, uuid: str) -> pathlib.Path:
        return self.hypervisor.directory(uuid) / RESCUE

    def _rescue_disk(self, guest: GuestSpec, image: ImageSource, progress: Progress) -> pathlib.Path:
        path = self._path(guest.uuid)
        if path.exists():
            return path
        progress("fetching the image", 20)
        try:
            base = self.hypervisor.cache.get(image, None)
        except errors.Invalid as e:
            raise errors.HostFailure(e.message, retry=False) from e
        draft = path.with_name(f"{RESCUE}.new")
        draft.unlink(missing_ok=True)
        images.create_overlay(draft, base.path, base.format, base.virtual_size)
        draft.rename(path)
        files.sync_directory(path.parent)
        return path

    def _has_rescue_disk(self, uuid: str) -> bool:
        path = str(self._path(uuid))
        found: bool = self._on_domain(uuid, lambda dom: path in dom.XMLDesc(0))
        return found

    def _define(self, conn: Any, guest: GuestSpec, made: list[DiskFile]) -> None:
        conn.defineXML(self.hypervisor.document(conn, guest, self._free_name(conn, guest), made))


def beside(own: list[DiskFile], path: pathlib.Path, image: ImageSource) -> list[DiskFile]:
    """The disks of a rescued guest: the rescue disk in the place of the first and the others after it; or, where the
    image names a device or a bus, the others in their places, and the rescue disk last but booted first."""
    device, bus = (str(image.properties.get(name) or "") for name in ("hw_rescue_device", "hw_rescue_bus"))
    if not device and not bus:
        first = own[0]
        prefix = PREFIXES[first.bus]
        moved = [dataclasses.replace(disk, device=_after(disk.device)) if disk.device.startswith(prefix) else disk
                 for disk in own]
        return [DiskFile(path, first.device, _FORMAT, first.bus), *moved]
    media = device or "disk"
    if media not in ("disk", "cdrom"):
        raise errors.HostFailure(f"A rescue image can not be a {media} here: set hw_rescue_device to disk or cdrom.",
                                 retry=False)
    chosen = bus or ("sata" if media == "cdrom" else own[0].bus)
    if chosen not in PREFIXES:
        raise errors.HostFailure(f"hw_rescue_bus = {chosen} is none of {', '.join(sorted(PREFIXES))}.", retry=False)
    prefix, taken = PREFIXES[chosen], {disk.device for disk in own}
    free = next(letter for letter in string.ascii_lowercase if prefix + letter not in taken)
    return [*own, DiskFile(path, prefix + free, _FORMAT, chosen, media, boot=1)]


def _after(device: str) -> str:
    return device[:-1] + chr(ord(device[-1]) + 1)
