# SPDX-License-Identifier: Apache-2.0
"""Guests that leave a host and arrive at another, or at the same one: what every driver with Resize promises."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from nova import errors
from nova.host.handover import Handover
from nova.virt.interfaces import Resize
from nova.virt.types import GuestSpec, PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots

pytestmark = pytest.mark.root


def other_of(host: Harness, here: Any) -> tuple[Harness, Any]:
    """Another host: for libvirt, other directories on the same daemon, which shares no storage with the first."""
    there = dataclasses.replace(host, state=host.state / "there", opened=host.opened)
    driver = there.open()
    for one in (here, driver):
        if host.name == "libvirt":
            one.handover = Handover(one.hypervisor.instances, host.state / "key", "127.0.0.1", 0)
    return there, driver


@contextlib.contextmanager
def on_both(there: Harness, here: Any, away: Any, guest: GuestSpec) -> Iterator[None]:
    """Whatever happens inside, neither host has the guest after it, and the other one is closed."""
    try:
        yield
    finally:
        away.destroy(guest.uuid, guest.name)
        here.destroy(guest.uuid, guest.name)
        here.drop_aside(guest.uuid)
    there.opened.remove(away)
    away.stop()


def same_content(first: pathlib.Path, second: pathlib.Path) -> bool:
    return subprocess.run(["qemu-img", "compare", "-q", "-U", first, second], timeout=120, check=False).returncode == 0


def directory(driver: Any, name: str) -> pathlib.Path:
    found: pathlib.Path = driver.hypervisor.instances / name
    return found


def size_of(path: pathlib.Path) -> str:
    told = subprocess.run(["qemu-img", "info", "-U", path], capture_output=True, text=True, timeout=60, check=True)
    return next(line for line in told.stdout.splitlines() if line.startswith("virtual size"))


def grown(guest: GuestSpec) -> GuestSpec:
    return dataclasses.replace(guest, vcpus=2, memory_mb=48, root_gb=2, swap_mb=64)


def test_a_guest_leaves_and_arrives_and_its_former_host_forgets_it(host: Harness) -> None:
    here = host.open()
    here.require(Resize)
    there, away = other_of(host, here)
    guest = host.guest(swap_mb=32, ephemeral_gb=1)
    here.spawn(guest)
    eventually(lambda: boots(host, here, guest) == 1)
    with on_both(there, here, away, guest):
        expected = away.expect(grown(guest), from_here=False)
        for _ in range(2):
            disks = here.set_aside(guest, expected, 0)
            assert here.list() == [] and here.list_aside() == [guest.uuid]
        for _ in range(2):
            away.bring_in(grown(guest) if host.name == "fake" else dataclasses.replace(grown(guest), ephemeral_gb=1),
                          disks, power_on=True)
            info = away.info(guest.uuid)
            assert (info.power_state, info.vcpus) == (PowerState.RUNNING, 2)
        assert away.list() == [guest.uuid] and here.list() == [] and away.list_aside() == []
        if host.name == "libvirt":
            new, old = directory(away, guest.uuid), directory(here, guest.uuid + "_resize")
            assert "2 GiB" in size_of(new / "disk") and "64 MiB" in size_of(new / "disk.swap")
            assert "1 GiB" in size_of(new / "disk.ephemeral")
            away.power_off(guest.uuid)
            assert same_content(old / "disk.ephemeral", new / "disk.ephemeral")
            assert "backing file" not in subprocess.run(["qemu-img", "info", new / "disk"], capture_output=True,
                                                        text=True, timeout=60, check=True).stdout
            away.power_on(guest.uuid)
        for _ in range(2):
            here.drop_aside(guest.uuid)
            assert here.list_aside() == []
        assert not list(here.hypervisor.instances.glob(f"*{guest.uuid}*")) if host.name == "libvirt" else True


@pytest.mark.parametrize("power_on", [True, False])
def test_a_guest_changes_its_size_and_goes_back(host: Harness, power_on: bool) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    if not power_on:
        driver.power_off(guest.uuid)
    state = PowerState.RUNNING if power_on else PowerState.SHUTDOWN
    disks = driver.set_aside(guest, driver.expect(grown(guest), from_here=True), 0)
    driver.bring_in(grown(guest), disks, power_on=power_on)
    info = driver.info(guest.uuid)
    assert (info.power_state, info.vcpus) == (state, 2)
    assert driver.list() == [guest.uuid] == driver.list_aside()
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == [] and driver.list_aside() == [guest.uuid]
    for _ in range(2):
        driver.take_back(guest, power_on=power_on)
        info = driver.info(guest.uuid)
        assert (info.power_state, info.vcpus) == (state, 1)
        assert driver.list() == [guest.uuid] and driver.list_aside() == []
    driver.power_on(guest.uuid)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING


def test_what_never_left_is_taken_back_as_it_is(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    driver.take_back(guest, power_on=True)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    driver.drop_aside(guest.uuid)
    assert driver.list() == [guest.uuid]


def test_disks_that_cannot_be_fetched(libvirt_host: Harness) -> None:
    host = libvirt_host
    here = host.open()
    _, away = other_of(host, here)
    guest = host.guest()
    here.spawn(guest)
    told = here.set_aside(guest, away.expect(guest, from_here=False), 0)
    url = told["files"]["disk"]["url"]
    forged = {"files": {"disk": told["files"]["disk"] | {"url": url[:-1] + ("0" if url[-1] != "0" else "1")}}}
    with pytest.raises(errors.HostFailure, match="403"):
        away.bring_in(guest, forged)
    sent = directory(here, guest.uuid + "_resize") / "disk.send"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", sent, "1G"],
                   check=True, timeout=60)
    directory(away, guest.uuid).joinpath("disk.part").unlink(missing_ok=True)
    with pytest.raises(errors.HostFailure, match="not accepted"):
        away.bring_in(guest, told)
    away.destroy(guest.uuid, guest.name)
    here.take_back(guest, power_on=True)
    assert here.info(guest.uuid).power_state is PowerState.RUNNING
    assert not list(directory(here, guest.uuid).glob("*.send*"))
