# SPDX-License-Identifier: Apache-2.0
"""What every driver promises nova-compute."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from nova import concurrency, errors
from nova.virt.fake.host import FakeHost
from nova.virt.interfaces import Console, Events, Inventory, Lifecycle, Volumes
from nova.virt.types import EventKind, LifecycleEvent, PowerState
from tests.contract.drivers.harness import Harness, eventually

pytestmark = pytest.mark.root


def boots(host: Harness, driver: Any, guest: Any) -> int:
    return int(driver.console_log(guest.uuid).count(host.boot_mark))


def test_what_it_can_do_it_says(host: Harness) -> None:
    driver = host.open()
    assert all(driver.supports(i) for i in (Lifecycle, Inventory, Console, Events))
    assert not driver.supports(Volumes)
    with pytest.raises(errors.NotSupported, match=f"The {host.name} driver cannot do this: Volumes"):
        driver.require(Volumes)
    assert "COMPUTE_IMAGE_TYPE_QCOW2" in driver.capabilities.traits()


def test_a_guest_from_birth_to_death(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    steps: list[tuple[str, int]] = []

    driver.spawn(guest, lambda what, percent: steps.append((what, percent)))

    info = driver.info(guest.uuid)
    assert (info.uuid, info.name, info.power_state) == (guest.uuid, guest.name, PowerState.RUNNING)
    assert (info.vcpus, info.max_memory_kb) == (1, 32 * 1024)
    assert driver.list() == [guest.uuid] and driver.exists(guest.uuid)
    assert [p for _, p in steps] == sorted(p for _, p in steps) and steps[-1][1] == 100
    eventually(lambda: boots(host, driver, guest) == 1)

    driver.destroy(guest.uuid, guest.name)

    assert driver.list() == [] and not driver.exists(guest.uuid)
    with pytest.raises(errors.NotFound):
        driver.info(guest.uuid)
    with pytest.raises(errors.NotFound):
        driver.console_log(guest.uuid)


def test_everything_may_be_repeated(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    driver.spawn(guest)
    driver.power_on(guest.uuid)
    assert boots(host, driver, guest) == 1
    driver.power_off(guest.uuid)
    driver.power_off(guest.uuid, 5)
    assert driver.info(guest.uuid).power_state is PowerState.SHUTDOWN
    driver.spawn(guest)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    driver.destroy(guest.uuid, guest.name)
    driver.destroy(guest.uuid, guest.name)


@pytest.mark.parametrize("early", [True, False], ids=["said before", "said meanwhile"])
def test_one_that_is_to_be_destroyed_is_given_no_time(host: Harness, early: bool) -> None:
    driver = host.open()
    if isinstance(driver, FakeHost):
        driver.knobs.slow("shutdown", 100_000)
    guest = host.guest(image=None)  # nothing runs in it that could hear
    driver.spawn(guest)
    if early:
        driver.hurry(guest.uuid)
    waiting = concurrency.spawn(driver.power_off, guest.uuid, 100_000)
    driver.hurry(guest.uuid)
    waiting.join(120)
    assert driver.info(guest.uuid).power_state is PowerState.SHUTDOWN
    driver.destroy(guest.uuid, guest.name)


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
def test_a_reboot_starts_it_anew(host: Harness, kind: str) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    driver.reboot(guest.uuid, kind)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    eventually(lambda: boots(host, driver, guest) == 2)


def test_a_hard_reboot_starts_what_is_off(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    driver.power_off(guest.uuid)
    driver.reboot(guest.uuid, "HARD")
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING


def test_the_next_process_finds_the_guests_of_the_last(host: Harness) -> None:
    first = host.open()
    on, off = host.guest(), host.guest()
    first.spawn(on)
    first.spawn(off)
    first.power_off(off.uuid)
    first.stop()
    host.opened.clear()

    second = host.open()

    assert sorted(second.list()) == sorted([on.uuid, off.uuid])
    assert second.info(on.uuid).power_state is PowerState.RUNNING
    assert second.info(off.uuid).power_state is PowerState.SHUTDOWN
    second.power_on(off.uuid)
    assert second.info(off.uuid).power_state is PowerState.RUNNING


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("then", ["spawn", "destroy"])
def test_a_spawn_that_dies_at_any_step_can_be_done_again_or_undone(host: Harness, step: int, then: str) -> None:
    driver = host.open()
    guest = host.guest()
    told = 0

    def die(what: str, percent: int) -> None:
        nonlocal told
        told += 1
        if told > step:
            raise KeyboardInterrupt

    if step < (5 if host.name == "libvirt" else 3):
        with pytest.raises(KeyboardInterrupt):
            driver.spawn(guest, die)
    else:
        driver.spawn(guest, die)
    driver.stop()
    host.opened.clear()
    driver = host.open()
    if then == "spawn":
        driver.spawn(guest)
        assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    else:
        driver.destroy(guest.uuid, guest.name)
        assert driver.list() == [] and not driver.exists(guest.uuid)


def test_strangers_are_not_found(host: Harness) -> None:
    driver = host.open()
    stranger = str(uuid.uuid4())
    for act in (driver.info, driver.power_on, driver.power_off, driver.console_log, driver.vnc,
                lambda u: driver.reboot(u, "SOFT"), lambda u: driver.reboot(u, "HARD")):
        with pytest.raises(errors.NotFound):
            act(stranger)
    with pytest.raises(errors.NotFound):
        driver.recreate(host.guest())
    assert not driver.exists(stranger) and driver.list() == []
    driver.destroy(stranger, "instance-ffffffff")


def test_names_may_hold_anything(host: Harness) -> None:
    driver = host.open()
    guest = host.guest(display_name="</name><&\"' \N{SNOWMAN} \x00\x1b", metadata={"a<": "&"})
    driver.spawn(guest)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING


def test_a_console_by_lines(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    whole = eventually(lambda: driver.console_log(guest.uuid) if boots(host, driver, guest) else "")
    assert driver.console_log(guest.uuid, 1) == whole.split("\n")[-1]
    assert driver.console_log(guest.uuid, 10_000) == whole
    assert driver.console_log(guest.uuid, 0) == ""


def test_a_screen_while_it_runs(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    address = driver.vnc(guest.uuid)
    assert (address.kind, address.host) == ("vnc", "127.0.0.1") and address.port >= 5900
    driver.power_off(guest.uuid)
    with pytest.raises(errors.Conflict, match="only while the server is running"):
        driver.vnc(guest.uuid)


def test_the_inventory_is_whole_and_steady(host: Harness) -> None:
    driver = host.open()
    before = driver.inventory()
    driver.spawn(host.guest())
    after = driver.inventory()
    assert before.digest() == after.digest()
    assert (before.running_guests, after.running_guests) == (0, 1)
    assert set(after.inventory) == {"VCPU", "MEMORY_MB", "DISK_GB"}
    for stock in after.inventory.values():
        assert 0 <= stock["reserved"] < stock["total"] and stock["allocation_ratio"] > 0
        assert (stock["min_unit"], stock["step_size"]) == (1, 1) and stock["max_unit"] == stock["total"]
    assert after.inventory["VCPU"]["allocation_ratio"] == 4.0
    assert after.inventory["MEMORY_MB"]["reserved"] == 512
    assert any(arch == "x86_64" for arch, _, _ in after.supported_instances)
    assert after.host_ip == "192.0.2.1"
    assert driver.uptime().startswith("up ")


def test_events_come_in_order(host: Harness) -> None:
    driver = host.open()
    seen: list[LifecycleEvent] = []
    driver.listen(seen.append)
    guest = host.guest()
    driver.spawn(guest)
    driver.power_off(guest.uuid)
    driver.power_on(guest.uuid)
    wanted = [EventKind.STARTED, EventKind.STOPPED, EventKind.STARTED]

    def kinds() -> list[EventKind]:
        return [e.kind for e in seen if e.uuid == guest.uuid and e.kind in (EventKind.STARTED, EventKind.STOPPED)]

    eventually(lambda: len(kinds()) >= 3)
    assert kinds() == wanted


def test_guests_side_by_side(host: Harness) -> None:
    driver = host.open()
    one, two = host.guest(), host.guest()
    driver.spawn(one)
    driver.spawn(two)
    driver.destroy(one.uuid, one.name)
    assert driver.list() == [two.uuid]
    assert driver.info(two.uuid).power_state is PowerState.RUNNING
