# SPDX-License-Identifier: Apache-2.0
"""Two hosts of a driver for guests that go from one to the other. Those of libvirt are machines with a cable."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import libvirt
import pytest

from nova import concurrency
from nova.virt.libvirt.migration_job import Pace
from nova.virt.migration import Counters, Wishes
from nova.virt.types import GuestSpec, ImageSource
from tests.contract.drivers.harness import Harness, eventually, serve_image
from tests.services import certificates, tinyguest
from tests.services.libvirtd import Libvirtd

#: Bytes on the disk of a guest that takes long, at a MiB per second.
LOAD = 6 << 20
WISHES = Wishes("move-1")
ADDRESSES = ("192.0.2.1", "192.0.2.2")


class Watch:
    """Says what the test wants said, from the first or the second report on."""

    def __init__(self, says: str | Exception = "", after: int = 0) -> None:
        self._says, self._after = says, after
        self.reports: list[Counters] = []

    def report(self, counters: Counters) -> None:
        self.reports.append(counters)

    def wanted(self, seconds: float) -> frozenset[str]:
        concurrency.sleep(seconds)
        if not self._says or len(self.reports) < self._after:
            return frozenset()
        if isinstance(self._says, Exception):
            raise self._says
        return frozenset({self._says})


@dataclasses.dataclass
class Pair:
    """``laden()`` gives a guest at the source that takes long to leave it."""

    source: Any
    destination: Any
    guest: Callable[..., GuestSpec]
    laden: Callable[[], GuestSpec]

    def prepared(self, guest: GuestSpec, wishes: Wishes = WISHES) -> Any:
        return self.destination.prepare_arrival(guest, self.source.examine(guest.uuid, wishes.operation), wishes)

    def where(self, guest: GuestSpec) -> tuple[bool, bool]:
        """Does it live at the source, at the destination?"""
        return guest.uuid in self.source.list(), self.destination.arrived(guest.uuid)


@pytest.fixture(scope="module")
def two_daemons() -> Iterator[tuple[Libvirtd, Libvirtd]]:
    """Two libvirt daemons on two machines with a cable between them."""
    tag = uuid.uuid4().hex[:6]
    machines = [f"nova-mig-{tag}-{i}" for i in (1, 2)]
    ends = [f"mig{tag}{i}" for i in (1, 2)]

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, timeout=120)

    try:
        for machine in machines:
            ip("netns", "add", machine)
            ip("-n", machine, "link", "set", "lo", "up")
            ip("-n", machine, "link", "add", "brtest", "type", "bridge")
            ip("-n", machine, "link", "set", "brtest", "up")
        ip("link", "add", ends[0], "netns", machines[0], "type", "veth", "peer", "name", ends[1], "netns", machines[1])
        for machine, end, address in zip(machines, ends, ADDRESSES, strict=True):
            ip("-n", machine, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", machine, "link", "set", end, "up")
        shown = certificates.of_hosts(ADDRESSES)
        first, second = (Libvirtd(machine, listen=address, certificates=shown[address])
                         for machine, address in zip(machines, ADDRESSES, strict=True))
        with first, second:
            yield first, second
    finally:
        for machine in machines:
            subprocess.run(["ip", "netns", "del", machine], check=False, timeout=120)


@pytest.fixture(params=["fake", "libvirt"])
def pair(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Pair]:
    driver_name = request.param
    tmp_path.chmod(0o755)
    image: ImageSource | None = None
    overrides: list[dict[str, dict[str, Any]]] = [{}, {}]
    bridge = None
    if driver_name == "libvirt":
        daemons = request.getfixturevalue("two_daemons")
        image, bridge = serve_image(request.getfixturevalue("file_server"), "tiny.qcow2"), "brtest"
        overrides = [{"libvirt": {"connection_uri": daemon.uri, "virt_type": "qemu", "live_migration_bandwidth": 0,
                                  "live_migration_inbound_addr": address}}
                     for daemon, address in zip(daemons, ADDRESSES, strict=True)]
    hosts = [Harness(driver_name, tmp_path / f"host{i}", over, "", image, bridge) for i, over in enumerate(overrides)]
    source, destination = (host.open() for host in hosts)
    source.pace = destination.pace = Pace(first_look=0.0, look_every=0.1)  # migrations of small guests are short

    def laden() -> GuestSpec:
        guest = hosts[0].guest()
        source.spawn(guest)
        if driver_name == "fake":
            source.knobs.hang("copy")
            return guest
        source.power_off(guest.uuid)  # memory that was never used goes over fast, whatever the bandwidth: the disk not
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 7 1M {LOAD}",
                        source.hypervisor.directory(guest.uuid) / "disk"], check=True, timeout=120, capture_output=True)
        source.power_on(guest.uuid)
        source.hypervisor.conf.set_override("live_migration_bandwidth", 1, "libvirt")
        return guest

    try:
        yield Pair(source, destination, hosts[0].guest, laden)
    finally:
        for host in hosts:
            host.close()


def make_busy(directory: pathlib.Path, *, once: bool = False) -> None:
    """Have the guest, which is off, boot into writing its memory."""
    sector = directory / "sector"
    sector.write_bytes(tinyguest.boot_sector(busy=True, once=once))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -s {sector} 0 512", directory / "disk"], check=True,
                   timeout=120, capture_output=True)
    sector.unlink()


@contextlib.contextmanager
def listening(hypervisor: Any) -> Iterator[list[tuple[int, int]]]:
    """What libvirt says of the lives of guests there: (event, detail)."""
    heard: list[tuple[int, int]] = []
    conn = libvirt.open(hypervisor.connection.uri)
    try:
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                    lambda conn, dom, event, detail, opaque: heard.append((event, detail)), None)
        yield heard
    finally:
        conn.close()


def busy(pair: Pair, *, once: bool = False) -> GuestSpec:
    """A guest that runs at the source and writes its memory, ``once`` or faster than it is sent."""
    guest = pair.guest()
    pair.source.spawn(guest)
    pair.source.power_off(guest.uuid)
    make_busy(pair.source.hypervisor.directory(guest.uuid), once=once)
    said = len(pair.source.console_log(guest.uuid, None))
    pair.source.power_on(guest.uuid)
    eventually(lambda: tinyguest.GREETING in pair.source.console_log(guest.uuid, None)[said:])
    return guest
