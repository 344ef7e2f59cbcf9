# SPDX-License-Identifier: Apache-2.0
"""Hosts as libvirt tells of them, for planning where this machine has no nodes, pages or devices to plan with."""

from __future__ import annotations

from nova.virt.hardware.host import HostNode, HostNodes
from nova.virt.hardware.pci import PF, VF, Device

PAGE_2M, PAGE_1G = 2048, 1 << 20


def two_nodes(dedicated: frozenset[int] | None = frozenset(range(16)),
              shared: frozenset[int] | None = None) -> HostNodes:
    """Two sockets of four cores with two threads each; 8 GiB a node, some of it in large pages."""
    def node(number: int) -> HostNode:
        first = number * 4
        siblings = tuple(frozenset({first + core, 8 + first + core}) for core in range(4))
        return HostNode(number, frozenset().union(*siblings), 8192, siblings,
                        {4: 1 << 20, PAGE_2M: 1024, PAGE_1G: 2}, socket=number)

    return HostNodes((node(0), node(1)), dedicated, shared)


def without_siblings() -> HostNodes:
    """One node of four processors."""
    return HostNodes((HostNode(0, frozenset(range(4)), 4096, tuple(frozenset({c}) for c in range(4)), {4: 1 << 20}),),
                     frozenset({1, 2, 3}), frozenset({0}))


def cards() -> tuple[Device, ...]:
    """A network card with four virtual functions on node 0, one without on node 1, two graphics cards."""
    functions = tuple(Device(f"0000:0a:10.{i}", "8086", "10ed", VF, 0, "0000:0a:00.0") for i in range(4))
    return (Device("0000:0a:00.0", "8086", "10fb", PF, 0, None, "ens1"), *functions,
            Device("0000:8a:00.0", "8086", "10fb", PF, 1, None, "ens2"),
            Device("0000:0b:00.0", "10de", "1db4", node=0), Device("0000:8b:00.0", "10de", "1db4", node=1))
