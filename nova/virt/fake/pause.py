# SPDX-License-Identifier: Apache-2.0
"""Fake guests that stand still and go on, in memory or saved to disk: here both are a word in their record."""

from __future__ import annotations

from nova import errors
from nova.virt.fake.guests import FakeGuest
from nova.virt.fake.host import FakeHost
from nova.virt.interfaces import Pause, Suspend
from nova.virt.types import EventKind, PowerState


class FakePause(FakeHost, Pause, Suspend):
    def pause(self, uuid: str) -> None:
        self.knobs.strike("pause")
        self._still(uuid, PowerState.PAUSED, EventKind.PAUSED)

    def unpause(self, uuid: str) -> None:
        self.knobs.strike("unpause")
        self._moving(uuid, PowerState.PAUSED)

    def suspend(self, uuid: str) -> None:
        self.knobs.strike("suspend")
        self._still(uuid, PowerState.SUSPENDED, EventKind.SUSPENDED)

    def resume(self, uuid: str) -> None:
        self.knobs.strike("resume")
        self._moving(uuid, PowerState.SUSPENDED)

    def _still(self, uuid: str, state: PowerState, kind: EventKind) -> None:
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state == state:
                return
            _require(guest, PowerState.RUNNING)
            self.halt(guest, state, kind)

    def _moving(self, uuid: str, state: PowerState) -> None:
        with self.lock:
            guest = self.find(uuid)
            if guest.power_state != PowerState.RUNNING:
                _require(guest, state)
                self.go_on(guest)


def _require(guest: FakeGuest, state: PowerState) -> None:
    if guest.power_state != state:
        raise errors.HostFailure(f"Guest {guest.uuid} is {PowerState(guest.power_state).name.lower()}, "
                                 f"not {state.name.lower()}.", retry=False)
