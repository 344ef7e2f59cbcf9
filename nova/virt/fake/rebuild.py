# SPDX-License-Identifier: Apache-2.0
"""Fake guests that get new disks. What a disk holds is the boots that it remembers."""

from __future__ import annotations

from nova.virt.fake.host import FakeHost
from nova.virt.fake.lifecycle import record_of
from nova.virt.interfaces import Rebuild
from nova.virt.types import EventKind, GuestSpec, PowerState, Progress, no_progress


class FakeRebuild(FakeHost, Rebuild):
    def rebuild(self, guest: GuestSpec, *, preserve_ephemeral: bool, progress: Progress = no_progress) -> None:
        with self.lock:
            old = self.guests.get(guest.uuid)
            if old is not None and old.power_state != PowerState.SHUTDOWN:
                self.halt(old, PowerState.SHUTDOWN, EventKind.STOPPED)
        self.knobs.strike("rebuild")
        progress("the disks are made", 80)
        with self.lock:
            self.told[guest.uuid] = guest
            fresh = record_of(guest)
            fresh.made = True
            self.guests.save(fresh)
