# SPDX-License-Identifier: Apache-2.0
"""What flavors and images ask for, in the document of the guest."""

from __future__ import annotations

import dataclasses
import inspect
import pathlib
from typing import Any

import pytest
from lxml import etree

import nova.virt.hardware
import nova.virt.libvirt.xml
from nova import errors
from nova.virt.hardware import catalogue, plan
from nova.virt.hardware.plan import Plan
from nova.virt.libvirt import disks, domain, offers, planner, refusals
from nova.virt.libvirt.domain import DiskFile, Draft, Settings
from nova.virt.libvirt.offers import Offers
from nova.virt.libvirt.xml.draft import wishes_of
from nova.virt.types import GuestSpec, Nic
from tests.unit.virt.hardware import hosts

DIRECTORY = pathlib.Path("/srv/instances/u1")
NIC = Nic(id="n1", address="fa:16:3e:00:00:01", device="tapn1", bridge="br100", network={"vlan": 7})
GUEST = GuestSpec(uuid="6d1f0b9c-0000-4000-8000-000000000001", name="instance-1", display_name="web", vcpus=4,
                  memory_mb=1024, root_gb=1, nics=(NIC,))
KVM = Settings(virt_type="kvm", cpu_mode="host-model", nodes=hosts.two_nodes(frozenset(range(1, 16)), frozenset({0})))
RECORDED = pathlib.Path(__file__).parent / "recorded"


def build(specs: dict[str, str] | None = None, properties: dict[str, Any] | None = None, settings: Settings = KVM,
          disks: tuple[DiskFile, ...] = (DiskFile(DIRECTORY / "disk", "vda"),), made: Plan | None = None) -> Any:
    guest = dataclasses.replace(GUEST, extra_specs=specs or {}, image_properties=properties or {})
    if made is None:
        made = plan.make(wishes_of(guest), guest.vcpus, guest.memory_mb, settings.nodes, plan.held_by(()), name="h1")
    return etree.fromstring(domain.build(guest, guest.name, DIRECTORY, disks, settings, made))


def test_every_wish_of_the_catalogue_is_read_somewhere() -> None:
    files = [path for package in (nova.virt.hardware, nova.virt.libvirt.xml)
             for path in pathlib.Path(next(iter(package.__path__))).glob("*.py") if path.name != "catalogue.py"]
    text = "".join(p.read_text() for p in files) + "".join(inspect.getsource(m) for m in (disks, refusals, planner))
    computed = {f"cpu_{part}" for part in ("sockets", "cores", "threads")}
    computed |= {f"cpu_max_{part}" for part in ("sockets", "cores", "threads")}
    computed |= {f"disk_{way}_{what}" for way in ("read", "write", "total") for what in ("bytes", "iops")}
    computed |= {f"vif_{way}_{what}" for way in ("in", "out") for what in ("average", "peak", "burst")}
    computed |= {"config_drive"}
    assert {name for name in catalogue.wishes() if f'"{name}"' not in text} <= computed


def test_pins_and_the_emulator() -> None:
    root = build({"hw:cpu_policy": "dedicated", "hw:numa_nodes": "2"})
    pins = {p.get("vcpu"): p.get("cpuset") for p in root.findall("cputune/vcpupin")}
    assert pins.keys() == {"0", "1", "2", "3"} and "0" not in pins.values()
    assert [(c.get("cpus"), c.get("memory")) for c in root.findall("cpu/numa/cell")] == [("0-1", "512"), ("2-3", "512")]
    assert root.find("numatune/memory").get("nodeset") == "0-1"
    assert {m.get("cellid"): m.get("nodeset") for m in root.findall("numatune/memnode")}.keys() == {"0", "1"}
    shared = build({"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "share"})
    assert shared.find("cputune/emulatorpin").get("cpuset") == "0"
    alone = build({"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"})
    assert alone.find("cputune/emulatorpin").get("cpuset") not in {
        p.get("cpuset") for p in alone.findall("cputune/vcpupin")}


def test_realtime() -> None:
    root = build({"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "yes", "hw:cpu_realtime_mask": "^0"})
    assert dict(root.find("cputune/vcpusched").attrib) == {"vcpus": "1-3", "scheduler": "fifo", "priority": "1"}
    pins = {p.get("vcpu"): p.get("cpuset") for p in root.findall("cputune/vcpupin")}
    assert root.find("cputune/emulatorpin").get("cpuset") == pins["0"]
    assert root.find("memoryBacking/locked") is not None and root.find("memoryBacking/nosharepages") is not None


def test_sibling_threads_and_shared_processors() -> None:
    assert dict(build({"hw:cpu_policy": "dedicated"}).find("cpu/topology").attrib) == {
        "sockets": "2", "cores": "1", "threads": "2"}
    assert build().find("vcpu").get("cpuset") == "0"
    mixed = build({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1-3"})
    assert mixed.find("cputune/vcpupin[@vcpu='0']").get("cpuset") == "0"


def test_pages_and_locked_memory() -> None:
    root = build({"hw:mem_page_size": "1GB", "hw:locked_memory": "true"})
    assert dict(root.find("memoryBacking/hugepages/page").attrib) == {
        "size": "1048576", "unit": "KiB", "nodeset": "0"}
    assert root.find("memoryBacking/locked") is not None
    assert build({"hw:mem_page_size": "small"}).find("memoryBacking") is None


def test_weights_and_limits() -> None:
    root = build({"quota:cpu_shares": "512", "quota:cpu_period": "20000", "quota:cpu_quota": "10000",
                  "quota:disk_read_iops_sec": "100", "quota:disk_total_bytes_sec": "1048576",
                  "quota:vif_inbound_average": "1000", "quota:vif_inbound_burst": "200",
                  "quota:vif_outbound_peak": "5"})
    assert [(e.tag, e.text) for e in root.find("cputune")] == [
        ("shares", "512"), ("period", "20000"), ("quota", "10000")]
    assert [(e.tag, e.text) for e in root.find("devices/disk/iotune")] == [
        ("read_iops_sec", "100"), ("total_bytes_sec", "1048576")]
    (inbound,) = root.find("devices/interface/bandwidth")
    assert (inbound.tag, dict(inbound.attrib)) == ("inbound", {"average": "1000", "burst": "200"})


def test_buses_and_controllers() -> None:
    made = (DiskFile(DIRECTORY / "disk", "sda", bus="scsi"),
            DiskFile(pathlib.Path("/dev/vg/u1_disk"), "sdb", "raw", "scsi", kind="block"),
            DiskFile(DIRECTORY / "disk.config", "sdc", "raw", "sata", "cdrom"))
    root = build({}, {"hw_scsi_model": "virtio-scsi", "hw_usb_model": "qemu-xhci"}, disks=made)
    assert {(c.get("type"), c.get("model")) for c in root.findall("devices/controller")} == {
        ("scsi", "virtio-scsi"), ("usb", "qemu-xhci")}
    scsi, block, cdrom = root.findall("devices/disk")
    assert (scsi.find("target").get("bus"), scsi.find("driver").get("discard")) == ("scsi", "unmap")
    assert (block.get("type"), block.find("source").get("dev")) == ("block", "/dev/vg/u1_disk")
    assert (cdrom.get("device"), cdrom.find("readonly") is not None) == ("cdrom", True)
    assert build({}, {"hw_usb_model": "none"}).find("devices/input") is None


def test_windows() -> None:
    root = build({"hw:hide_hypervisor_id": "true"}, {"os_type": "windows"})
    assert root.find("clock").get("offset") == "localtime"
    assert root.find("features/hyperv/spinlocks").get("retries") == "8191"
    assert root.find("clock/timer[@name='hypervclock']").get("present") == "yes"
    assert root.find("features/kvm/hidden").get("state") == "on"
    assert build({}, {"os_type": "windows"}, Settings(virt_type="qemu")).find("features/hyperv") is None


def test_security_of_the_platform() -> None:
    root = build({"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"},
                 {"hw_firmware_type": "uefi", "os_secure_boot": "required", "hw_machine_type": "q35",
                  "hw_viommu_model": "intel", "hw_pmu": False})
    assert dict(root.find("devices/tpm").attrib) == {"model": "tpm-crb"}
    assert dict(root.find("devices/tpm/backend").attrib) == {"type": "emulator", "version": "2.0"}
    assert {f.get("name"): f.get("enabled") for f in root.findall("os/firmware/feature")} == {
        "secure-boot": "yes", "enrolled-keys": "yes"}
    assert root.find("features/smm").get("state") == "on"
    assert root.find("features/pmu").get("state") == "off"
    assert (root.find("devices/iommu").get("model"), root.find("features/ioapic").get("driver")) == ("intel", "qemu")
    stateless = build({}, {"hw_firmware_type": "uefi", "hw_firmware_stateless": "true"})
    assert stateless.find("os/loader").get("stateless") == "yes" and stateless.find("os/nvram") is None


def test_what_is_passed_through() -> None:
    root = build(made=Plan("h1", (), {"gpu": ("0000:8b:00.0",), "n1": ("0000:0a:10.3",)}))
    device = root.find("devices/hostdev[@managed='yes']/source/address")
    assert dict(device.attrib) == {"domain": "0x0000", "bus": "0x8b", "slot": "0x00", "function": "0x0"}
    card = root.find("devices/interface[@type='hostdev']")
    assert card.find("source/address").get("slot") == "0x10" and card.find("vlan/tag").get("id") == "7"
    assert len(root.findall("devices/interface")) == 1


def test_the_model_of_the_processor_by_trait() -> None:
    settings = dataclasses.replace(KVM, cpu_mode="custom", cpu_models=("Nehalem", "Haswell"),
                                   cpu_flags=("+pcid", "-vme"),
                                   features={"Nehalem": frozenset({"sse"}), "Haswell": frozenset({"sse", "avx2"})})
    assert build(settings=settings).findtext("cpu/model") == "Nehalem"
    root = build({"trait:HW_CPU_X86_AVX2": "required"}, settings=settings)
    assert root.findtext("cpu/model") == "Haswell"
    assert {f.get("name"): f.get("policy") for f in root.findall("cpu/feature")} == {
        "pcid": "require", "vme": "disable"}
    assert build({}, {"hw_maxphysaddr_mode": "emulate", "hw_maxphysaddr_bits": 42}).find("cpu/maxphysaddr").get(
        "bits") == "42"


Q35 = offers.parse((RECORDED / "domcaps-q35.xml").read_text())


@pytest.mark.parametrize(("specs", "properties", "why", "retry"), [
    ({"hw:tpm_version": "2.0"}, {}, "This host has no emulated TPM", True),
    ({"hw:tpm_version": "1.2", "hw:tpm_model": "tpm-crb"}, {}, "tpm-crb is for version 2.0 only", False),
    ({"hw:tpm_model": "tpm-tis"}, {}, "hw_tpm_model needs hw_tpm_version", False),
    ({}, {"hw_disk_bus": "ide"}, "A q35 machine has no bus ide", False),
    ({}, {"hw_video_model": "bochs"}, None, None),
    ({"quota:disk_total_iops_sec": "5", "quota:disk_read_iops_sec": "5"}, {}, "goes with neither", False),
    ({"hw:serial_port_count": "1"}, {"hw_serial_port_count": "2"}, "exceeds the flavor's hw:serial_port_count", False),
    ({"hw:serial_port_count": "9"}, {}, "cannot have '9' serial ports", False),
    ({}, {"hw_video_ram": "64"}, "exceeds the flavor's hw_video:ram_max_mb = 0", False),
    ({}, {"hw_maxphysaddr_mode": "emulate"}, "needs hw_maxphysaddr_bits", False),
])
def test_what_a_host_cannot_give(specs: dict[str, str], properties: dict[str, str], why: str | None,
                                 retry: bool | None) -> None:
    guest = dataclasses.replace(GUEST, extra_specs=specs, image_properties={"hw_machine_type": "q35", **properties})
    draft = Draft(guest, DIRECTORY, (), dataclasses.replace(KVM, offers=Q35))
    if why is None:
        refusals.check(draft)
        return
    with pytest.raises(errors.HostFailure) as caught:
        refusals.check(draft)
    assert why in caught.value.message and caught.value.details["retry"] is retry


def test_firmware_that_is_not_installed() -> None:
    guest = dataclasses.replace(GUEST, image_properties={"hw_firmware_type": "uefi"})
    bare = dataclasses.replace(KVM, offers=Offers(disk_buses=frozenset({"virtio"})))
    with pytest.raises(errors.HostFailure, match="no UEFI firmware"):
        refusals.check(Draft(guest, DIRECTORY, (), bare))
