# SPDX-License-Identifier: Apache-2.0
"""Real guests whose migration breaks: before they have left, and when they run at the other host already."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import libvirt
import pytest

from nova import concurrency, errors
from nova.virt.migration import FORCE_COMPLETE
from nova.virt.types import GuestSpec, PowerState
from tests.contract.drivers.harness import eventually
from tests.contract.drivers.pairs import ADDRESSES, WISHES, Pair, Watch, busy, listening
from tests.services.libvirtd import Libvirtd

pytestmark = pytest.mark.parametrize("pair", ["libvirt"], indirect=True)
AWAY = (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY)
RUNS_THERE = (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_POSTCOPY)


class Slowly(Watch):
    """Forces the migration into a post-copy that would take half a minute."""

    def __init__(self, pair: Pair, guest: GuestSpec) -> None:
        super().__init__()
        self._pair, self._guest = pair, guest
        self.limited = True

    def wanted(self, seconds: float) -> frozenset[str]:
        concurrency.sleep(seconds)
        try:
            if self.limited:
                limit_post_copy(self._pair.source, self._guest.uuid, 1)
        except errors.NovaError:
            return frozenset()  # it has not begun, or is over
        return frozenset({FORCE_COMPLETE})


def limit_post_copy(host: Any, uuid: str, speed: int) -> None:
    host.hypervisor.connection.domain(uuid, lambda dom: dom.migrateSetMaxSpeed(
        speed, libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY))


@contextlib.contextmanager
def under_way(pair: Pair, guest: GuestSpec, watch: Watch) -> Iterator[list[Any]]:
    """A migration; at the end, when it is over: the destination's document, and the error if there was one."""
    there = pair.prepared(guest)
    ended: list[Any] = [there]

    def migrate() -> None:
        try:
            pair.source.migrate(guest.uuid, there, WISHES, watch)
        except errors.NovaError as e:
            ended.append(e)

    task = concurrency.spawn(migrate, name="migrate")
    try:
        yield ended
    finally:
        assert task.join(300)


@contextlib.contextmanager
def in_post_copy(pair: Pair, guest: GuestSpec) -> Iterator[list[Any]]:
    for host in (pair.source, pair.destination):
        host.hypervisor.conf.set_override("live_migration_permit_post_copy", True, "libvirt")
    pair.source.hypervisor.conf.set_override("live_migration_bandwidth", 1, "libvirt")
    watch = Slowly(pair, guest)
    with listening(pair.source.hypervisor) as heard, under_way(pair, guest, watch) as ended:
        eventually(lambda: AWAY in heard or len(ended) > 1)
        watch.limited = False
        yield ended


def kill(host: Any, uuid: str) -> None:
    """The guest's QEMU, on that host."""
    mine = str(host.hypervisor.instances)
    for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            said = place.read_text()
            if "qemu-system" in said.split("\0")[0] and uuid in said and mine in said:
                os.kill(int(place.parent.name), signal.SIGKILL)


def see_off(pair: Pair, daemon: Libvirtd, leave: Callable[[], None]) -> None:
    """libvirtd has been seen, rarely, to wait for good for the QEMU that is gone, and to let nobody near its guest
    meanwhile: the host says so, and does it when libvirtd is another."""
    try:
        leave()
    except errors.HostFailure as e:
        assert "cannot acquire state change lock" in e.message
        daemon.stop_daemon(signal.SIGKILL)
        daemon.start_daemon()
        eventually(lambda: answers(pair.source))
        leave()


def answers(host: Any) -> bool:
    try:
        host.list()
    except errors.Unavailable:
        return False
    return True


@pytest.mark.parametrize("loser", ["source", "destination"])
def test_a_guest_that_loses_half_its_memory_is_off_at_the_destination(
        pair: Pair, two_daemons: tuple[Libvirtd, Libvirtd], loser: str) -> None:
    guest = busy(pair)
    with in_post_copy(pair, guest) as ended:
        kill(getattr(pair, loser), guest.uuid)
    assert len(ended) == 1, ended
    for _ in range(2):
        assert pair.destination.welcome(guest) is False
        see_off(pair, two_daemons[0], lambda: pair.source.see_off(guest.uuid, guest.name, ended[0]))
    assert pair.source.list() == [] and pair.destination.list() == [guest.uuid]
    pair.destination.recreate(guest)
    assert pair.destination.info(guest.uuid).power_state is PowerState.RUNNING


def test_a_connection_that_broke_in_post_copy_is_made_again(pair: Pair, two_daemons: tuple[Libvirtd, Libvirtd]) -> None:
    """Of a guest whose processor stands still: an emulated one may stop its QEMU where it waits for memory."""
    guest = busy(pair, once=True)
    with listening(pair.destination.hypervisor) as heard, in_post_copy(pair, guest) as ended:
        eventually(lambda: RUNS_THERE in heard)
        subprocess.run(["ip", "netns", "exec", str(two_daemons[0].netns), "ss", "-K", "-tn", "dst", ADDRESSES[1]],
                       check=True, capture_output=True, timeout=120)
        limit_post_copy(pair.source, guest.uuid, 1000)
    assert len(ended) == 1, ended
    assert pair.destination.welcome(guest) is True
    pair.source.see_off(guest.uuid, guest.name, ended[0])
    assert pair.where(guest) == (False, True)
    assert pair.destination.info(guest.uuid).power_state is PowerState.RUNNING


def test_a_guest_that_ends_before_it_has_left_is_off_at_the_source(pair: Pair) -> None:
    guest = pair.laden()
    watch = Watch()
    with under_way(pair, guest, watch) as ended:
        eventually(lambda: watch.reports)
        kill(pair.source, guest.uuid)
    assert isinstance(ended[1], errors.HostFailure)
    with pytest.raises(errors.NotFound):
        pair.source.call_off(guest.uuid)
    assert pair.where(guest) == (True, False)
    pair.destination.clear_arrival(guest.uuid, guest.name)
    assert pair.destination.list() == []
    assert pair.source.info(guest.uuid).power_state in (PowerState.CRASHED, PowerState.SHUTDOWN)
    pair.source.power_on(guest.uuid)
    assert pair.source.info(guest.uuid).power_state is PowerState.RUNNING


def test_a_destination_that_dies_before_the_guest_has_left_leaves_it_at_the_source(pair: Pair) -> None:
    guest = pair.laden()
    watch = Watch()
    with under_way(pair, guest, watch) as ended:
        eventually(lambda: watch.reports)
        kill(pair.destination, guest.uuid)
    assert isinstance(ended[1], errors.HostFailure)
    pair.source.call_off(guest.uuid)
    pair.destination.clear_arrival(guest.uuid, guest.name)
    assert pair.where(guest) == (True, False)
    assert pair.source.info(guest.uuid).power_state is PowerState.RUNNING
