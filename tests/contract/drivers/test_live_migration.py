# SPDX-License-Identifier: Apache-2.0
"""Two hosts of each driver: a guest goes from one to the other, or stays where it is, and is never nowhere or twice."""

from __future__ import annotations

import pathlib

import libvirt
import pytest

from nova import concurrency, errors
from nova.virt.migration import ABORT, FORCE_COMPLETE, Unwatched, Wishes
from nova.virt.types import PowerState
from tests.contract.drivers.harness import Harness, eventually, serve_image
from tests.contract.drivers.pairs import ADDRESSES, LOAD, WISHES, Pair, Watch, busy, listening
from tests.services.files import FileServer
from tests.services.libvirtd import Libvirtd


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
        pair.source.examine(guest.uuid, WISHES.operation)


def test_hosts_without_shared_disks_say_so(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    with pytest.raises(errors.HostFailure, match="block migration is needed"):
        pair.prepared(guest, Wishes("move-1", block_migration=False))


def test_another_driver_is_refused(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    with pytest.raises(errors.HostFailure, match="other driver cannot run"):
        pair.destination.prepare_arrival(
            guest, {**pair.source.examine(guest.uuid, WISHES.operation), "driver": "other"}, WISHES)


@pytest.mark.parametrize("pair", ["libvirt"], indirect=True)
def test_a_machine_that_cannot_run_it_says_why(pair: Pair) -> None:
    guest = pair.guest()
    pair.source.spawn(guest)
    told = pair.source.examine(guest.uuid, WISHES.operation)
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
    assert max(c.memory_total + c.disk_total for c in watch.reports) >= LOAD
    assert pair.destination.arrived(guest.uuid)


@pytest.mark.parametrize("pair", ["libvirt"], indirect=True)
def test_forced_to_its_end_it_goes_over_to_post_copy_where_both_hosts_permit_it(pair: Pair) -> None:
    """A guest that writes faster than its memory is sent."""
    guest = busy(pair)
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
