# SPDX-License-Identifier: Apache-2.0
"""Guests made, ended and powered without a hypervisor; what happens to them is told to whoever listens."""

from __future__ import annotations

import dataclasses
import shutil

from nova import errors
from nova.virt.fake.guests import FakeGuest
from nova.virt.fake.host import ASIDE, FakeHost, burnt
from nova.virt.interfaces import Events, Lifecycle, Listener, RebootKind
from nova.virt.types import EventKind, GuestInfo, GuestSpec, PowerState, Progress, no_progress


class FakeLifecycle(FakeHost, Lifecycle, Events):
    def spawn(self, guest: GuestSpec, progress: Progress = no_progress) -> None:
        progress("claiming", 10)
        with self.lock:
            record = self.guests.get(guest.uuid)
            if record and record.made and record.power_state == PowerState.RUNNING:
                return
            self.check_room(guest)
            self.guests.save(record_of(guest))
            self.told[guest.uuid] = guest
        progress("spawning", 50)
        self.knobs.strike("spawn")
        with self.lock:
            record = self.guests.get(guest.uuid)
            if record is None:
                raise errors.HostFailure("The guest was destroyed while it was being made.", retry=False)
            record.made = True
            self.boot(record)
        progress("spawned", 100)

    def destroy(self, uuid: str, name: str) -> None:
        self.knobs.strike("destroy")
        self.patience.forget(uuid)
        with self.lock:
            gone = self.guests.remove(uuid)
            self.told.pop(uuid, None)
            shutil.rmtree(self.snapshots_of(uuid), ignore_errors=True)
            if gone and gone.power_state == PowerState.RUNNING:
                self.tell(uuid, EventKind.STOPPED)

    def power_on(self, uuid: str) -> None:
        self.knobs.strike("power_on")
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state in (PowerState.PAUSED, PowerState.SUSPENDED):
                self.go_on(guest)
            elif guest.power_state != PowerState.RUNNING:
                self.boot(guest)

    def recreate(self, guest: GuestSpec) -> None:
        """Guests and their disks are one thing here, and lost together."""
        with self.lock:
            if not self.find(guest.uuid).made:
                raise errors.NotFound(f"Guest {guest.uuid} was never made on host {self.host}.")
        self.power_on(guest.uuid)

    def power_off(self, uuid: str, timeout: float = 0) -> None:
        """A guest that is slow to react is one whose ``shutdown`` is delayed."""
        self.knobs.strike("power_off")
        if slow := min(timeout, self.knobs.delay("shutdown")):
            with self.patience.with_guest(uuid) as hurried:
                hurried.wait(slow)
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state != PowerState.SHUTDOWN:
                self.halt(guest, PowerState.SHUTDOWN, EventKind.STOPPED)

    def hurry(self, uuid: str) -> None:
        self.patience.end(uuid)

    def reboot(self, uuid: str, kind: RebootKind) -> None:
        self.knobs.strike("reboot")
        with self.lock:
            self.boot(self.find(uuid))

    def info(self, uuid: str) -> GuestInfo:
        self.knobs.strike("info")
        with self.lock:
            guest = self.find(uuid)
            return GuestInfo(
                uuid=uuid,
                name=guest.name,
                power_state=PowerState(guest.power_state),
                max_memory_kb=guest.memory_mb * 1024,
                memory_kb=guest.memory_mb * 1024,
                vcpus=guest.vcpus,
                cpu_time_ns=guest.cpu_time_ns + burnt(guest),
            )

    def list(self) -> list[str]:
        self.knobs.strike("list")
        with self.lock:
            return [g.uuid for g in self.guests.all() if not g.uuid.endswith(ASIDE)]

    def exists(self, uuid: str) -> bool:
        with self.lock:
            return self.guests.get(uuid) is not None

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    def guest_stops(self, uuid: str, *, crashed: bool = False) -> None:
        """Let a guest shut down from inside, or crash: what a test cannot do to a guest that is not there."""
        state, kind = (PowerState.CRASHED, EventKind.CRASHED) if crashed else (PowerState.SHUTDOWN, EventKind.STOPPED)
        with self.lock:
            self.halt(self.find(uuid), state, kind)


def record_of(guest: GuestSpec) -> FakeGuest:
    return FakeGuest(
        uuid=guest.uuid,
        name=guest.name,
        display_name=guest.display_name,
        vcpus=guest.vcpus,
        memory_mb=guest.memory_mb,
        disk_gb=guest.disk_gb,
        ephemerals=[dataclasses.asdict(disk) for disk in guest.ephemeral_disks],
        swap_mb=guest.swap_mb,
        nics=[{"index": n.index, "address": n.address, "ips": list(n.ips), "device": n.device} for n in guest.nics],
    )
