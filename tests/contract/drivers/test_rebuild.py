# SPDX-License-Identifier: Apache-2.0
"""New disks for a guest."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from nova.virt.types import PowerState
from tests.contract.drivers.harness import Harness, eventually

pytestmark = pytest.mark.root


def boots(host: Harness, driver: Any, guest: Any) -> int:
    return int(driver.console_log(guest.uuid).count(host.boot_mark))


def test_a_rebuilt_guest_is_off_and_boots_from_a_fresh_disk(host: Harness) -> None:
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    driver.rebuild(guest, preserve_ephemeral=False)
    driver.rebuild(guest, preserve_ephemeral=False)
    assert driver.info(guest.uuid).power_state is PowerState.SHUTDOWN and driver.list() == [guest.uuid]
    before = boots(host, driver, guest)
    driver.power_on(guest.uuid)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    eventually(lambda: boots(host, driver, guest) == before + 1)


def test_ephemeral_space_may_be_kept(libvirt_host: Harness) -> None:
    driver = libvirt_host.open()
    guest = dataclasses.replace(libvirt_host.guest(), ephemeral_gb=1)
    driver.spawn(guest)
    root, kept = (driver.hypervisor.directory(guest.uuid) / name for name in ("disk", "disk.ephemeral"))
    with root.open("rb") as old, kept.open("rb") as same:  # held, so that their numbers are not given out again
        driver.rebuild(guest, preserve_ephemeral=True)
        assert root.stat().st_ino != os.fstat(old.fileno()).st_ino
        assert kept.stat().st_ino == os.fstat(same.fileno()).st_ino
        driver.rebuild(guest, preserve_ephemeral=False)
        assert kept.stat().st_ino != os.fstat(same.fileno()).st_ino
