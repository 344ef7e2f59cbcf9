# SPDX-License-Identifier: Apache-2.0
"""Guests that move from one fake host to another, through a file in the destination's directory.

The source writes the guest there when all is copied: that is the moment in which it changes hosts. The destination
finds it as soon as somebody asks for it. ``knobs.slow("copy", seconds)`` makes the copying take time;
``knobs.hang("copy")`` keeps it from ending unless it is forced to. ``knobs.hang("memory")`` at the destination: what a
guest still needs of its memory when it begins to run there never comes.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import orjson

from nova import errors
from nova.virt.fake.guests import FakeGuest
from nova.virt.fake.host import FakeHost, burnt
from nova.virt.fake.lifecycle import record_of
from nova.virt.interfaces import LiveMigration
from nova.virt.migration import ABORT, FORCE_COMPLETE, Counters, Watch, Wishes
from nova.virt.types import EventKind, GuestSpec, PowerState

MIB, GIB = 1 << 20, 1 << 30
TICK = 0.25


class FakeLiveMigration(FakeHost, LiveMigration):
    def examine(self, uuid: str, mark: str) -> Mapping[str, Any]:
        self.knobs.strike("examine")
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state not in (PowerState.RUNNING, PowerState.PAUSED):
                raise errors.HostFailure("The guest does not run, so it cannot be moved while it runs.", retry=False)
            return {"driver": "fake", "cpu": "fake", "disk_gb": guest.disk_gb}

    def prepare_arrival(self, guest: GuestSpec, source: Mapping[str, Any], wishes: Wishes) -> Mapping[str, Any]:
        self.knobs.strike("prepare_arrival")
        if source.get("driver") != "fake":
            raise errors.HostFailure(f"A guest of the {source.get('driver')} driver cannot run on host {self.host}.")
        if wishes.block_migration is False:
            raise errors.HostFailure("These hosts share no disks; a block migration is needed.")
        with self.lock:
            if self.guests.get(guest.uuid) is None:
                self.check_room(guest)
                (self.inbox / guest.uuid).unlink(missing_ok=True)  # of a migration that was given up
                self.guests.save(record_of(guest))
        self.inbox.mkdir(parents=True, exist_ok=True)
        return {"inbox": str(self.inbox), "host": self.host}

    def clear_arrival(self, uuid: str, name: str) -> None:
        self.knobs.strike("clear_arrival")
        with self.lock:
            guest = self.receive(uuid)
            if guest is not None and guest.made:
                raise errors.HostFailure(f"Guest {uuid} runs on host {self.host}.")
            self.guests.remove(uuid)

    def migrate(self, uuid: str, destination: Mapping[str, Any], wishes: Wishes, watch: Watch) -> None:
        inbox = pathlib.Path(destination["inbox"])
        with self.lock:
            guest = self.guests.get(uuid)
        if guest is None:
            return
        if not guest.moving_to:
            self._copy(guest, watch)
            self.knobs.strike("migrate")
        with self.lock:
            guest = self.guests.get(uuid)
            if guest is None:
                return
            if guest.power_state not in (PowerState.RUNNING, PowerState.PAUSED):
                raise errors.HostFailure("The guest does not run any more.")
            guest.moving_to = str(inbox)
            guest.cpu_time_ns += burnt(guest)
            self.guests.save(guest)
            try:
                _put(inbox / uuid, guest)
            except OSError as e:
                guest.moving_to = ""
                self.guests.save(guest)
                raise errors.HostFailure(f"The destination cannot be reached: {e.strerror}.") from e
            self.guests.remove(uuid)
            self.tell(uuid, EventKind.STOPPED)
        self.knobs.strike("migrated")

    def _copy(self, guest: FakeGuest, watch: Watch) -> None:
        """Takes as long as the knobs say; a guest that writes too fast never ends by itself."""
        seconds, passed = self.knobs.delay("copy"), 0.0
        memory, disk = guest.memory_mb * MIB, guest.disk_gb * GIB
        if ABORT in watch.wanted(0):
            raise errors.Conflict("The live migration was aborted.")
        while True:
            part = min(1.0, passed / seconds) if seconds else 1.0
            if self.knobs.hanging("copy"):
                part = min(part, 0.95)
            rest = Counters(memory, int(memory * part), memory - int(memory * part),
                            disk, int(disk * part), disk - int(disk * part))
            if seconds or part < 1:
                watch.report(rest)
            if part >= 1 or self.guests.get(guest.uuid) is None:
                return
            wanted = watch.wanted(TICK)
            if ABORT in wanted:
                raise errors.Conflict("The live migration was aborted.")
            if FORCE_COMPLETE in wanted:
                return
            passed += TICK

    def call_off(self, uuid: str) -> None:
        self.knobs.strike("call_off")
        with self.lock:
            guest = self.find(uuid)
            if guest.moving_to or guest.power_state not in (PowerState.RUNNING, PowerState.PAUSED):
                raise errors.NotFound(f"Guest {uuid} does not run on host {self.host} any more.")

    def arrived(self, uuid: str) -> bool:
        with self.lock:
            guest = self.receive(uuid)
            return guest is not None and guest.made

    def welcome(self, guest: GuestSpec) -> bool:
        self.knobs.strike("welcome")
        with self.lock:
            found = self.receive(guest.uuid)
            lost = found is None or not found.made or self.knobs.hanging("memory")
            if found is not None and lost:
                self.halt(found, PowerState.SHUTDOWN, EventKind.STOPPED)
            return not lost

    def see_off(self, uuid: str, name: str, destination: Mapping[str, Any]) -> None:
        self.knobs.strike("see_off")
        with self.lock:
            self.guests.remove(uuid)


def _put(path: pathlib.Path, guest: FakeGuest) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(orjson.dumps(guest))
    draft.replace(path)
