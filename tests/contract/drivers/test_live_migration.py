# SPDX-License-Identifier: Apache-2.0
"""Two hosts of each driver: a guest goes from one to the other, or stays where it is, and is never nowhere or twice."""

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

from nova import concurrency, errors
from nova.virt.libvirt.migration_job import Pace
from nova.virt.migration import ABORT, FORCE_COMPLETE, Counters, Unwatched, Wishes
from nova.virt.types import GuestSpec, ImageSource, PowerState
from tests.contract.drivers.harness import Harness, eventually, serve_image
from tests.services import tinyguest
from tests.services.files import FileServer
from tests.services.libvirtd import Libvirtd

#: Bytes on the disk of a guest that takes long, at a MiB per second.
_LOAD = 6 << 20
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
        return self.destination.prepare_arrival(guest, self.source.examine(guest.uuid), wishes)

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
        with Libvirtd(machines[0], listen=ADDRESSES[0]) as first, Libvirtd(machines[1], listen=ADDRESSES[1]) as second:
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
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 7 1M {_LOAD}",
                        source.hypervisor.directory(guest.uuid) / "disk"], check=True, timeout=120, capture_output=True)
        source.power_on(guest.uuid)
        source.hypervisor.conf.set_override("live_migration_bandwidth", 1, "libvirt")
        return guest

    try:
        yield Pair(source, destination, hosts[0].guest, laden)
    finally:
        for host in hosts:
            host.close()


def test_it_goes_over_and_comes_back(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    there = pair.prepared(guest)
    assert pair.where(guest) == (True, False)
    pair.source.migrate(guest.uuid, there, WISHES, Unwatched())
    assert pair.destination.arrived(guest.uuid)
    for _ in range(2):
        pair.destination.welcome(guest)
        pair.source.see_off(guest.uuid, guest.name, there)
    assert pair.where(guest) == (False, True)
    assert pair.destination.info(guest.uuid).power_state is PowerState.RUNNING
    back = Pair(pair.destination, pair.source, pair.guest, pair.laden)
    here = back.prepared(guest)
    back.source.migrate(guest.uuid, here, WISHES, Unwatched())
    back.destination.welcome(guest)
    back.source.see_off(guest.uuid, guest.name, here)
    assert back.where(guest) == (False, True)


def test_a_guest_that_has_left_has_arrived(pair: Pair) -> None:
    """The source's process died when all was done but told."""
    guest = pair.guest()
    pair.source.spawn(guest)
    there = pair.prepared(guest)
    for _ in range(2):
        pair.source.migrate(guest.uuid, there, WISHES, Unwatched())
    with pytest.raises(errors.NotFound):
        pair.source.call_off(guest.uuid)
    with pytest.raises(errors.HostFailure, match="runs on"):
        pair.destination.clear_arrival(guest.uuid, guest.name)
    pair.source.see_off(guest.uuid, guest.name, there)
    assert pair.where(guest) == (False, True)


def test_a_paused_guest_arrives_paused(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    pair.source.pause(guest.uuid)
    pair.source.migrate(guest.uuid, pair.prepared(guest), WISHES, Unwatched())
    assert pair.destination.info(guest.uuid).power_state is PowerState.PAUSED


def test_one_that_is_off_cannot_go(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    pair.source.power_off(guest.uuid)
    with pytest.raises(errors.HostFailure, match="does not run"):
        pair.source.examine(guest.uuid)


def test_hosts_without_shared_disks_say_so(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    with pytest.raises(errors.HostFailure, match="block migration is needed"):
        pair.prepared(guest, Wishes("move-1", block_migration=False))


def test_another_driver_is_refused(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    with pytest.raises(errors.HostFailure, match="other driver cannot run"):
        pair.destination.prepare_arrival(guest, {**pair.source.examine(guest.uuid), "driver": "other"}, WISHES)


@pytest.mark.parametrize("pair", ["libvirt"], indirect=True)
def test_a_machine_that_cannot_run_it_says_why(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    told = pair.source.examine(guest.uuid)
    for change, why in (({"virt_type": "kvm"}, "of type kvm on x86_64 cannot run on qemu on x86_64"),
                        ({"arch": "aarch64"}, "of type qemu on aarch64 cannot run"),
                        ({"version": told["version"] + 1}, "is older than")):
        with pytest.raises(errors.HostFailure, match=why) as caught:
            pair.destination.prepare_arrival(guest, {**told, **change}, WISHES)
        assert caught.value.details.get("retry", True), "another host may do"
    assert pair.where(guest) == (True, False)


@pytest.mark.parametrize("after", [0, 1])
def test_an_abort_leaves_it_at_the_source(pair: Pair, after: int) -> None:
    guest = pair.laden()
    there = pair.prepared(guest)
    with pytest.raises(errors.Conflict, match="aborted"):
        pair.source.migrate(guest.uuid, there, WISHES, Watch(ABORT, after))
    for _ in range(2):
        pair.source.call_off(guest.uuid)
        pair.destination.clear_arrival(guest.uuid, guest.name)
    assert pair.where(guest) == (True, False)
    assert pair.source.info(guest.uuid).power_state is PowerState.RUNNING
    assert pair.destination.list() == []


def test_an_operation_that_is_over_breaks_it_off(pair: Pair) -> None:
    guest = pair.laden()
    there = pair.prepared(guest)
    with pytest.raises(errors.Stale):
        pair.source.migrate(guest.uuid, there, WISHES, Watch(errors.Stale("Superseded."), 1))
    pair.source.call_off(guest.uuid)
    assert pair.where(guest) == (True, False)


def test_it_tells_how_far_it_is_and_can_be_forced(pair: Pair) -> None:
    guest = pair.laden()
    watch = Watch(FORCE_COMPLETE, 1)
    pair.source.migrate(guest.uuid, pair.prepared(guest), WISHES, watch)
    assert all(c.memory_remaining <= c.memory_total and c.disk_remaining <= c.disk_total for c in watch.reports)
    assert max(c.memory_total + c.disk_total for c in watch.reports) >= _LOAD
    assert pair.destination.arrived(guest.uuid)


@pytest.mark.parametrize("pair", ["libvirt"], indirect=True)
def test_forced_to_its_end_it_goes_over_to_post_copy_where_both_hosts_permit_it(pair: Pair) -> None:
    """A guest that writes faster than its memory is sent."""
    guest = pair.guest()
    pair.source.spawn(guest)
    pair.source.power_off(guest.uuid)
    make_busy(pair.source.hypervisor.directory(guest.uuid))
    said = len(pair.source.console_log(guest.uuid, None))
    pair.source.power_on(guest.uuid)
    eventually(lambda: tinyguest.GREETING in pair.source.console_log(guest.uuid, None)[said:])
    pair.source.hypervisor.conf.set_override("live_migration_bandwidth", 4, "libvirt")
    for host in (pair.source, pair.destination):
        assert not pair.prepared(guest)["post_copy"]
        host.hypervisor.conf.set_override("live_migration_permit_post_copy", True, "libvirt")
    there = pair.prepared(guest)
    with listening(pair.source.hypervisor) as heard:
        pair.source.migrate(guest.uuid, there, WISHES, Watch(FORCE_COMPLETE))
        eventually(lambda: libvirt.VIR_DOMAIN_EVENT_STOPPED in [event for event, _ in heard])
    assert (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY) in heard
    assert pair.destination.info(guest.uuid).power_state is PowerState.RUNNING
    pair.destination.welcome(guest)
    pair.source.see_off(guest.uuid, guest.name, there)
    assert pair.where(guest) == (False, True)


def make_busy(directory: pathlib.Path) -> None:
    """Have the guest, which is off, boot into writing its memory."""
    sector = directory / "sector"
    sector.write_bytes(tinyguest.boot_sector(busy=True))
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


def test_a_migration_that_nobody_watches_any_more_is_found_again(pair: Pair) -> None:
    """The process at the source dies while the guest is on its way."""
    guest = pair.laden()
    there = pair.prepared(guest)
    began = Watch()
    task = concurrency.spawn(lambda: pair.source.migrate(guest.uuid, there, WISHES, began), name="first")
    eventually(lambda: began.reports)
    pair.source.migrate(guest.uuid, there, WISHES, Watch(FORCE_COMPLETE))
    assert task.join(120)
    assert pair.destination.arrived(guest.uuid)


def test_on_shared_storage_neither_an_undo_nor_a_farewell_takes_the_disks(
        tmp_path: pathlib.Path, two_daemons: tuple[Libvirtd, Libvirtd], file_server: FileServer) -> None:
    tmp_path.chmod(0o755)
    hosts = [Harness("libvirt", tmp_path, {"libvirt": {
        "connection_uri": daemon.uri, "virt_type": "qemu", "live_migration_inbound_addr": address}}, "",
        serve_image(file_server, "tiny.qcow2"), "brtest")
        for daemon, address in zip(two_daemons, ADDRESSES, strict=True)]
    source, destination = (host.open() for host in hosts)
    pair = Pair(source, destination, hosts[0].guest, hosts[0].guest)
    guest = pair.guest()
    try:
        source.spawn(guest)
        disk = source.hypervisor.directory(guest.uuid) / "disk"
        assert pair.prepared(guest)["shared"]
        source.call_off(guest.uuid)
        destination.clear_arrival(guest.uuid, guest.name)
        assert disk.exists() and source.info(guest.uuid).power_state is PowerState.RUNNING
        source.hypervisor.conf.set_override("live_migration_bandwidth", 0, "libvirt")
        there = pair.prepared(guest)
        source.migrate(guest.uuid, there, WISHES, Unwatched())
        destination.welcome(guest)
        source.see_off(guest.uuid, guest.name, there)
        assert disk.exists() and destination.info(guest.uuid).power_state is PowerState.RUNNING
    finally:
        for host in hosts:
            host.close()
