# SPDX-License-Identifier: Apache-2.0
"""Fake guests that boot from another image for a while: a word in their record."""

from __future__ import annotations

from nova.virt.fake.host import FakeHost
from nova.virt.interfaces import Rescue
from nova.virt.types import EventKind, GuestSpec, ImageSource, PowerState, Progress, no_progress


class FakeRescue(FakeHost, Rescue):
    def rescue(self, guest: GuestSpec, image: ImageSource, timeout: float = 0,
               progress: Progress = no_progress) -> None:
        self.knobs.strike("rescue")
        with self.lock:
            record = self.find(guest.uuid)
            if record.rescue_image != image.id or record.power_state != PowerState.RUNNING:
                record.rescue_image = image.id
                self.boot(record)

    def unrescue(self, guest: GuestSpec, *, power_on: bool) -> None:
        self.knobs.strike("unrescue")
        with self.lock:
            record = self.find(guest.uuid)
            was, record.rescue_image = record.rescue_image, ""
            if power_on and (was or record.power_state != PowerState.RUNNING):
                self.boot(record)
            elif not power_on:
                self.halt(record, PowerState.SHUTDOWN, EventKind.STOPPED)
