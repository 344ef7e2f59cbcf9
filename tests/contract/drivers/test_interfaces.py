# SPDX-License-Identifier: Apache-2.0
"""Network cards plugged in and pulled out: what every driver with Interfaces promises. One guest for all of it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from lxml import etree

from nova import errors
from nova.virt.interfaces import Interfaces
from nova.virt.types import Nic
from tests.contract.drivers.conftest import BRIDGE
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots

pytestmark = pytest.mark.root


def macs(driver: Any, uuid: str) -> list[str]:
    return [nic.mac for nic in driver.diagnostics(uuid).nics]


def test_a_card_comes_and_goes(host: Harness) -> None:
    driver = host.open()
    driver.require(Interfaces)
    guest, more = host.guest(), host.guest().nics[0]
    first = guest.nics[0].address
    driver.spawn(guest)
    for _ in range(2):
        driver.attach_interface(guest.uuid, more)
        assert macs(driver, guest.uuid) == [first, more.address]
    driver.reboot(guest.uuid, "HARD")
    assert macs(driver, guest.uuid) == [first, more.address]
    driver.power_off(guest.uuid)
    for _ in range(2):
        driver.detach_interface(guest.uuid, more)
    driver.power_on(guest.uuid)
    assert macs(driver, guest.uuid) == [first]
    driver.power_off(guest.uuid)
    driver.attach_interface(guest.uuid, more)
    driver.power_on(guest.uuid)
    assert macs(driver, guest.uuid) == [first, more.address]
    driver.destroy(guest.uuid, guest.name)


def test_a_card_is_a_tap_on_the_bridge_of_a_running_guest(libvirt_host: Harness, netns: str) -> None:
    driver = libvirt_host.open()
    guest, more = libvirt_host.guest(), libvirt_host.guest().nics[0]
    driver.spawn(guest)
    driver.attach_interface(guest.uuid, more)
    done = subprocess.run(["ip", "-n", netns, "-j", "link", "show", "master", BRIDGE], check=True,
                          capture_output=True, timeout=120)
    assert {link["ifname"] for link in json.loads(done.stdout)} == {guest.nics[0].device, more.device}


def test_a_guest_that_does_not_let_go_keeps_its_card(libvirt_host: Harness) -> None:
    """The tiny guest knows nothing of its slots; when it is off nobody has to be asked."""
    driver = libvirt_host.open(device_detach_attempts=2, device_detach_timeout=1)
    guest = libvirt_host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(libvirt_host, driver, guest) == 1)
    with pytest.raises(errors.HostFailure, match="does not let go"):
        driver.detach_interface(guest.uuid, guest.nics[0])
    assert macs(driver, guest.uuid) == [guest.nics[0].address]
    document = driver.hypervisor.connection.domain(guest.uuid, lambda dom: dom.XMLDesc(2))
    assert len(etree.fromstring(document).findall("devices/interface")) == 1
    driver.power_off(guest.uuid)
    driver.detach_interface(guest.uuid, guest.nics[0])
    driver.power_on(guest.uuid)
    assert macs(driver, guest.uuid) == []


def test_it_knows_no_strangers(host: Harness) -> None:
    driver = host.open()
    nic: Nic = host.guest().nics[0]
    for act in (driver.attach_interface, driver.detach_interface):
        with pytest.raises(errors.NotFound):
            act("00000000-0000-4000-8000-000000000000", nic)
