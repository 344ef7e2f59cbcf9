# SPDX-License-Identifier: Apache-2.0
"""A guest's document at its next host: that host's files and place, and otherwise the same machine."""

from __future__ import annotations

import pathlib

from lxml import etree

from nova.virt.libvirt import arrival, migration_job
from nova.virt.libvirt.xml.draft import DiskFile
from nova.virt.migration import Counters

DIRECTORY = pathlib.Path("/there/instances/u")
SOURCE = """
<domain type='kvm'>
  <name>instance-1</name>
  <metadata><n:guest xmlns:n='urn:nova-controller:guest:1'><n:path>/here/instances/u</n:path></n:guest></metadata>
  <vcpu placement='static' cpuset='0-1'>2</vcpu>
  <cputune><vcpupin vcpu='0' cpuset='0'/></cputune>
  <cpu mode='custom' match='exact'><model>Haswell</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-here</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
      <source file='/here/instances/u/disk' index='2'/>
      <backingStore type='file'><source file='/here/_base/b'/></backingStore>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/here/instances/u/disk.config'/>
      <target dev='hda' bus='ide'/><readonly/></disk>
    <serial type='pty'><source path='/dev/pts/3'/><log file='/here/instances/u/console.log' append='on'/></serial>
    <channel type='unix'><source mode='bind' path='/var/lib/libvirt/x'/><target type='virtio' name='a'/></channel>
    <graphics type='vnc' port='5901' autoport='yes' listen='192.0.2.1'>
      <listen type='address' address='192.0.2.1'/></graphics>
    <interface type='bridge'><mac address='fa:16:3e:00:00:01'/><target dev='tap1'/></interface>
  </devices>
</domain>"""
OWN = """
<domain type='kvm'><name>instance-1</name><vcpu cpuset='4-5'>2</vcpu><cputune><vcpupin vcpu='0' cpuset='4'/></cputune>
<numatune><memory mode='strict' nodeset='1'/></numatune>
<devices><emulator>/usr/bin/qemu-there</emulator></devices></domain>"""
HERE = [DiskFile(DIRECTORY / "disk", "vda", "raw"), DiskFile(DIRECTORY / "disk.config", "hda", "raw", "ide", "cdrom")]


def rewritten(here: list[DiskFile] = HERE) -> etree._Element:
    return etree.fromstring(arrival.rewrite(SOURCE, OWN, DIRECTORY, here, "0.0.0.0"))


def test_files_lie_where_the_next_host_has_them() -> None:
    root = rewritten()
    assert [s.get("file") for s in root.iterfind("devices/disk/source")] == [
        str(DIRECTORY / "disk"), str(DIRECTORY / "disk.config")]
    assert "/here" not in etree.tostring(root, encoding="unicode")
    assert root.findtext("metadata/{*}guest/{*}path") == str(DIRECTORY)
    assert root.find("devices/serial/log").get("file") == str(DIRECTORY / "console.log")
    driver = root.find("devices/disk/driver")
    assert (driver.get("type"), driver.get("cache")) == ("raw", "none")
    assert root.find("devices/channel/source") is None


def test_its_place_is_that_of_the_next_host() -> None:
    root = rewritten()
    assert (root.find("vcpu").get("cpuset"), root.find("cputune/vcpupin").get("cpuset")) == ("4-5", "4")
    assert root.find("numatune/memory").get("nodeset") == "1"
    assert root.findtext("devices/emulator") == "/usr/bin/qemu-there"
    graphics = root.find("devices/graphics")
    assert (graphics.get("port"), graphics.get("autoport"), graphics.get("listen")) == (None, "yes", "0.0.0.0")
    assert graphics.find("listen").get("address") == "0.0.0.0"


def test_the_machine_stays_as_it_is() -> None:
    root, before = rewritten(), etree.fromstring(SOURCE)
    for path in ("cpu", "devices/interface", "name"):
        assert etree.tostring(root.find(path)).strip() == etree.tostring(before.find(path)).strip()


def test_a_disk_may_become_a_volume() -> None:
    disk = rewritten([DiskFile(pathlib.Path("/dev/vg/u_disk"), "vda", "raw", kind="block")]).find("devices/disk")
    assert (disk.get("type"), dict(disk.find("source").attrib)) == ("block", {"dev": "/dev/vg/u_disk"})


def test_disks_that_can_be_sent() -> None:
    assert [(d.device, d.format, d.copied) for d in arrival.disks(SOURCE)] == [
        ("vda", "qcow2", True), ("hda", "raw", False)]


def test_what_it_needs_of_a_processor() -> None:
    assert "Haswell" in (arrival.processor(SOURCE) or "")
    assert arrival.processor(OWN) is None


def test_a_guest_may_stand_still_longer_and_longer() -> None:
    steps = migration_job.downtimes(500, 4, 10.0)
    assert steps == [(0.0, 300), (10.0, 350), (20.0, 400), (30.0, 450), (40.0, 500)]
    assert {most for _, most in migration_job.downtimes(200, 4, 10.0)} == {200}


def test_libvirts_numbers_in_the_words_of_the_api() -> None:
    told = migration_job.counters({"memory_total": 100, "memory_remaining": 40, "disk_total": 100, "disk_remaining": 10,
                                   "downtime": 3})
    assert told == Counters(100, 0, 40, 100, 0, 10) and told.percent == 75
    assert told.as_dict()["disk_remaining_bytes"] == 10
    assert Counters().percent == 0
