# SPDX-License-Identifier: Apache-2.0
"""The fake driver: keeps the promises of a hypervisor without one. It looks into no image and makes no network."""

from __future__ import annotations

import pathlib

from oslo_config import cfg

from nova import concurrency, errors
from nova.conf import compute as compute_conf
from nova.conf import fake as fake_conf
from nova.virt.console import tail
from nova.virt.fake import console
from nova.virt.fake.guests import FakeGuest, GuestFile
from nova.virt.fake.knobs import Knobs
from nova.virt.interfaces import Capabilities, Console, Driver, Events, Inventory, Lifecycle, Listener, RebootKind
from nova.virt.types import (
    ConsoleAddress,
    EventKind,
    GuestInfo,
    GuestSpec,
    HostInventory,
    LifecycleEvent,
    PowerState,
    Progress,
    no_progress,
    stock,
)

CAPABILITIES = Capabilities(
    driver="fake",
    hypervisor_type="fake",
    image_formats=frozenset({"qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso"}),
)
VERSION = 1_000_000
KEPT_BOOTS = 20


class FakeDriver(Driver, Lifecycle, Inventory, Console, Events):
    """One fake host. Any number of them live in one process."""

    def __init__(self, conf: cfg.ConfigOpts, host: str, directory: pathlib.Path) -> None:
        self._conf, self._host = conf, host
        self._guests = GuestFile(directory / "guests.journal")
        self._lock = concurrency.Lock()
        self._listeners: list[Listener] = []
        self._outlet: concurrency.Pool | None = None
        self._started_at = concurrency.time()
        self.knobs = Knobs.from_conf(conf, host)

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def start(self) -> None:
        self.knobs.strike("start")
        self._outlet = concurrency.make_pool(1, f"fake-events-{self._host}")
        with self._lock:
            self._guests.load()

    def stop(self) -> None:
        if self._outlet:
            self._outlet.stop(5)
        with self._lock:
            self._guests.close()

    # Lifecycle

    def spawn(self, guest: GuestSpec, progress: Progress = no_progress) -> None:
        progress("claiming", 10)
        with self._lock:
            record = self._guests.get(guest.uuid)
            if record and record.made and record.power_state == PowerState.RUNNING:
                return
            self._check_room(guest)
            self._guests.save(_record(guest))
        concurrency.checkpoint("fake.spawn")
        progress("spawning", 50)
        self.knobs.strike("spawn")
        with self._lock:
            record = self._guests.get(guest.uuid)
            if record is None:
                raise errors.HostFailure("The guest was destroyed while it was being made.", retry=False)
            record.made = True
            self._boot(record)
        progress("spawned", 100)

    def destroy(self, uuid: str, name: str) -> None:
        self.knobs.strike("destroy")
        with self._lock:
            gone = self._guests.remove(uuid)
            if gone and gone.power_state == PowerState.RUNNING:
                self._tell(uuid, EventKind.STOPPED)

    def power_on(self, uuid: str) -> None:
        self.knobs.strike("power_on")
        with self._lock:
            guest = self._find(uuid)
            if guest.power_state != PowerState.RUNNING:
                self._boot(guest)

    def recreate(self, guest: GuestSpec) -> None:
        """Guests and their disks are one thing here, and lost together."""
        self.power_on(guest.uuid)

    def power_off(self, uuid: str, timeout: float = 0) -> None:
        self.knobs.strike("power_off")
        with self._lock:
            guest = self._find(uuid)
            if guest.power_state != PowerState.SHUTDOWN:
                self._halt(guest, PowerState.SHUTDOWN, EventKind.STOPPED)

    def reboot(self, uuid: str, kind: RebootKind) -> None:
        self.knobs.strike("reboot")
        with self._lock:
            self._boot(self._find(uuid))

    def info(self, uuid: str) -> GuestInfo:
        self.knobs.strike("info")
        with self._lock:
            guest = self._find(uuid)
            return GuestInfo(
                uuid=uuid,
                name=guest.name,
                power_state=PowerState(guest.power_state),
                max_memory_kb=guest.memory_mb * 1024,
                memory_kb=guest.memory_mb * 1024,
                vcpus=guest.vcpus,
                cpu_time_ns=guest.cpu_time_ns + _burnt(guest),
            )

    def list(self) -> list[str]:
        self.knobs.strike("list")
        with self._lock:
            return [g.uuid for g in self._guests.all()]

    def exists(self, uuid: str) -> bool:
        with self._lock:
            return self._guests.get(uuid) is not None

    # Inventory

    def inventory(self) -> HostInventory:
        self.knobs.strike("inventory")
        fake, compute = self._conf.fake, self._conf
        with self._lock:
            guests = self._guests.all()
        return HostInventory(
            hypervisor_hostname=self._host,
            hypervisor_type="fake",
            hypervisor_version=VERSION,
            vcpus=fake.vcpus,
            memory_mb=fake.memory_mb,
            local_gb=fake.disk_gb,
            vcpus_used=sum(g.vcpus for g in guests),
            memory_mb_used=sum(g.memory_mb for g in guests),
            local_gb_used=sum(g.disk_gb for g in guests),
            cpu_info={"arch": "x86_64", "model": "fake", "vendor": "fake", "features": [],
                      "topology": {"sockets": 1, "cores": fake.vcpus, "threads": 1}},
            traits=CAPABILITIES.traits(),
            inventory={
                "VCPU": stock(fake.vcpus, compute.reserved_host_cpus, compute_conf.ratio(compute, "cpu")),
                "MEMORY_MB": stock(fake.memory_mb, compute.reserved_host_memory_mb, compute_conf.ratio(compute, "ram")),
                "DISK_GB": stock(fake.disk_gb, -(-compute.reserved_host_disk_mb // 1024),
                                 compute_conf.ratio(compute, "disk")),
            },
            supported_instances=(("x86_64", "fake", "hvm"),),
            host_ip=compute_conf.host_ip(compute),
            running_guests=sum(g.power_state == PowerState.RUNNING for g in guests),
        )

    def uptime(self) -> str:
        return f"up {int(concurrency.time() - self._started_at)} s, fake host {self._host}"

    # Console

    def console_log(self, uuid: str, lines: int | None = None) -> str:
        self.knobs.strike("console_log")
        with self._lock:
            return tail(console.render(self._find(uuid)), lines)

    def vnc(self, uuid: str) -> ConsoleAddress:
        with self._lock:
            if self._find(uuid).power_state != PowerState.RUNNING:
                raise errors.Conflict("The console is there only while the server is running.")
        return ConsoleAddress("vnc", "127.0.0.1", 5900)

    # Events

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def guest_stops(self, uuid: str, *, crashed: bool = False) -> None:
        """Let a guest shut down from inside, or crash: what a test cannot do to a guest that is not there."""
        state, kind = (PowerState.CRASHED, EventKind.CRASHED) if crashed else (PowerState.SHUTDOWN, EventKind.STOPPED)
        with self._lock:
            self._halt(self._find(uuid), state, kind)

    # inside the lock

    def _find(self, uuid: str) -> FakeGuest:
        guest = self._guests.get(uuid)
        if guest is None:
            raise errors.NotFound(f"Guest {uuid} is not on host {self._host}.")
        return guest

    def _check_room(self, guest: GuestSpec) -> None:
        others = [g for g in self._guests.all() if g.uuid != guest.uuid]
        fake = self._conf.fake
        wants = (
            ("vCPUs", guest.vcpus, sum(g.vcpus for g in others), fake.vcpus, "cpu"),
            ("MiB of memory", guest.memory_mb, sum(g.memory_mb for g in others), fake.memory_mb, "ram"),
            ("GiB of disk", guest.disk_gb, sum(g.disk_gb for g in others), fake.disk_gb, "disk"),
        )
        for what, wanted, used, total, kind in wants:
            limit = int(total * compute_conf.ratio(self._conf, kind))
            if used + wanted > limit:
                raise errors.HostFailure(
                    f"Host {self._host} has {limit - used} {what} free of {limit}; {wanted} are wanted.", retry=True)

    def _boot(self, guest: FakeGuest) -> None:
        now = concurrency.time()
        guest.cpu_time_ns += _burnt(guest)
        guest.boots = [*guest.boots[1 - KEPT_BOOTS:], now]
        guest.power_state, guest.since = int(PowerState.RUNNING), now
        self._guests.save(guest)
        self._tell(guest.uuid, EventKind.STARTED)

    def _halt(self, guest: FakeGuest, state: PowerState, kind: EventKind) -> None:
        guest.cpu_time_ns += _burnt(guest)
        guest.power_state = int(state)
        self._guests.save(guest)
        self._tell(guest.uuid, kind)

    def _tell(self, uuid: str, kind: EventKind) -> None:
        if self._outlet and self._listeners:
            event = LifecycleEvent(uuid, kind, concurrency.time())
            for listener in self._listeners:
                self._outlet.submit(listener, event)


def _burnt(guest: FakeGuest) -> int:
    """Nanoseconds of processor time since it was started: a guest idles at one percent."""
    if guest.power_state != PowerState.RUNNING:
        return 0
    return max(0, int((concurrency.time() - guest.since) * 1e7)) * guest.vcpus


def _record(guest: GuestSpec) -> FakeGuest:
    return FakeGuest(
        uuid=guest.uuid,
        name=guest.name,
        display_name=guest.display_name,
        vcpus=guest.vcpus,
        memory_mb=guest.memory_mb,
        disk_gb=guest.disk_gb,
        nics=[{"index": n.index, "address": n.address, "ips": list(n.ips), "device": n.device} for n in guest.nics],
    )


def make(conf: cfg.ConfigOpts, host: str, state_path: pathlib.Path) -> FakeDriver:
    compute_conf.register(conf)
    fake_conf.register(conf)
    return FakeDriver(conf, host, state_path / "fake" / host)
