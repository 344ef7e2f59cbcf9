# SPDX-License-Identifier: Apache-2.0
"""Guests that stand still and go on: what every driver with Pause and Suspend promises. One guest for all of it."""

from __future__ import annotations

import pytest

from nova import errors
from nova.virt.interfaces import Pause, Suspend
from nova.virt.types import PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots

pytestmark = pytest.mark.root


def test_a_guest_stands_still_and_goes_on(host: Harness) -> None:
    driver = host.open()
    driver.require(Pause)
    driver.require(Suspend)
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)

    for there, back, state in ((driver.pause, driver.unpause, PowerState.PAUSED),
                               (driver.suspend, driver.resume, PowerState.SUSPENDED)):
        for _ in range(2):
            there(guest.uuid)
            assert driver.info(guest.uuid).power_state is state
        assert driver.list() == [guest.uuid]
        for _ in range(2):
            back(guest.uuid)
            assert driver.info(guest.uuid).power_state is PowerState.RUNNING

    driver.suspend(guest.uuid)
    driver.stop()  # the host comes back
    host.opened.clear()
    driver = host.open()
    assert driver.info(guest.uuid).power_state is PowerState.SUSPENDED
    with pytest.raises(errors.HostFailure):
        driver.pause(guest.uuid)
    driver.resume(guest.uuid)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    assert boots(host, driver, guest) == 1

    driver.suspend(guest.uuid)
    driver.reboot(guest.uuid, "HARD")  # from its disk, not from its memory
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    eventually(lambda: boots(host, driver, guest) == 2)
    driver.suspend(guest.uuid)
    driver.power_off(guest.uuid)
    assert driver.info(guest.uuid).power_state is PowerState.SHUTDOWN
    for act in (driver.pause, driver.unpause, driver.suspend, driver.resume):
        with pytest.raises(errors.HostFailure):
            act(guest.uuid)
    driver.power_on(guest.uuid)
    driver.suspend(guest.uuid)
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == []


def test_it_knows_no_strangers(host: Harness) -> None:
    driver = host.open()
    for act in (driver.pause, driver.unpause, driver.suspend, driver.resume):
        with pytest.raises(errors.NotFound):
            act("00000000-0000-4000-8000-000000000000")
