# SPDX-License-Identifier: Apache-2.0
"""Images of fake guests: small files whose bytes follow from the guest, so that whoever gets them can tell."""

from __future__ import annotations

import pathlib
import struct

from nova import errors
from nova.virt.fake.guests import FakeGuest
from nova.virt.fake.host import FakeHost
from nova.virt.interfaces import Quiesce, Snapshots
from nova.virt.types import PowerState, Progress, no_progress

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_SECTOR = 512
#: Marks an entry of a table whose cluster nothing else refers to.
_USED = 1 << 63
GIB = 1 << 30


class FakeSnapshots(FakeHost, Snapshots):
    def snapshot(self, uuid: str, image_id: str, disk_format: str, quiesce: Quiesce = "no",
                 progress: Progress = no_progress) -> pathlib.Path:
        path = self.snapshots_of(uuid) / image_id
        with self.lock:
            guest = self.find(uuid)
        if path.exists():
            self.knobs.strike("reread")
            return path
        progress("copying", 10)
        self.knobs.strike("snapshot")
        if quiesce == "must" and guest.power_state == PowerState.RUNNING:
            self.knobs.strike("quiesce")
        with self.lock:
            content = content_of(self.find(uuid), disk_format)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(image_id + ".new")
            draft.write_bytes(content)
            draft.replace(path)
        progress("copied", 100)
        return path

    def drop_snapshot(self, uuid: str, image_id: str) -> None:
        self.knobs.strike("drop_snapshot")
        directory = self.snapshots_of(uuid)
        for name in (image_id, image_id + ".new"):
            (directory / name).unlink(missing_ok=True)
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()

    def snapshots(self) -> list[str]:
        """Which files of snapshots lie on this host, as guest/image."""
        root = self.directory / "snapshots"
        return sorted(f"{path.parent.name}/{path.name}" for path in root.glob("*/*"))


def content_of(guest: FakeGuest, disk_format: str) -> bytes:
    """What a snapshot of this guest holds now: it tells which guest it was and how often that was started."""
    told = f"fake disk of {guest.uuid}, started {len(guest.boots)} times\n".encode()
    if disk_format == "raw":
        return told.ljust(_SECTOR, b"\0")
    if disk_format != "qcow2":
        raise errors.HostFailure(f"A fake host makes no snapshots of format {disk_format}.", retry=False)
    return _qcow2(max(guest.disk_gb, 1) * GIB, told)


def _qcow2(size: int, content: bytes) -> bytes:
    """A disk of this size that begins with ``content``, version 3: header, refcounts, tables and data, a cluster each.
    """
    tables = -(-size // (_CLUSTER * _CLUSTER // 8))
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, _CLUSTER_BITS, size, 0, tables, 3 * _CLUSTER,
                         _CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104)
    refcounts, first, second = (struct.pack(">Q", _USED * copied | at * _CLUSTER)
                                for at, copied in ((2, 0), (4, 1), (5, 1)))
    parts = (header, refcounts, b"\0\1" * 6, first, second, content)
    return b"".join(part.ljust(_CLUSTER, b"\0") for part in parts)
