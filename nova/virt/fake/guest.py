# SPDX-License-Identifier: Apache-2.0
"""Inside fake guests: an agent that keeps the password it is told, interrupts that are counted, believable counters."""

from __future__ import annotations

from nova import errors
from nova.virt.diagnostics import CpuCounters, DiskCounters, GuestDiagnostics, NicCounters
from nova.virt.fake.host import FakeHost, burnt
from nova.virt.interfaces import Diagnostics, GuestAgent, Nmi
from nova.virt.types import PowerState

_BOOT_READS = 262144
_BOOT_WRITES = 5778432
_BLOCK = 4096
_FRAME = 80
#: Percent of a processor that a guest takes which has nothing to do.
_IDLE = 1


class FakeInside(FakeHost, GuestAgent, Nmi, Diagnostics):
    def set_password(self, uuid: str, user: str, password: str) -> None:
        self.knobs.strike("set_password")
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state != PowerState.RUNNING:
                raise errors.Conflict("The agent in the guest does not answer: the guest does not run.")
            guest.passwords = guest.passwords | {user: password}
            self.guests.save(guest)

    def inject_nmi(self, uuid: str) -> None:
        self.knobs.strike("inject_nmi")
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state not in (PowerState.RUNNING, PowerState.PAUSED):
                raise errors.HostFailure(f"Guest {uuid} does not run.", retry=False)
            guest.interrupts += 1
            self.guests.save(guest)

    def diagnostics(self, uuid: str) -> GuestDiagnostics:
        self.knobs.strike("diagnostics")
        with self.lock:
            guest = self.find(uuid)
            spent = guest.cpu_time_ns + burnt(guest)
        each = spent // guest.vcpus
        disk = DiskCounters("vda", _BOOT_READS * len(guest.boots), _BOOT_READS * len(guest.boots) // _BLOCK,
                            _BOOT_WRITES * len(guest.boots), _BOOT_WRITES * len(guest.boots) // _BLOCK, 0)
        frames = spent // 10**7  # one a second
        nics = tuple(NicCounters(nic["device"], nic["address"], frames * _FRAME, frames, 0, 0, frames * _FRAME, frames,
                                 0, 0, _FRAME, _FRAME) for nic in guest.nics)
        return GuestDiagnostics(
            state=PowerState(guest.power_state), driver="libvirt", hypervisor="fake", hypervisor_os="fake",
            memory=guest.memory_mb * 1024, memory_used=guest.memory_mb * 512,
            cpus=tuple(CpuCounters(number, each, _IDLE) for number in range(guest.vcpus)), disks=(disk,), nics=nics)
