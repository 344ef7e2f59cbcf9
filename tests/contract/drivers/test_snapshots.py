# SPDX-License-Identifier: Apache-2.0
"""Images of guests: what every driver with Snapshots promises, on one guest that runs and is then off."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import subprocess
import uuid

import pytest

from nova import errors
from nova.host import inspector
from nova.virt.interfaces import Snapshots
from nova.virt.types import ImageSource, PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots
from tests.services.files import FileServer

pytestmark = pytest.mark.root


def whole(path: pathlib.Path, disk_format: str) -> None:
    """An image that the store would take, and that leans on no other file."""
    found = inspector.verify(path, disk_format)
    assert not found.unsafe and found.virtual_size
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", path], check=disk_format == "qcow2", timeout=60)


def test_a_guest_is_copied_while_it_runs_and_when_it_is_off(host: Harness) -> None:
    driver = host.open()
    driver.require(Snapshots)
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    first, second, third = (str(uuid.uuid4()) for _ in range(3))

    path = driver.snapshot(guest.uuid, first, "qcow2")
    whole(path, "qcow2")
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    copied = path.read_bytes()
    assert driver.snapshot(guest.uuid, first, "qcow2") == path and path.read_bytes() == copied
    for _ in range(2):
        driver.drop_snapshot(guest.uuid, first)
    assert not path.exists()
    assert driver.list() == [guest.uuid]

    driver.power_off(guest.uuid)
    cold = driver.snapshot(guest.uuid, second, "raw")
    whole(cold, "raw")
    path = driver.snapshot(guest.uuid, third, "qcow2", "try")  # nothing to ask of a guest that is off
    whole(path, "qcow2")
    assert driver.info(guest.uuid).power_state is PowerState.SHUTDOWN
    driver.destroy(guest.uuid, guest.name)
    assert not path.exists() and driver.list() == []
    with pytest.raises(errors.NotFound):
        driver.snapshot(guest.uuid, first, "qcow2")
    driver.drop_snapshot(guest.uuid, first)


def test_a_copy_of_a_running_guest_boots(libvirt_host: Harness, file_server: FileServer) -> None:
    host = libvirt_host
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)
    image = str(uuid.uuid4())
    content = driver.snapshot(guest.uuid, image, "qcow2", "try").read_bytes()  # no agent answers in this guest
    (file_server.directory / image).write_bytes(content)
    source = ImageSource(id=image, url=file_server.url(image), size=len(content), disk_format="qcow2",
                         hash_value=hashlib.sha512(content).hexdigest())
    copy = dataclasses.replace(host.guest(), image=source)
    driver.destroy(guest.uuid, guest.name)
    driver.spawn(copy)
    eventually(lambda: boots(host, driver, copy) == 1)


def test_what_must_be_written_out_first_is_not_copied_without(libvirt_host: Harness) -> None:
    host = libvirt_host
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    image = str(uuid.uuid4())
    with pytest.raises(errors.HostFailure, match="cannot be written out first"):
        driver.snapshot(guest.uuid, image, "qcow2", "must")
    driver.drop_snapshot(guest.uuid, image)
    assert not list(host.state.rglob("snapshot-*"))


def test_a_copy_that_a_dying_process_left_is_made_anew(libvirt_host: Harness) -> None:
    """The copy goes on in QEMU when nova-compute is gone."""
    host = libvirt_host
    driver = host.open()
    guest = host.guest()
    driver.spawn(guest)
    image = str(uuid.uuid4())
    done, draft = driver._paths(guest.uuid, image)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", draft, "1G"], check=True, timeout=60)
    draft.chmod(0o644)
    driver.hypervisor.connection.domain(guest.uuid, driver._begin_backup, "vda", draft)
    path = driver.snapshot(guest.uuid, image, "qcow2")
    whole(path, "qcow2")
    assert path == done and not draft.exists()
