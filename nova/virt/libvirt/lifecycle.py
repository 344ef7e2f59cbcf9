# SPDX-License-Identifier: Apache-2.0
"""Guests made, ended and powered through libvirt."""

from __future__ import annotations

import logging
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from nova import concurrency, errors
from nova.host import files
from nova.virt.interfaces import Lifecycle, RebootKind
from nova.virt.libvirt import domain
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.types import GuestInfo, GuestSpec, PowerState, Progress, no_progress

LOG = logging.getLogger(__name__)

#: libvirt's domain states, by number.
STATES = {
    0: PowerState.NOSTATE, 1: PowerState.RUNNING, 2: PowerState.RUNNING, 3: PowerState.PAUSED,
    4: PowerState.RUNNING, 5: PowerState.SHUTDOWN, 6: PowerState.CRASHED, 7: PowerState.SUSPENDED,
}
#: Guests that are just booting miss the power button, so it is pressed again.
PRESS_AGAIN = 10.0
LOOK_AGAIN = 0.25
DESTROY_ATTEMPTS = 3
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class LibvirtLifecycle(Lifecycle):
    hypervisor: Hypervisor

    def spawn(self, guest: GuestSpec, progress: Progress = no_progress) -> None:
        if self._running(guest.uuid):
            return
        progress("preparing", 10)
        try:
            made = self._make_files(guest, progress)
        except OSError as e:
            raise errors.HostFailure(f"{e.filename or 'A file'} cannot be made: {e.strerror}.", retry=True) from e
        progress("starting", 80)
        self.hypervisor.connection.call(self._define_and_start, guest, made)
        progress("started", 100)

    def destroy(self, uuid: str, name: str) -> None:
        self._destroy(uuid, name, files.remove_tree)

    def _destroy(self, uuid: str, name: str, remove: Callable[[pathlib.Path], None]) -> None:
        try:
            self._stop_hard(uuid)
            self._on_domain(uuid, self._undefine)
        except errors.NotFound:
            LOG.debug("guest %s (%s) has no domain any more", name, uuid)
        self.hypervisor.patience.forget(uuid)
        if self.hypervisor.ownership.elsewhere(self.hypervisor.directory(uuid)):
            LOG.info("the files of guest %s are on shared storage and another host's now; they stay", uuid)
            return
        self.hypervisor.disks.remove(uuid)
        remove(self.hypervisor.directory(uuid))

    def power_on(self, uuid: str) -> None:
        self._on_domain(uuid, self._start)

    def recreate(self, guest: GuestSpec) -> None:
        missing = self.hypervisor.disks.missing(guest)
        if missing:
            raise errors.NotFound(f"Guest {guest.uuid} is not on this host any more; its {', '.join(missing)} is gone.")
        self.hypervisor.claim(guest)
        self.hypervisor.connection.call(self._define_and_start, guest, self.hypervisor.layout(guest))

    def power_off(self, uuid: str, timeout: float = 0) -> None:
        if timeout > 0 and self._stop_clean(uuid, timeout):
            return
        self._stop_hard(uuid)

    def hurry(self, uuid: str) -> None:
        self.hypervisor.patience.end(uuid)

    def reboot(self, uuid: str, kind: RebootKind) -> None:
        """A soft one is a clean end and a new start: only so it is certain that the guest has followed."""
        timeout = self.hypervisor.conf.libvirt.wait_soft_reboot_seconds if kind == "SOFT" else 0
        if not (timeout and self._stop_clean(uuid, timeout)):
            self._stop_hard(uuid)
        self.power_on(uuid)

    def info(self, uuid: str) -> GuestInfo:
        found: GuestInfo = self._on_domain(uuid, self._info)
        return found

    def list(self) -> list[str]:
        """Domains, and directories of guests that never got one."""
        found = self.hypervisor.connection.call(self._uuids)
        for entry in self.hypervisor.instances.iterdir():
            if entry.is_dir() and _UUID.match(entry.name) and not self.hypervisor.ownership.elsewhere(entry):
                found.add(entry.name)
        return sorted(found)

    def exists(self, uuid: str) -> bool:
        directory = self.hypervisor.directory(uuid)
        if directory.is_dir() and not self.hypervisor.ownership.elsewhere(directory):
            return True
        try:
            self._on_domain(uuid, lambda dom: None)
        except errors.NotFound:
            return False
        return True

    def _make_files(self, guest: GuestSpec, progress: Progress) -> Sequence[domain.DiskFile]:
        """QEMU, which is another user, may pass through the directory; only we read the log."""
        directory = self.hypervisor.directory(guest.uuid)
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.hypervisor.claim(guest)
        self.hypervisor.disks.make(guest, progress)
        (directory / "console.log").touch(0o640)  # virtlogd appends to what is there and leaves its owner alone
        return self.hypervisor.layout(guest)

    # in a blocking call, apart from other tasks

    def _define_and_start(self, conn: Any, guest: GuestSpec, made: Sequence[domain.DiskFile]) -> None:
        xml = self.hypervisor.document(conn, guest, self._free_name(conn, guest), made)
        with self.hypervisor.ownership.taken(self.hypervisor.directory(guest.uuid)):
            self._start(conn.defineXML(xml))

    def _free_name(self, conn: Any, guest: GuestSpec) -> str:
        """Another cloud on the same daemon may have a guest of this name."""
        libvirt = self.hypervisor.libvirt
        try:
            taken = conn.lookupByName(guest.name).UUIDString() != guest.uuid
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            taken = False
        return f"{guest.name}-{guest.uuid[:8]}" if taken else guest.name

    def _start(self, dom: Any) -> None:
        if not dom.isActive():
            dom.create()
        elif STATES.get(dom.state()[0]) is PowerState.PAUSED:
            dom.resume()

    def _info(self, dom: Any) -> GuestInfo:
        state, maximum, memory, vcpus, cpu_time = dom.info()
        return GuestInfo(dom.UUIDString(), dom.name(), power_of(self.hypervisor.libvirt, dom, state), maximum, memory,
                         vcpus, cpu_time)

    def _uuids(self, conn: Any) -> set[str]:
        return {d.UUIDString() for d in conn.listAllDomains(0) if self.hypervisor.ours(d)}

    def _undefine(self, dom: Any) -> None:
        libvirt = self.hypervisor.libvirt
        dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                          | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)

    # helpers of tasks

    def _on_domain(self, uuid: str, work: Callable[[Any], Any]) -> Any:
        return self.hypervisor.connection.domain(uuid, work)

    def _running(self, uuid: str) -> bool:
        try:
            state: PowerState = self.info(uuid).power_state
        except errors.NotFound:
            return False
        return state is PowerState.RUNNING

    def _stop_clean(self, uuid: str, timeout: float) -> bool:
        """Press the power button; whether the guest has ended within ``timeout`` seconds."""
        end = concurrency.monotonic() + timeout
        press_at = 0.0
        with self.hypervisor.patience.with_guest(uuid) as hurried:
            while self.info(uuid).power_state is PowerState.RUNNING:
                now = concurrency.monotonic()
                if now >= end or hurried.is_set():
                    LOG.info("guest %s did not shut down within %g s", uuid, timeout - max(0.0, end - now))
                    return False
                if now >= press_at:
                    self._press(uuid)
                    press_at = now + PRESS_AGAIN
                hurried.wait(min(LOOK_AGAIN, end - now))
        return not self._on_domain(uuid, lambda dom: dom.isActive())

    def _press(self, uuid: str) -> None:
        try:
            self._on_domain(uuid, lambda dom: dom.shutdown())
        except errors.HostFailure as e:  # it ended between look and press, or has no ACPI: the deadline decides
            LOG.debug("guest %s cannot be asked to shut down: %s", uuid, e.message)

    def _stop_hard(self, uuid: str) -> None:
        """A QEMU that hangs in disk I/O may need more than one attempt."""
        for attempt in range(1, DESTROY_ATTEMPTS + 1):
            try:
                self._on_domain(uuid, _cut)
                return
            except errors.HostFailure:
                if not self._on_domain(uuid, lambda dom: dom.isActive()):
                    return
                if attempt == DESTROY_ATTEMPTS:
                    raise
                concurrency.sleep(attempt)


def power_of(libvirt: Any, dom: Any, state: int | None = None) -> PowerState:
    """How a guest stands; ``state`` is libvirt's number if it is known already. In a blocking call."""
    if state is None:
        state = dom.state()[0]
    if state == libvirt.VIR_DOMAIN_SHUTOFF and dom.hasManagedSaveImage():
        return PowerState.SUSPENDED
    if dom.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]:
        return PowerState.CRASHED
    return STATES.get(state, PowerState.NOSTATE)


def _cut(dom: Any) -> None:
    """Off, and its memory nowhere: a guest with a managed save image would go on from there instead of booting."""
    if dom.isActive():
        dom.destroy()
    if dom.hasManagedSaveImage():
        dom.managedSaveRemove()
