# SPDX-License-Identifier: Apache-2.0
"""A host whose disk is full says so, makes nothing half, and goes on when there is room again."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from nova import errors
from nova.virt.types import PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots
from tests.services.libvirtd import Libvirtd

pytestmark = pytest.mark.root

_ROOM = 48 << 20


#: Brings a mount of this process's namespace to the same place in another's: argv is the place and a process there.
_SHOW = """
import ctypes, os, sys
place, pid = sys.argv[1].encode(), sys.argv[2]
call = ctypes.CDLL(None, use_errno=True).syscall
def must(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
OPEN_TREE, MOVE_MOUNT, SETNS, HERE = 428, 429, 308, -100
tree = must(call(OPEN_TREE, HERE, place, 1))
there = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
must(call(SETNS, there, 0))
must(call(MOVE_MOUNT, tree, b"", HERE, place, 4))
"""


@pytest.fixture
def small(libvirt_host: Harness, libvirtd: Libvirtd) -> Iterator[Harness]:
    """Its instances lie on a file system of their own."""
    place = libvirt_host.state / "instances"
    place.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={_ROOM},mode=755", "tmpfs", place)
    try:
        _run(sys.executable, "-c", _SHOW, place, libvirtd.init)
        try:
            yield libvirt_host
            libvirt_host.close()
            libvirt_host.opened.clear()
        finally:
            _run(*libvirtd.enter("umount", "--lazy", str(place)))
    finally:
        _run("umount", "--lazy", place)


def _run(*command: Any) -> None:
    subprocess.run([str(word) for word in command], check=True, timeout=60)


class Ballast:
    def __init__(self, place: pathlib.Path) -> None:
        self._path = place / "ballast"

    def fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                return

    def drop(self) -> None:
        self._path.unlink()


def test_a_guest_that_finds_no_room_is_not_made_half(small: Harness) -> None:
    driver, ballast = small.open(), Ballast(small.state / "instances")
    guest = small.guest()
    ballast.fill()
    with pytest.raises(errors.HostFailure, match="No space left on device") as caught:
        driver.spawn(guest)
    assert caught.value.details.get("retry", True), "another host may have room"
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == []
    ballast.drop()
    driver.spawn(guest)
    eventually(lambda: boots(small, driver, guest) == 1)


def test_an_image_that_finds_no_room_leaves_the_guest_alone(small: Harness) -> None:
    driver, ballast = small.open(), Ballast(small.state / "instances")
    guest, image = small.guest(), str(uuid.uuid4())
    driver.spawn(guest)
    eventually(lambda: boots(small, driver, guest) == 1)
    ballast.fill()
    with pytest.raises(errors.HostFailure, match="[Nn]o space left"):
        driver.snapshot(guest.uuid, image, "qcow2")
    driver.drop_snapshot(guest.uuid, image)
    assert _files(small, "snapshot-*") == []
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    ballast.drop()
    assert driver.snapshot(guest.uuid, image, "qcow2").stat().st_size


def _files(host: Harness, pattern: str) -> list[Any]:
    return list((host.state / "instances").rglob(pattern))
