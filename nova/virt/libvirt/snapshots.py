# SPDX-License-Identifier: Apache-2.0
"""Images of guests' disks. Of a running guest QEMU's own backup copies what the disk holds at one moment, while the
guest goes on; of one that is off the file is copied. Both give a file without a base."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from typing import Any

from lxml import etree
from lxml.builder import E

from nova import concurrency, errors
from nova.host import files, images
from nova.virt.interfaces import Quiesce, Snapshots
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.types import Progress, no_progress

LOG = logging.getLogger(__name__)

#: How long a copy may stand still before it is given up.
STILL = 120.0
LOOK_AGAIN = 0.2
#: Seconds that the guest's agent gets for each answer.
AGENT_TIMEOUT = 10
_WORKING = "qcow2"


@dataclasses.dataclass(frozen=True, slots=True)
class RootDisk:
    """The first disk of a guest as its document tells."""

    device: str
    path: str
    format: str


class LibvirtSnapshots(Snapshots):
    hypervisor: Hypervisor

    def snapshot(self, uuid: str, image_id: str, disk_format: str, quiesce: Quiesce = "no",
                 progress: Progress = no_progress) -> pathlib.Path:
        done, draft = self._paths(uuid, image_id)
        if done.exists():
            return done
        try:
            self._remove(uuid, image_id)
            self._copy(uuid, draft, quiesce, progress)
            if disk_format != _WORKING:
                converted = draft.with_suffix(".converted")
                images.convert(draft, _WORKING, converted, disk_format)
                draft.unlink()
                draft = converted
            draft.rename(done)
            files.sync_directory(done.parent)
        except OSError as e:
            raise errors.HostFailure(f"The snapshot cannot be written: {e.strerror}.") from e
        return done

    def drop_snapshot(self, uuid: str, image_id: str) -> None:
        try:
            self._remove(uuid, image_id)
        except errors.NotFound:
            LOG.debug("guest %s is gone, and what was copied of it", uuid)
        for path in self._paths(uuid, image_id):
            path.unlink(missing_ok=True)

    def _paths(self, uuid: str, image_id: str) -> tuple[pathlib.Path, pathlib.Path]:
        """The file, and what it is until it is complete: beside the disk, so that both go with the guest."""
        directory = self.hypervisor.directory(uuid)
        return directory / f"snapshot-{image_id}", directory / f"snapshot-{image_id}.new"

    def _remove(self, uuid: str, image_id: str) -> None:
        """What an earlier attempt, or one for another image, left unfinished."""
        self.hypervisor.connection.domain(uuid, self._end_backup)
        end = concurrency.monotonic() + STILL
        while self.hypervisor.connection.domain(uuid, self._copying):
            if concurrency.monotonic() > end:
                raise errors.HostFailure("An earlier copy of the disk does not end.")
            concurrency.sleep(LOOK_AGAIN)
        keep = self._paths(uuid, image_id)[0]
        for path in self.hypervisor.directory(uuid).glob("snapshot-*"):
            if path != keep:
                path.unlink(missing_ok=True)

    def _copy(self, uuid: str, target: pathlib.Path, quiesce: Quiesce, progress: Progress) -> None:
        connection = self.hypervisor.connection
        disk = root_disk(connection.domain(uuid, lambda dom: dom.XMLDesc(0)))
        size = images.info(disk.path, disk.format).virtual_size
        progress("copying", 5)
        if not connection.domain(uuid, lambda dom: dom.isActive()):
            images.convert(disk.path, disk.format, target, _WORKING)
            return
        images.create(target, _WORKING, size)
        target.chmod(0o644)  # QEMU's user writes it for a while, and we read it again
        frozen = self._freeze(uuid, quiesce)
        try:
            connection.domain(uuid, self._begin_backup, disk.device, target)
        finally:
            if frozen:
                self._thaw(uuid)
        self._await_backup(uuid, progress)

    def _await_backup(self, uuid: str, progress: Progress) -> None:
        connection = self.hypervisor.connection
        left, moved_at = -1, concurrency.monotonic()
        while (job := connection.domain(uuid, self._copying)) is not None:
            remaining = int(job.get("disk_remaining", 0))
            now = concurrency.monotonic()
            if remaining != left:
                left, moved_at = remaining, now
                total = int(job.get("disk_total", 0)) or 1
                progress("copying", 5 + 85 * (total - remaining) // total)
            if now - moved_at > STILL:
                connection.domain(uuid, self._end_backup)
                raise errors.HostFailure(f"The copy of the disk stood still for {STILL:g} s.")
            concurrency.sleep(LOOK_AGAIN)
        ended = connection.domain(uuid, self._outcome)
        if ended is not None:
            raise errors.HostFailure(f"The disk cannot be copied: {ended}.")

    # -- the guest's agent ---------------------------------------------------------------------------------------------

    def _freeze(self, uuid: str, quiesce: Quiesce) -> bool:
        if quiesce == "no":
            return False
        try:
            self.hypervisor.connection.domain(uuid, _freeze)
        except errors.HostFailure as e:
            self._thaw(uuid)  # it may have frozen some of them
            if quiesce == "must":
                raise errors.HostFailure(f"The guest's file systems cannot be written out first: {e.message}",
                                         retry=False) from e
            LOG.info("guest %s is copied without its agent's help: %s", uuid, e.message)
            return False
        return True

    def _thaw(self, uuid: str) -> None:
        try:
            self.hypervisor.connection.domain(uuid, lambda dom: dom.fsThaw())
        except errors.HostFailure as e:
            LOG.warning("the agent of guest %s did not thaw its file systems: %s", uuid, e.message)

    # -- in a blocking call, apart from other tasks --------------------------------------------------------------------

    def _begin_backup(self, dom: Any, device: str, target: pathlib.Path) -> None:
        flag = self.hypervisor.libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
        others = [d for d in _devices(dom.XMLDesc(0)) if d != device]
        dom.backupBegin(backup_document(device, others, target), None, flag)

    def _copying(self, dom: Any) -> dict[str, Any] | None:
        """How far a copy is; None when there is none."""
        libvirt = self.hypervisor.libvirt
        if not dom.isActive():
            return None
        stats: dict[str, Any] = dom.jobStats()
        if stats.get("type") == libvirt.VIR_DOMAIN_JOB_NONE:
            return None
        return stats if stats.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP else None

    def _end_backup(self, dom: Any) -> None:
        libvirt = self.hypervisor.libvirt
        if self._copying(dom) is None:
            return
        try:
            dom.abortJob()
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise  # else it has come to its end by itself meanwhile

    def _outcome(self, dom: Any) -> str | None:
        """None when the last copy went well, else why not."""
        libvirt = self.hypervisor.libvirt
        if not dom.isActive():
            return "the guest ended meanwhile"
        stats = dom.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        if stats.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED and stats.get("success", True):
            return None
        return str(stats.get("errmsg") or "it was cancelled")


def root_disk(document: str) -> RootDisk:
    """Raises HostFailure for a guest without a disk of its own."""
    for disk in etree.fromstring(document).findall("devices/disk[@device='disk']"):
        source, driver, target = disk.find("source"), disk.find("driver"), disk.find("target")
        path = None if source is None else source.get("file") or source.get("dev")
        if path and driver is not None and target is not None:
            return RootDisk(target.get("dev"), path, driver.get("type", "raw"))
    raise errors.HostFailure("The guest has no disk on this host.", retry=False)


def backup_document(device: str, others: list[str], target: pathlib.Path) -> str:
    """What libvirt is told to copy, and what not."""
    disks = E.disks(E.disk(E.driver(type=_WORKING), E.target(file=str(target)), name=device, type="file", backup="yes"),
                    *(E.disk(name=other, backup="no") for other in others))
    text: str = etree.tostring(E.domainbackup(disks, mode="push"), encoding="unicode")
    return text


def _devices(document: str) -> list[str]:
    return [str(target.get("dev")) for target in etree.fromstring(document).findall("devices/disk/target")]


def _freeze(dom: Any) -> None:
    dom.agentSetResponseTimeout(AGENT_TIMEOUT)
    dom.fsFreeze()
