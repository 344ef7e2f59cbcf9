# SPDX-License-Identifier: Apache-2.0
"""Guests of libvirt that change their size and their host.

The directory of a guest that leaves is renamed, and its domain is undefined: what waits there is no guest. Where both
hosts see the same directory, or are the same, the disks are copied with what they are based on. Otherwise each is
written as one file without a base, which the other host fetches by a signed URL and inspects before it opens it.
"""

from __future__ import annotations

import pathlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.host import download, files, images, inspector, processes
from nova.host.handover import SUFFIX, Handover
from nova.virt.interfaces import Resize
from nova.virt.libvirt import disks, imagebackend
from nova.virt.libvirt.lifecycle import LibvirtLifecycle
from nova.virt.types import GuestSpec, Progress, no_progress

ASIDE = "_resize"
_OURS = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})" + ASIDE + r"\Z")
#: For so many seconds a disk may be fetched: longer than any move takes before it is given up.
VALID = 4 * 3600.0
COPY_TIMEOUT = 3600

class LibvirtResize(LibvirtLifecycle, Resize):
    handover: Handover

    def expect(self, guest: GuestSpec, *, from_here: bool) -> Mapping[str, Any]:
        """A mark that the other host sees if both have the same directory."""
        if imagebackend.chosen(self.hypervisor.conf).startswith("lvm:"):
            raise errors.HostFailure("Disks in LVM cannot come from another host.", retry=True)
        mark = secrets.token_hex(8)
        files.write_atomic(self._mark(guest.uuid), mark, durable=False)
        return {"mark": mark}

    def set_aside(self, guest: GuestSpec, expected: Mapping[str, Any], timeout: float,
                  progress: Progress = no_progress) -> Mapping[str, Any]:
        directory, aside = self.hypervisor.directory(guest.uuid), self._aside(guest.uuid)
        makers = self._travelling(aside if aside.is_dir() else directory)
        if not aside.is_dir():
            self._end(guest.uuid, timeout)
            directory.rename(aside)
            files.sync_directory(aside.parent)
        if self._sees(guest.uuid, str(expected.get("mark"))):
            return {"shared": True}
        try:
            return {"files": {name: self._hand_out(aside, name, maker, progress) for name, maker in makers.items()}}
        except OSError as e:
            raise errors.HostFailure(f"The disks cannot be prepared: {e.strerror}.", retry=False) from e

    def bring_in(self, guest: GuestSpec, disks: Mapping[str, Any], progress: Progress = no_progress, *,
                 power_on: bool = True) -> None:
        directory = self.hypervisor.directory(guest.uuid)
        if not self._defined(guest.uuid):
            try:
                directory.mkdir(mode=0o711, parents=True, exist_ok=True)
                self._take_over(guest, directory, disks, progress)
                made = self._make_files(guest, progress)
            except OSError as e:
                raise errors.HostFailure(f"The disks cannot be brought here: {e.strerror}.", retry=False) from e
            self.hypervisor.connection.call(self._define, guest, made)
        self._mark(guest.uuid).unlink(missing_ok=True)
        if power_on:
            self.power_on(guest.uuid)

    def take_back(self, guest: GuestSpec, *, power_on: bool) -> None:
        directory, aside = self.hypervisor.directory(guest.uuid), self._aside(guest.uuid)
        if aside.is_dir():
            files.remove_tree(directory)
            aside.rename(directory)
            files.sync_directory(directory.parent)
        for sent in directory.glob(f"*{SUFFIX}*"):
            sent.unlink()
        if not self._defined(guest.uuid):
            self.hypervisor.connection.call(self._define, guest, self.hypervisor.layout(guest))
        if power_on:
            self.power_on(guest.uuid)

    def drop_aside(self, uuid: str) -> None:
        files.remove_tree(self._aside(uuid))
        self._mark(uuid).unlink(missing_ok=True)

    def list_aside(self) -> list[str]:
        return sorted(found.group(1) for entry in self.hypervisor.instances.iterdir()
                      if entry.is_dir() and (found := _OURS.match(entry.name)))

    def hand_out_again(self) -> None:
        """After a restart: a host that fetches goes on."""
        if any(True for _ in self.hypervisor.instances.glob(f"*{ASIDE}/*{SUFFIX}")):
            self.handover.listen()

    # -- at the source -------------------------------------------------------------------------------------------------

    def _end(self, uuid: str, timeout: float) -> None:
        try:
            self.power_off(uuid, timeout)
            self._on_domain(uuid, self._undefine)
        except errors.NotFound:
            return

    def _hand_out(self, aside: pathlib.Path, name: str, maker: str, progress: Progress) -> dict[str, Any]:
        """One file without a base, complete under its name or not there."""
        done = aside / (name + SUFFIX)
        if not done.exists():
            progress("copying disks", 30)
            draft = done.with_name(done.name + ".new")
            draft.unlink(missing_ok=True)
            backend = imagebackend.by_name(maker)
            images.convert(backend.path(aside, name), backend.format, draft, disks.FORMAT)
            draft.rename(done)
            files.sync_directory(aside)
        return {"url": self.handover.url(aside.name, name, VALID),
                "size": images.info(done, disks.FORMAT).virtual_size}

    def _travelling(self, directory: pathlib.Path) -> dict[str, str]:
        """What comes along. Swap space and config drive are made anew."""
        kept = imagebackend.kept(directory) or {
            name: disks.FORMAT for name in (disks.ROOT, disks.EPHEMERAL) if (directory / name).exists()}
        if any(maker.startswith("lvm:") for maker in kept.values()):
            raise errors.HostFailure("Disks in LVM cannot leave their host.", retry=False)
        return {name: maker for name, maker in kept.items() if name == disks.ROOT or disks.is_ephemeral(name)}

    # -- at the destination --------------------------------------------------------------------------------------------

    def _take_over(self, guest: GuestSpec, directory: pathlib.Path, told: Mapping[str, Any],
                   progress: Progress) -> None:
        """Have the disks that come along, at this guest's sizes."""
        aside = self._aside(guest.uuid)
        sizes = {disks.ROOT: guest.root_gb * disks.GIB} | {
            name: disk.gb * disks.GIB for name, disk in disks.ephemerals(guest).items()}
        chosen = imagebackend.chosen(self.hypervisor.conf)
        makers = (self._travelling(aside) if told.get("shared") else dict.fromkeys(told["files"], chosen))
        makers = {name: maker for name, maker in makers.items() if name == disks.ROOT or sizes.get(name)}
        if imagebackend.kept(directory) != makers and not self._defined(guest.uuid):
            imagebackend.keep(directory, imagebackend.kept(directory) | makers)
        for name, maker in makers.items():
            if (directory / name).exists():
                continue
            progress("bringing disks", 50)
            draft = directory / f"{name}.coming"
            backend = imagebackend.by_name(maker)
            if told.get("shared"):
                draft.unlink(missing_ok=True)
                processes.run(["cp", "--sparse=always", "--reflink=auto", backend.path(aside, name), draft],
                              timeout=COPY_TIMEOUT)
            else:
                self._fetch(told["files"][name], directory / f"{name}.part", draft, backend.format)
            if sizes[name]:
                images.resize(draft, backend.format, sizes[name])
            draft.rename(directory / name)
            files.sync_directory(directory)

    @staticmethod
    def _fetch(told: Mapping[str, Any], part: pathlib.Path, draft: pathlib.Path, image_format: str) -> None:
        """Another host's file is not trusted: it is what it shall be, and leads to no other file."""
        download.fetch(told["url"], part)
        try:
            inspector.verify(part, disks.FORMAT, int(told["size"]))
        except errors.Invalid as e:
            part.unlink()
            raise errors.HostFailure(f"What the other host sent is not accepted: {e.message}", retry=False) from e
        draft.unlink(missing_ok=True)
        if image_format == disks.FORMAT:
            part.rename(draft)
        else:
            images.convert(part, disks.FORMAT, draft, image_format)
            part.unlink()

    def _define(self, conn: Any, guest: GuestSpec, made: Any) -> None:
        conn.defineXML(self.hypervisor.document(conn, guest, self._free_name(conn, guest), made))

    # -- both ----------------------------------------------------------------------------------------------------------

    def _defined(self, uuid: str) -> bool:
        try:
            self._on_domain(uuid, lambda dom: None)
        except errors.NotFound:
            return False
        return True

    def _aside(self, uuid: str) -> pathlib.Path:
        return self.hypervisor.instances / (uuid + ASIDE)

    def _mark(self, uuid: str) -> pathlib.Path:
        return self.hypervisor.instances / f".expected-{uuid}"

    def _sees(self, uuid: str, mark: str) -> bool:
        try:
            return self._mark(uuid).read_text() == mark
        except FileNotFoundError:
            return False
