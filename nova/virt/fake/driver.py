# SPDX-License-Identifier: Apache-2.0
"""The fake driver, put together from its parts: keeps the promises of a hypervisor without one. It looks into no image
and makes no network."""

from __future__ import annotations

import pathlib

from oslo_config import cfg

from nova import concurrency, errors
from nova.conf import compute as compute_conf
from nova.conf import fake as fake_conf
from nova.virt.console import tail
from nova.virt.fake import console
from nova.virt.fake.guest import FakeInside
from nova.virt.fake.interfaces import FakeInterfaces
from nova.virt.fake.lifecycle import FakeLifecycle
from nova.virt.fake.live_migration import FakeLiveMigration
from nova.virt.fake.pause import FakePause
from nova.virt.fake.rebuild import FakeRebuild
from nova.virt.fake.rescue import FakeRescue
from nova.virt.fake.resize import FakeResize
from nova.virt.fake.snapshots import FakeSnapshots
from nova.virt.interfaces import Capabilities, Console, Driver, Inventory
from nova.virt.types import ConsoleAddress, HostInventory, PowerState, stock

CAPABILITIES = Capabilities(
    driver="fake",
    hypervisor_type="fake",
    image_formats=frozenset({"qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso"}),
)
VERSION = 1_000_000


class FakeDriver(
    FakeLifecycle, FakeSnapshots, FakePause, FakeInside, FakeInterfaces, FakeResize, FakeRebuild, FakeLiveMigration,
    FakeRescue, Inventory, Console, Driver,
):
    """One fake host. Any number of them live in one process."""

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def supports(self, interface: type) -> bool:
        return super().supports(interface) and not self.knobs.lacks(interface.__name__)

    def inventory(self) -> HostInventory:
        self.knobs.strike("inventory")
        fake, compute = self.conf.fake, self.conf
        with self.lock:
            guests = self.guests.all()
        return HostInventory(
            hypervisor_hostname=self.host,
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
        return f"up {int(concurrency.time() - self.started_at)} s, fake host {self.host}"

    def console_log(self, uuid: str, lines: int | None = None) -> str:
        self.knobs.strike("console_log")
        with self.lock:
            return tail(console.render(self.find(uuid)), lines)

    def vnc(self, uuid: str) -> ConsoleAddress:
        with self.lock:
            if self.find(uuid).power_state != PowerState.RUNNING:
                raise errors.Conflict("The console is there only while the server is running.")
        return ConsoleAddress("vnc", "127.0.0.1", 5900)


def make(conf: cfg.ConfigOpts, host: str, state_path: pathlib.Path) -> FakeDriver:
    compute_conf.register(conf)
    fake_conf.register(conf)
    return FakeDriver(conf, host, state_path / "fake" / host)
