# SPDX-License-Identifier: Apache-2.0
"""Guests that boot from a rescue image: what every driver with Rescue promises, and what libvirt is told."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

from nova import errors
from nova.virt.interfaces import Rescue
from nova.virt.libvirt.rescue import beside
from nova.virt.libvirt.xml.draft import DiskFile
from nova.virt.types import ImageSource, PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots

pytestmark = pytest.mark.root

#: For the driver that looks into no image.
NO_BYTES = ImageSource(id="9a1c0d5e-7b0e-4a0e-8f57-0a8c3c5f2d11", url="http://127.0.0.1:1/none", disk_format="raw")


@pytest.mark.parametrize("where", [{}, {"hw_rescue_device": "disk", "hw_rescue_bus": "virtio"}])
def test_a_guest_is_rescued_and_goes_back(host: Harness, where: dict[str, str]) -> None:
    driver = host.open()
    driver.require(Rescue)
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    image = dataclasses.replace(guest.image or NO_BYTES, properties=where)

    for _ in range(2):  # again changes nothing
        driver.rescue(guest, image)
        assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    eventually(lambda: boots(host, driver, guest) == 2)
    assert driver.list() == [guest.uuid]
    for _ in range(2):
        driver.unrescue(guest, power_on=True)
        assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    eventually(lambda: boots(host, driver, guest) == 3)

    driver.rescue(guest, image)
    driver.unrescue(guest, power_on=False)
    assert driver.info(guest.uuid).power_state is PowerState.SHUTDOWN
    driver.rescue(guest, image)
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == []
    with pytest.raises(errors.NotFound):
        driver.unrescue(guest, power_on=True)


def test_the_rescue_disk_comes_first_or_where_the_image_says() -> None:
    own = [DiskFile(pathlib.Path("/i/disk"), "vda"), DiskFile(pathlib.Path("/i/disk.swap"), "vdb"),
           DiskFile(pathlib.Path("/i/disk.config"), "sda", "raw", "sata", "cdrom")]
    rescue = pathlib.Path("/i/disk.rescue")

    def placed(**properties: str) -> list[tuple[str, str, str, int | None]]:
        image = dataclasses.replace(NO_BYTES, properties=properties)
        return [(d.path.name, d.device, d.bus, d.boot) for d in beside(own, rescue, image)]

    assert placed() == [("disk.rescue", "vda", "virtio", None), ("disk", "vdb", "virtio", None),
                        ("disk.swap", "vdc", "virtio", None), ("disk.config", "sda", "sata", None)]
    kept = [(d.path.name, d.device, d.bus, None) for d in own]
    assert placed(hw_rescue_device="cdrom") == [*kept, ("disk.rescue", "sdb", "sata", 1)]
    assert placed(hw_rescue_bus="scsi") == [*kept, ("disk.rescue", "sdb", "scsi", 1)]
    with pytest.raises(errors.HostFailure, match="hw_rescue_device"):
        placed(hw_rescue_device="floppy")
    with pytest.raises(errors.HostFailure, match="hw_rescue_bus"):
        placed(hw_rescue_bus="carrier pigeon")
