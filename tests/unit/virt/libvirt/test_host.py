# SPDX-License-Identifier: Apache-2.0
"""What libvirt tells of a host, read from documents of machines that have more than this one."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from lxml import etree

from nova import errors
from nova.placement.names import standard_traits
from nova.virt.hardware import pci, traits
from nova.virt.hardware.pci import Device
from nova.virt.libvirt import host_nodes, offers, pci_devices
from nova.virt.libvirt.planner import Planner
from nova.virt.types import GuestSpec, Nic

RECORDED = pathlib.Path(__file__).parent / "recorded"
CAPABILITIES = (RECORDED / "capabilities-two-sockets.xml").read_text()


def node_devices() -> list[str]:
    return [etree.tostring(d, encoding="unicode") for d in etree.parse(RECORDED / "node-devices.xml").getroot()]


def test_nodes_of_two_sockets() -> None:
    nodes = host_nodes.parse(CAPABILITIES, 64000, dedicated="1-3,9-11,5-7,13-15", shared="0,8,4,12",
                             reserved_pages=["node:0,size:2048,count:64"])
    first, second = nodes.nodes
    assert (first.cpus, first.memory_mb, first.socket) == (frozenset({0, 1, 2, 3, 8, 9, 10, 11}), 31888, 0)
    assert (second.pages, second.socket, second.threads) == ({4: 7729912, 2048: 1024, 1048576: 0}, 1, 2)
    assert frozenset({1, 9}) in first.siblings
    assert nodes.shared == frozenset({0, 4, 8, 12}) and nodes.dedicated is not None and len(nodes.dedicated) == 12
    assert nodes.reserved_pages == {(0, 2048): 64}


def test_a_single_node_has_what_the_kernel_counts() -> None:
    tree = etree.fromstring(CAPABILITIES)
    cells = tree.find("host/topology/cells")
    assert cells is not None
    cells.remove(cells[1])
    (node,) = host_nodes.parse(etree.tostring(tree, encoding="unicode"), 64000).nodes
    assert node.memory_mb == 64000


@pytest.mark.parametrize(("options", "why"), [
    ({"dedicated": "0-3", "shared": "3"}, "both have 3"), ({"dedicated": "16"}, "this host has the processors 0-15"),
    ({"shared": "x"}, r"compute.cpu_shared_set: 'x' is not a set"), ({"dedicated": ""}, "compute.cpu_dedicated_set"),
    ({"reserved_pages": ["node:0"]}, "give node, size in KiB and count"),
])
def test_bad_sets_name_their_option(options: dict[str, Any], why: str) -> None:
    with pytest.raises(errors.ConfigError, match=why):
        host_nodes.parse(CAPABILITIES, 64000, **options)


def test_devices_with_their_functions() -> None:
    assert pci_devices.parse(node_devices()) == (
        Device("0000:0a:00.0", "8086", "10fb", pci.PF, 0, None, "ens1f0"),
        Device("0000:0a:10.0", "8086", "10ed", pci.VF, 0, "0000:0a:00.0"),
        Device("0000:8b:00.0", "10de", "1db4", pci.PCI, 1))


def test_what_a_machine_offers() -> None:
    found = offers.parse((RECORDED / "domcaps-q35.xml").read_text())
    assert found.disk_buses == frozenset({"fdc", "scsi", "virtio", "usb", "sata"})
    assert found.video_models is not None and {"vga", "qxl", "virtio"} <= found.video_models
    assert (found.uefi, found.secure_boot, found.tpm_emulator) == (True, True, False)
    assert found.cpu_models is not None and "qemu64" in found.cpu_models
    assert found.host_model is not None and etree.fromstring(found.host_model).findtext("model") == "EPYC"
    assert {"COMPUTE_STORAGE_BUS_SATA", "COMPUTE_SECURITY_UEFI_SECURE_BOOT"} <= found.traits() <= set(standard_traits())
    assert "COMPUTE_STORAGE_BUS_IDE" not in found.traits()


def test_traits_of_processors_are_those_of_placement() -> None:
    assert set(traits.OF_FEATURE.values()) <= set(standard_traits())
    assert traits.of_features({"aes", "pni", "unheard-of"}) == {"HW_CPU_X86_AESNI", "HW_CPU_X86_SSE3"}
    assert traits.required({"trait:HW_CPU_X86_AVX2": "required", "trait:HW_CPU_X86_AVX": "forbidden"},
                           {"trait:COMPUTE_NODE": "required"}) == {"HW_CPU_X86_AVX2"}


@pytest.fixture
def planner(tmp_path: pathlib.Path) -> Planner:
    devices = pci.allowed(pci_devices.parse(node_devices()),
                          pci.device_spec(['{"devname": "ens1f0", "physical_network": "p1"}']))
    return Planner(tmp_path, "host1", host_nodes.parse(CAPABILITIES, 64000, dedicated="1-3"), lambda: devices)


def guest(planner: Planner, number: int, tmp_path: pathlib.Path, **changes: object) -> GuestSpec:
    made = GuestSpec(uuid=f"6d1f0b9c-0000-4000-8000-{number:012}", name="i", display_name="web", vcpus=2,
                     memory_mb=512, root_gb=1, **changes)  # type: ignore[arg-type]
    (tmp_path / made.uuid).mkdir()
    return made


def test_a_guest_keeps_what_it_has_and_others_do_not_get_it(planner: Planner, tmp_path: pathlib.Path) -> None:
    pinned = {"extra_specs": {"hw:cpu_policy": "dedicated"}}
    one, two = guest(planner, 1, tmp_path, **pinned), guest(planner, 2, tmp_path, **pinned)
    made = planner.claim(one)
    assert planner.claim(one) == made == planner.of(one.uuid)
    with pytest.raises(errors.HostFailure, match="does not fit on host host1: .*node 0: 1 dedicated") as caught:
        planner.claim(two)
    assert caught.value.details["retry"] is True
    assert planner.of(two.uuid) is None
    planner.release(one.uuid)
    assert set(planner.claim(two).pins.values()) == set(made.pins.values())


def test_a_guest_that_came_from_elsewhere_is_planned_anew(planner: Planner, tmp_path: pathlib.Path) -> None:
    there = Planner(tmp_path, "host2", planner.nodes)
    moved = guest(planner, 1, tmp_path, extra_specs={"hw:cpu_policy": "dedicated"})
    assert there.claim(moved).host == "host2"
    assert not planner.held().cpus
    assert planner.claim(moved).host == "host1"
    there.release(moved.uuid)
    assert not there.held().cpus and planner.held().cpus


def test_a_direct_port_holds_a_function(planner: Planner, tmp_path: pathlib.Path) -> None:
    port = Nic.from_vif({"id": "7b6f1a00-0000-4000-8000-000000000001", "address": "fa:16:3e:00:00:01",
                         "vnic_type": "direct", "network": {"physical_network": "p1", "vlan": 7}})
    made = planner.claim(guest(planner, 1, tmp_path, nics=(port,)))
    assert made.devices == {port.id: ("0000:0a:10.0",)}
    with pytest.raises(errors.HostFailure, match="no device is free"):
        planner.claim(guest(planner, 2, tmp_path, nics=(port,)))
