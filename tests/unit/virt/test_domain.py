# SPDX-License-Identifier: Apache-2.0
"""The domain document, as a function of guest and host."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from lxml import etree

from nova.virt.libvirt import domain
from nova.virt.libvirt.domain import DiskFile, Settings
from nova.virt.libvirt.events import translate
from nova.virt.types import EventKind, GuestSpec, ImageSource, Nic

DIRECTORY = pathlib.Path("/srv/instances/u1")
DISKS = [DiskFile(DIRECTORY / "disk", "vda"), DiskFile(DIRECTORY / "disk.swap", "vdb")]
GUEST = GuestSpec(
    uuid="6d1f0b9c-0000-4000-8000-000000000001", name="instance-00000001", display_name="web", vcpus=2, memory_mb=512,
    root_gb=1, image=ImageSource(id="i1", url="http://x"), project_id="p1", user_id="u1", flavor={"name": "m1.tiny"},
    nics=(Nic(id="n1", address="fa:16:3e:00:00:01", device="tapn1", bridge="br100", mtu=1450, ips=("10.0.0.5",)),),
)
QEMU = Settings(virt_type="qemu")


def build(settings: Settings = QEMU, **changes: Any) -> Any:
    guest = dataclasses.replace(GUEST, **changes)
    return etree.fromstring(domain.build(guest, guest.name, DIRECTORY, DISKS, settings))


def test_who_it_is_and_how_big() -> None:
    root = build()
    assert (root.get("type"), root.findtext("name"), root.findtext("uuid")) == ("qemu", GUEST.name, GUEST.uuid)
    assert (root.find("memory").get("unit"), root.findtext("memory"), root.findtext("vcpu")) == ("MiB", "512", "2")
    assert root.xpath("string(sysinfo/system/entry[@name='product'])") == "OpenStack Nova"
    assert root.xpath("string(sysinfo/system/entry[@name='uuid'])") == GUEST.uuid


def test_disks_are_virtio_with_an_explicit_format() -> None:
    disks = build(dataclasses.replace(QEMU, cachemode="writeback")).findall("devices/disk")
    assert [d.find("target").get("dev") for d in disks] == ["vda", "vdb"]
    assert {d.find("target").get("bus") for d in disks} == {"virtio"}
    assert [d.find("source").get("file") for d in disks] == ["/srv/instances/u1/disk", "/srv/instances/u1/disk.swap"]
    assert {(d.find("driver").get("type"), d.find("driver").get("cache")) for d in disks} == {("qcow2", "writeback")}


def test_the_card_has_the_given_tap_and_bridge() -> None:
    (card,) = build().findall("devices/interface")
    assert card.get("type") == "bridge"
    assert (card.find("source").get("bridge"), card.find("target").get("dev")) == ("br100", "tapn1")
    assert (card.find("mac").get("address"), card.find("mtu").get("size")) == ("fa:16:3e:00:00:01", "1450")
    (loose,) = build(nics=(Nic(id="n", address="fa:16:3e:00:00:02", device="tapn"),)).findall("devices/interface")
    assert (loose.get("type"), loose.find("source")) == ("ethernet", None)


def test_consoles() -> None:
    devices = build().find("devices")
    log = devices.find("serial[@type='pty']/log")
    assert dict(log.attrib) == {"file": "/srv/instances/u1/console.log", "append": "on"}
    vnc = devices.find("graphics[@type='vnc']")
    assert (vnc.get("autoport"), vnc.find("listen").get("address")) == ("yes", "127.0.0.1")
    assert devices.find("channel/target").get("name") == "org.qemu.guest_agent.0"
    assert devices.find("memballoon/stats").get("period") == "10"
    assert devices.find("rng") is not None


def test_emulation_and_hardware() -> None:
    emulated = build()
    assert emulated.findtext("features/tcg/tb-cache") == "64"
    assert emulated.find("cpu").get("mode") is None
    hardware = build(Settings(virt_type="kvm", cpu_mode="host-model"))
    assert hardware.get("type") == "kvm"
    assert hardware.find("features/tcg") is None
    assert hardware.find("cpu").get("mode") == "host-model"
    assert {t.get("name") for t in hardware.findall("clock/timer")} == {"pit", "rtc", "hpet"}
    named = build(Settings(virt_type="kvm", cpu_mode="custom", cpu_models=("Nehalem",)))
    assert named.findtext("cpu/model") == "Nehalem"


def test_firmware_and_machine_by_the_image() -> None:
    bios = build()
    assert (bios.find("os").get("firmware"), bios.find("os/type").get("machine")) == (None, "pc")
    uefi = build(image_properties={"hw_firmware_type": "uefi"})
    assert (uefi.find("os").get("firmware"), uefi.find("os/type").get("machine")) == ("efi", "q35")
    other = build(image_properties={"hw_machine_type": "pc-i440fx-7.2"})
    assert other.find("os/type").get("machine") == "pc-i440fx-7.2"


def test_metadata_tell_whose_it_is() -> None:
    ours = build().find("metadata/{urn:nova-controller:guest:1}guest")
    assert ours.findtext("{*}path") == str(DIRECTORY)
    assert dict(ours.find("{*}owner").attrib) == {"project": "p1", "user": "u1"}
    assert ours.find("{*}flavor").get("name") == "m1.tiny"
    assert ours.find("{*}image").get("id") == "i1"
    assert ours.find("{*}port").get("addresses") == "10.0.0.5"


def test_any_name_survives_as_far_as_xml_can_carry_it() -> None:
    root = build(display_name="</name><evil attr='\"&\N{SNOWMAN}\U0001f600\x00\x1b\ud800\uffff",
                 flavor={"name": "<\x01>"})
    ours = root.find("metadata/{*}guest")
    assert ours.findtext("{*}name") == "</name><evil attr='\"&\N{SNOWMAN}\U0001f600????"
    assert ours.find("{*}flavor").get("name") == "<?>"
    assert root.findtext("name") == GUEST.name


def test_events_in_our_words() -> None:
    def kind(event: int, detail: int = 0) -> EventKind | None:
        told = translate("u", event, detail, 1.0)
        return told.kind if told else None

    assert [kind(e) for e in (0, 1, 2, 3, 4, 5, 6, 7, 8)] == [
        None, None, EventKind.STARTED, EventKind.PAUSED, EventKind.RESUMED, EventKind.STOPPED, None,
        EventKind.SUSPENDED, EventKind.CRASHED]
    assert [kind(5, d) for d in range(7)] == [
        EventKind.STOPPED, EventKind.STOPPED, EventKind.CRASHED, None, EventKind.SUSPENDED, EventKind.CRASHED,
        EventKind.STOPPED]
