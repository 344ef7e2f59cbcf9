# SPDX-License-Identifier: Apache-2.0
"""Guests with several ephemeral disks, and with disks on buses of their own, really running."""

from __future__ import annotations

import os
import pathlib
import subprocess
from typing import Any

import pytest

from nova.virt.types import EphemeralDisk
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots
from tests.contract.drivers.test_libvirt import document, files_of
from tests.contract.drivers.test_resize import on_both, other_of, same_content
from tests.services.libvirtd import Libvirtd

pytestmark = pytest.mark.root

DISKS = {"ephemeral_gb": 3, "ephemerals": (EphemeralDisk(1, "ext2"), EphemeralDisk(2, bus="scsi")), "swap_mb": 16,
         "swap_bus": "sata"}
MADE = ["disk", "disk.ephemeral", "disk.ephemeral1", "disk.info", "disk.swap"]


def probe(disk: pathlib.Path, scratch: pathlib.Path) -> tuple[str, str]:
    """Type and label of the file system on it."""
    raw = scratch / disk.name
    subprocess.run(["qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", disk, raw], check=True, timeout=120)
    told = subprocess.run(["blkid", "--probe", "--output", "export", raw], check=True, capture_output=True, text=True,
                          timeout=120).stdout
    found = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    return found["TYPE"], found.get("LABEL", "")


def placed(libvirtd: Libvirtd, uuid: str) -> list[tuple[str, str, str]]:
    return [(pathlib.Path(d.find("source").get("file")).name, d.find("target").get("dev"), d.find("target").get("bus"))
            for d in document(libvirtd, uuid).findall("devices/disk")]


def test_each_is_made_as_it_was_asked_for(libvirt_host: Harness, libvirtd: Libvirtd, tmp_path: pathlib.Path) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest(image_properties={"hw_machine_type": "q35"}, **DISKS)
    driver.spawn(guest)
    eventually(lambda: boots(libvirt_host, driver, guest) == 1)
    assert placed(libvirtd, guest.uuid) == [
        ("disk", "vda", "virtio"), ("disk.ephemeral", "vdb", "virtio"), ("disk.ephemeral1", "sda", "scsi"),
        ("disk.swap", "sdb", "sata")]
    assert files_of(libvirt_host, guest.uuid) == ["console.log", *MADE]
    driver.power_off(guest.uuid)
    directory = driver.hypervisor.directory(guest.uuid)
    assert [probe(directory / name, tmp_path) for name in ("disk.ephemeral", "disk.ephemeral1", "disk.swap")] == [
        ("ext2", "ephemeral0"), ("ext4", "ephemeral1"), ("swap", "")]


def test_a_rebuild_may_keep_them_all(libvirt_host: Harness) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest(**DISKS)
    driver.spawn(guest)
    directory = driver.hypervisor.directory(guest.uuid)
    names = ("disk.ephemeral", "disk.ephemeral1")
    with (directory / names[0]).open("rb") as first, (directory / names[1]).open("rb") as second:
        held = [os.fstat(file.fileno()).st_ino for file in (first, second)]
        driver.rebuild(guest, preserve_ephemeral=True)
        assert [(directory / name).stat().st_ino for name in names] == held
        driver.rebuild(guest, preserve_ephemeral=False)
        assert not set(held) & {(directory / name).stat().st_ino for name in names}


def test_all_go_along_to_another_host(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    here = libvirt_host.open()
    there, away = other_of(libvirt_host, here)
    guest = libvirt_host.guest(**DISKS)
    here.spawn(guest)
    with on_both(there, here, away, guest):
        told: Any = here.set_aside(guest, away.expect(guest, from_here=False), 0)
        assert sorted(told["files"]) == ["disk", "disk.ephemeral", "disk.ephemeral1"]
        for _ in range(2):
            away.bring_in(guest, told, power_on=False)
        old, new = (driver.hypervisor.instances / name for driver, name in (
            (here, guest.uuid + "_resize"), (away, guest.uuid)))
        assert sorted(path.name for path in new.iterdir() if path.name in MADE) == MADE
        assert all(same_content(old / name, new / name) for name in ("disk.ephemeral", "disk.ephemeral1"))
        assert [bus for _, _, bus in placed(libvirtd, guest.uuid)] == ["virtio", "virtio", "scsi", "sata"]
