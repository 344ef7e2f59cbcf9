# SPDX-License-Identifier: Apache-2.0
"""Guests of libvirt that get new disks where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nova import errors
from nova.virt.interfaces import Rebuild
from nova.virt.libvirt import disks
from nova.virt.libvirt.domain import DiskFile
from nova.virt.libvirt.lifecycle import LibvirtLifecycle
from nova.virt.types import GuestSpec, Progress, no_progress


class LibvirtRebuild(LibvirtLifecycle, Rebuild):
    def rebuild(self, guest: GuestSpec, *, preserve_ephemeral: bool, progress: Progress = no_progress) -> None:
        self._end_guest(guest.uuid)
        try:
            self.hypervisor.disks.discard(guest.uuid, tuple(disks.ephemerals(guest)) if preserve_ephemeral else ())
            made = self._make_files(guest, progress)
        except OSError as e:
            raise errors.HostFailure(f"The disks cannot be made anew: {e.strerror}.", retry=False) from e
        self.hypervisor.connection.call(self._define_off, guest, made)

    def _end_guest(self, uuid: str) -> None:
        """It runs no more, and has no memory to wake up with on other disks."""
        try:
            self._stop_hard(uuid)
            self._on_domain(uuid, lambda dom: dom.managedSaveRemove(0) if dom.hasManagedSaveImage(0) else 0)
        except errors.NotFound:
            return

    def _define_off(self, conn: Any, guest: GuestSpec, made: Sequence[DiskFile]) -> None:
        """In a blocking call, apart from other tasks."""
        conn.defineXML(self.hypervisor.document(conn, guest, self._free_name(conn, guest), made))
        self.hypervisor.ownership.take(self.hypervisor.directory(guest.uuid))
