# SPDX-License-Identifier: Apache-2.0
"""Fake guests that change their size and their host. What was set aside is a record under another name in the file of
the host; disks travel as what the guest remembers of its boots."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova import concurrency, errors
from nova.virt.fake.guests import FakeGuest
from nova.virt.fake.host import ASIDE, FakeHost
from nova.virt.fake.lifecycle import record_of
from nova.virt.interfaces import Resize
from nova.virt.types import EventKind, GuestSpec, PowerState, Progress, no_progress


class FakeResize(FakeHost, Resize):
    def expect(self, guest: GuestSpec, *, from_here: bool) -> Mapping[str, Any]:
        concurrency.checkpoint("fake.expect")
        self.knobs.strike("expect")
        with self.lock:
            if not from_here:
                self.check_room(guest)
        return {"host": self.host}

    def set_aside(self, guest: GuestSpec, expected: Mapping[str, Any], timeout: float,
                  progress: Progress = no_progress) -> Mapping[str, Any]:
        with self.lock:
            record = self.guests.get(guest.uuid)
            if record is not None and record.power_state != PowerState.SHUTDOWN:
                self.halt(record, PowerState.SHUTDOWN, EventKind.STOPPED)
        concurrency.checkpoint("fake.set_aside")
        self.knobs.strike("set_aside")
        with self.lock:
            kept = self.guests.get(guest.uuid + ASIDE)
            if kept is None:
                kept = dataclasses.replace(self.find(guest.uuid), uuid=guest.uuid + ASIDE)
                self.guests.save(kept)
            self.guests.remove(guest.uuid)
        progress("set aside", 50)
        return {"boots": kept.boots, "cpu_time_ns": kept.cpu_time_ns}

    def bring_in(self, guest: GuestSpec, disks: Mapping[str, Any], progress: Progress = no_progress, *,
                 power_on: bool = True) -> None:
        with self.lock:
            record = self.guests.get(guest.uuid)
            if record is None:
                self.check_room(guest)
                record = record_of(guest)
                record.boots, record.cpu_time_ns = list(disks["boots"]), int(disks["cpu_time_ns"])
                self.guests.save(record)
        concurrency.checkpoint("fake.bring_in")
        progress("received", 80)
        self.knobs.strike("bring_in")
        with self.lock:
            self._have(guest.uuid, power_on)

    def take_back(self, guest: GuestSpec, *, power_on: bool) -> None:
        self.knobs.strike("take_back")
        with self.lock:
            kept = self.guests.get(guest.uuid + ASIDE)
            if kept is not None:
                self.guests.save(dataclasses.replace(kept, uuid=guest.uuid))
                self.guests.remove(kept.uuid)
            self._have(guest.uuid, power_on)

    def drop_aside(self, uuid: str) -> None:
        self.knobs.strike("drop_aside")
        with self.lock:
            self.guests.remove(uuid + ASIDE)

    def list_aside(self) -> list[str]:
        with self.lock:
            return [g.uuid.removesuffix(ASIDE) for g in self.guests.all() if g.uuid.endswith(ASIDE)]

    def _have(self, uuid: str, power_on: bool) -> None:
        """Inside the lock: the guest is made, and runs if it shall."""
        guest: FakeGuest | None = self.guests.get(uuid)
        if guest is None:
            raise errors.HostFailure("The guest was destroyed while it was being moved.", retry=False)
        guest.made = True
        if power_on and guest.power_state != PowerState.RUNNING:
            self.boot(guest)
        else:
            self.guests.save(guest)
