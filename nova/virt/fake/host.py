# SPDX-License-Identifier: Apache-2.0
"""What the parts of the fake driver share: the guests of one host, its knobs, and who hears of events."""

from __future__ import annotations

import pathlib

import orjson
from oslo_config import cfg

from nova import concurrency, errors
from nova.conf import compute as compute_conf
from nova.virt.fake.guests import FakeGuest, GuestFile
from nova.virt.fake.knobs import Knobs
from nova.virt.interfaces import Listener
from nova.virt.patience import Patience
from nova.virt.types import EventKind, GuestSpec, LifecycleEvent, PowerState

KEPT_BOOTS = 20
#: Ends the name under which a guest's disks wait aside.
ASIDE = "_resize"


class FakeHost:
    """One fake host. Abilities are classes beside this one; what they change, they change under ``lock``."""

    def __init__(self, conf: cfg.ConfigOpts, host: str, directory: pathlib.Path) -> None:
        self.conf, self.host = conf, host
        self.directory = directory
        self.guests = GuestFile(directory / "guests.journal")
        self.inbox = directory / "incoming"
        self.lock = concurrency.Lock()
        self.listeners: list[Listener] = []
        #: What guests were made from, until they are destroyed; with their secrets, so in memory only.
        self.told: dict[str, GuestSpec] = {}
        self.knobs = Knobs.from_conf(conf, host)
        self.patience = Patience()
        self.started_at = concurrency.time()
        self._outlet: concurrency.Pool | None = None

    def start(self) -> None:
        self.knobs.strike("start")
        self._outlet = concurrency.make_pool(1, f"fake-events-{self.host}")
        with self.lock:
            self.guests.load()

    def stop(self) -> None:
        if self._outlet:
            self._outlet.stop(5)
        with self.lock:
            self.guests.close()

    def snapshots_of(self, uuid: str) -> pathlib.Path:
        """Where the files of a guest's snapshots lie until they are sent away."""
        return self.directory / "snapshots" / uuid

    # inside the lock

    def find(self, uuid: str) -> FakeGuest:
        guest = self.receive(uuid)
        if guest is None:
            raise errors.NotFound(f"Guest {uuid} is not on host {self.host}.")
        return guest

    def receive(self, uuid: str) -> FakeGuest | None:
        """The guest, if it is here; one that is expected from another host may have come by now."""
        guest = self.guests.get(uuid)
        if guest is None or guest.made:
            return guest
        try:
            arrived = FakeGuest(**orjson.loads((self.inbox / uuid).read_bytes()))
        except FileNotFoundError:
            return guest
        arrived.moving_to, arrived.since = "", concurrency.time()
        self.guests.save(arrived)
        (self.inbox / uuid).unlink(missing_ok=True)
        return arrived

    def check_room(self, guest: GuestSpec) -> None:
        others = [g for g in self.guests.all() if g.uuid != guest.uuid]
        fake = self.conf.fake
        wants = (
            ("vCPUs", guest.vcpus, sum(g.vcpus for g in others), fake.vcpus, "cpu"),
            ("MiB of memory", guest.memory_mb, sum(g.memory_mb for g in others), fake.memory_mb, "ram"),
            ("GiB of disk", guest.disk_gb, sum(g.disk_gb for g in others), fake.disk_gb, "disk"),
        )
        for what, wanted, used, total, kind in wants:
            limit = int(total * compute_conf.ratio(self.conf, kind))
            if used + wanted > limit:
                raise errors.HostFailure(
                    f"Host {self.host} has {limit - used} {what} free of {limit}; {wanted} are wanted.", retry=True)

    def boot(self, guest: FakeGuest) -> None:
        now = concurrency.time()
        guest.cpu_time_ns += burnt(guest)
        guest.boots = [*guest.boots[1 - KEPT_BOOTS:], now]
        guest.power_state, guest.since = int(PowerState.RUNNING), now
        self.guests.save(guest)
        self.tell(guest.uuid, EventKind.STARTED)

    def go_on(self, guest: FakeGuest) -> None:
        """From where it was stopped, without a boot."""
        guest.power_state, guest.since = int(PowerState.RUNNING), concurrency.time()
        self.guests.save(guest)
        self.tell(guest.uuid, EventKind.RESUMED)

    def halt(self, guest: FakeGuest, state: PowerState, kind: EventKind) -> None:
        guest.cpu_time_ns += burnt(guest)
        guest.power_state = int(state)
        self.guests.save(guest)
        self.tell(guest.uuid, kind)

    def tell(self, uuid: str, kind: EventKind) -> None:
        if self._outlet and self.listeners:
            event = LifecycleEvent(uuid, kind, concurrency.time())
            for listener in self.listeners:
                self._outlet.submit(listener, event)


def burnt(guest: FakeGuest) -> int:
    """Nanoseconds of processor time since it was started: a guest idles at one percent."""
    if guest.power_state != PowerState.RUNNING:
        return 0
    return max(0, int((concurrency.time() - guest.since) * 1e7)) * guest.vcpus
