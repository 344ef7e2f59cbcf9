# SPDX-License-Identifier: Apache-2.0
"""Guests with the hardware, disks and config drives that their flavors and images ask for, really running."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
from typing import Any

import pytest

from nova import errors
from nova.placement.names import standard_traits
from nova.virt.types import PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_libvirt import document, files_of
from tests.services import tinyguest
from tests.services.libvirtd import Libvirtd

pytestmark = pytest.mark.root
GIB = 1 << 30

EVERYTHING: dict[str, dict[str, Any]] = {
    "extra_specs": {
        "hw:cpu_sockets": "1", "hw:cpu_cores": "2", "hw:watchdog_action": "pause", "hw:serial_port_count": "2",
        "hw_rng:rate_bytes": "4096", "hw_video:ram_max_mb": "16", "hw:boot_menu": "false",
        "quota:disk_write_bytes_sec": "10485760", "hw:virtio_packed_ring": "yes"},
    "image_properties": {
        "hw_video_model": "qxl", "hw_video_ram": 16, "hw_qemu_guest_agent": "yes", "hw_input_bus": "virtio",
        "hw_vif_multiqueue_enabled": "true", "hw_time_hpet": "yes", "os_type": "linux", "hw_sound_model": "ich6"},
}


def spawned(host: Harness, driver: Any, **changes: Any) -> Any:
    guest = host.guest(**changes)
    driver.spawn(guest)
    eventually(lambda: tinyguest.GREETING in driver.console_log(guest.uuid))
    return guest


def test_a_guest_with_everything_boots(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    driver = libvirt_host.open()
    guest = spawned(libvirt_host, driver, vcpus=2, ephemeral_gb=1, swap_mb=16, config_drive=True, hostname="web",
                    key_data="ssh-ed25519 AAAA web", key_name="mine", metadata={"role": "front"},
                    user_data=base64.b64encode(b"#!/bin/sh\necho hello\n").decode(), admin_pass="secret",
                    files={"/etc/motd": base64.b64encode(b"welcome").decode()}, **EVERYTHING)
    root = document(libvirtd, guest.uuid)
    assert dict(root.find("cpu/topology").attrib) == {"sockets": "1", "dies": "1", "cores": "2", "threads": "1"}
    assert root.find("devices/watchdog[@model='i6300esb']").get("action") == "pause"
    assert [p.get("port") for p in root.findall("devices/serial/target")] == ["0", "1"]
    assert (root.find("devices/video/model").get("type"), root.find("devices/video/model").get("vram")) == (
        "qxl", "16384")
    assert root.find("devices/rng/rate").get("bytes") == "4096"
    assert root.find("devices/channel/target[@name='org.qemu.guest_agent.0']").get("state") == "disconnected"
    assert root.findtext("devices/disk/iotune/write_bytes_sec") == "10485760"
    assert root.find("devices/interface/driver").get("queues") == "2"
    assert root.find("devices/interface/driver").get("packed") == "on"
    assert [(d.find("target").get("dev"), d.get("device")) for d in root.findall("devices/disk")] == [
        ("vda", "disk"), ("vdb", "disk"), ("vdc", "disk"), ("hda", "cdrom")]
    directory = libvirt_host.state / "instances" / guest.uuid
    assert files_of(libvirt_host, guest.uuid) == [
        "console.log", "disk", "disk.config", "disk.ephemeral", "disk.info", "disk.swap"]
    _config_drive_is_right(directory / "disk.config", guest)


def _config_drive_is_right(path: pathlib.Path, guest: Any) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    label = subprocess.run(["isoinfo", "-d", "-i", path], check=True, capture_output=True, timeout=120, text=True)
    assert "Volume id: config-2" in label.stdout

    def read(name: str) -> bytes:
        return subprocess.run(["isoinfo", "-J", "-x", name, "-i", path], check=True, capture_output=True,
                              timeout=120).stdout

    told = json.loads(read("/openstack/latest/meta_data.json"))
    assert (told["uuid"], told["name"], told["hostname"], told["admin_pass"]) == (guest.uuid, "web", "web", "secret")
    assert told["public_keys"] == {"mine": "ssh-ed25519 AAAA web"} and told["meta"] == {"role": "front"}
    assert told["files"] == [{"content_path": "/content/0000", "path": "/etc/motd"}]
    assert read("/openstack/content/0000") == b"welcome"
    assert read("/openstack/latest/user_data") == read("/ec2/latest/user-data") == b"#!/bin/sh\necho hello\n"
    (link,) = json.loads(read("/openstack/latest/network_data.json"))["links"]
    assert (link["ethernet_mac_address"], link["mtu"]) == (guest.nics[0].address, 1450)


def test_ephemeral_and_swap_space_is_formatted(libvirt_host: Harness, tmp_path: pathlib.Path) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest(ephemeral_gb=1, swap_mb=16)
    driver.spawn(guest)
    driver.power_off(guest.uuid)
    directory = libvirt_host.state / "instances" / guest.uuid

    def probe(name: str) -> dict[str, str]:
        raw = tmp_path / name
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", directory / name, raw], check=True,
                       timeout=60)
        told = subprocess.run(["blkid", "--probe", "--output", "export", raw], check=True, capture_output=True,
                              text=True, timeout=120).stdout
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    ephemeral = probe("disk.ephemeral")
    assert (ephemeral["TYPE"], ephemeral["LABEL"]) == ("ext4", "ephemeral0")
    assert probe("disk.swap")["TYPE"] == "swap"


@pytest.mark.parametrize("kind", ["raw", "flat"])
def test_disks_of_their_own(libvirt_host: Harness, libvirtd: Libvirtd, kind: str) -> None:
    driver = libvirt_host.open(images_type=kind)
    guest = spawned(libvirt_host, driver, ephemeral_gb=1)
    disks = document(libvirtd, guest.uuid).findall("devices/disk")
    expected = "raw" if kind == "raw" else "qcow2"
    assert [d.find("driver").get("type") for d in disks] == [expected, expected]
    assert all(d.find("backingStore/source") is None for d in disks)
    directory = libvirt_host.state / "instances" / guest.uuid
    found = subprocess.run(["qemu-img", "info", "--force-share", "--output=json", "-f", expected, directory / "disk"],
                           check=True, capture_output=True, timeout=60)
    assert json.loads(found.stdout)["virtual-size"] == GIB
    assert len(driver.prune_images(-10)) == 1
    driver.stop()
    libvirt_host.opened.clear()
    changed = libvirt_host.open(images_type="qcow2")
    changed.hypervisor.connection.domain(guest.uuid, lambda dom: (dom.destroy(), dom.undefine()))
    changed.recreate(guest)
    assert document(libvirtd, guest.uuid).find("devices/disk/driver").get("type") == expected


def test_firmware_with_variables_of_its_own(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    """The tiny guest is for a BIOS: that the firmware says so on the console shows that the firmware ran."""
    driver = libvirt_host.open()
    guest = libvirt_host.guest(memory_mb=128, config_drive=True, image_properties={
        "hw_firmware_type": "uefi", "os_secure_boot": "required"})
    driver.spawn(guest)
    root = document(libvirtd, guest.uuid)
    assert root.find("os/loader").get("secure") == "yes"
    assert root.findtext("os/nvram") == str(libvirt_host.state / "instances" / guest.uuid / "nvram.fd")
    assert [d.find("target").get("bus") for d in root.findall("devices/disk")] == ["virtio", "sata"]
    eventually(lambda: "BdsDxe" in driver.console_log(guest.uuid), 120)
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == []


@pytest.mark.parametrize(("changes", "why", "retry"), [
    ({"image_properties": {"hw_video_model": "bochs", "hw_machine_type": "no-such"}}, "has no machine no-such", True),
    ({"image_properties": {"hw_architecture": "s390x"}}, "This host has no processors of architecture s390x", True),
    ({"extra_specs": {"hw:cpu_policy": "dedicated"}}, "cpu_dedicated_set is not set", True),
    ({"extra_specs": {"hw:mem_page_size": "1GB"}}, "32 MiB in pages of size 1048576 KiB are not free", True),
    ({"extra_specs": {"pci_passthrough:alias": "gpu:1"}}, "there is no alias gpu", False),
    ({"extra_specs": {"hw:mem_encryption": "true"}}, "no host of this cloud has encrypted memory", False),
    ({"image_properties": {"os_secure_boot": "required"}}, "needs hw_firmware_type = uefi and a q35 machine", False),
])
def test_what_cannot_be_had_is_said_before_anything_is_made(libvirt_host: Harness, changes: dict[str, Any], why: str,
                                                            retry: bool) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest(**changes)
    with pytest.raises(errors.HostFailure) as caught:
        driver.spawn(guest)
    assert why in caught.value.message
    assert caught.value.details["retry"] is retry
    assert files_of(libvirt_host, guest.uuid) == []
    driver.destroy(guest.uuid, guest.name)


def test_dedicated_processors_are_held_while_the_guest_is_there(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    libvirt_host.overrides["compute"] = {"cpu_dedicated_set": "1", "cpu_shared_set": "0"}
    driver = libvirt_host.open()
    stock = driver.inventory().inventory
    assert (stock["PCPU"]["total"], stock["VCPU"]["total"]) == (1, 1)
    pinned, second, plain = (libvirt_host.guest(extra_specs=s) for s in (
        {"hw:cpu_policy": "dedicated"}, {"hw:cpu_policy": "dedicated"}, {}))
    driver.spawn(pinned)
    driver.spawn(plain)
    root = document(libvirtd, pinned.uuid)
    assert root.find("cputune/vcpupin").get("cpuset") == "1"
    assert root.find("numatune/memnode").get("nodeset") == "0"
    assert document(libvirtd, plain.uuid).find("vcpu").get("cpuset") == "0"
    with pytest.raises(errors.HostFailure, match="0 dedicated processors are free, 1 are wanted"):
        driver.spawn(second)
    driver.destroy(pinned.uuid, pinned.name)
    driver.spawn(second)
    assert driver.info(second.uuid).power_state is PowerState.RUNNING


def test_traits_are_those_of_placement(libvirt_host: Harness) -> None:
    found = set(libvirt_host.open().inventory().traits)
    assert found <= set(standard_traits())
    assert {"COMPUTE_GRAPHICS_MODEL_VGA", "COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_STORAGE_BUS_VIRTIO",
            "COMPUTE_STORAGE_BUS_IDE", "COMPUTE_SECURITY_UEFI_SECURE_BOOT", "HW_CPU_X86_SSE2"} <= found
    assert "HW_CPU_X86_AVX2" not in found


def test_processors_by_name(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    driver = libvirt_host.open(cpu_mode="custom", cpu_models="Nehalem,Westmere", cpu_model_extra_flags="-vme")
    assert "HW_CPU_X86_AESNI" in driver.inventory().traits
    guest = libvirt_host.guest(extra_specs={"trait:HW_CPU_X86_AESNI": "required"})
    driver.spawn(guest)
    root = document(libvirtd, guest.uuid)
    assert root.findtext("cpu/model") == "Westmere"
    assert root.find("cpu/feature[@name='vme']").get("policy") == "disable"
    with pytest.raises(errors.ConfigError, match=r"libvirt\.cpu_models = Abacus: .* `virsh cpu-models x86_64` lists"):
        libvirt_host.open(cpu_mode="custom", cpu_models="Abacus")


def test_other_buses_and_a_config_drive_without_a_cdrom(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    libvirt_host.overrides["DEFAULT"] = {"config_drive_format": "vfat", "preallocate_images": "space"}
    driver = libvirt_host.open()
    guest = spawned(libvirt_host, driver, swap_mb=16, config_drive=True, image_properties={
        "hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "e1000", "hw_usb_model": "qemu-xhci",
        "hw_pointer_model": "ps2mouse", "hw_pmu": "false", "hw_cdrom_bus": "ide"})
    root = document(libvirtd, guest.uuid)
    assert [(d.get("device"), d.find("target").get("dev"), d.find("target").get("bus"))
            for d in root.findall("devices/disk")] == [("disk", f"sd{x}", "scsi") for x in "abc"]
    assert root.find("devices/interface/model").get("type") == "e1000"
    directory = libvirt_host.state / "instances" / guest.uuid
    told = subprocess.run(["mtype", "-i", directory / "disk.config", "::openstack/latest/meta_data.json"], check=True,
                          capture_output=True, timeout=120)
    assert json.loads(told.stdout)["uuid"] == guest.uuid
    assert (directory / "disk.swap").stat().st_blocks * 512 >= 16 << 20


def test_a_guest_with_nodes(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    driver = libvirt_host.open()
    guest = spawned(libvirt_host, driver, vcpus=2, extra_specs={
        "hw:numa_nodes": "1", "hw:mem_page_size": "small"})
    root = document(libvirtd, guest.uuid)
    assert dict(root.find("cpu/numa/cell").attrib) == {"id": "0", "cpus": "0-1", "memory": "32768", "unit": "KiB"}
    assert driver.hypervisor.planner.held().memory_mb == {0: 32}


def test_a_tpm_and_an_iommu(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    driver = libvirt_host.open(hw_machine_type="x86_64=q35")
    assert {"COMPUTE_SECURITY_TPM_2_0", "COMPUTE_SECURITY_TPM_CRB"} <= set(driver.inventory().traits)
    guest = libvirt_host.guest(extra_specs={"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb",
                                            "hw:viommu_model": "virtio"})
    driver.spawn(guest)
    root = document(libvirtd, guest.uuid)
    assert root.find("devices/tpm/backend").get("version") == "2.0"
    assert root.find("devices/iommu").get("model") == "virtio"
    state = libvirtd.directory / "lib" / "swtpm" / guest.uuid
    assert state.is_dir()
    driver.destroy(guest.uuid, guest.name)
    assert not state.exists()
