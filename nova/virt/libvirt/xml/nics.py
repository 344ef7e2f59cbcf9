# SPDX-License-Identifier: Apache-2.0
"""A network card of the guest: a tap on a bridge, or a virtual function that is passed through."""

from __future__ import annotations

from typing import Any

from lxml.builder import E

from nova.virt.hardware.wishes import Wishes
from nova.virt.libvirt.xml import hostdevs
from nova.virt.types import Nic

NOTHING_ASKED = Wishes({}, {})
#: A tap has no more.
MOST_QUEUES = 256


def interface(nic: Nic, asked: Wishes = NOTHING_ASKED, vcpus: int = 1) -> Any:
    """A tap under the name that the network's filters go by; libvirt makes it and joins it to the bridge."""
    model = asked.word("vif_model") or nic.model
    node = E.interface(E.mac(address=nic.address), E.target(dev=nic.device), E.model(type=model),
                       type="bridge" if nic.bridge else "ethernet")
    if nic.bridge:
        node.append(E.source(bridge=nic.bridge))
    if nic.mtu:
        node.append(E.mtu(size=str(nic.mtu)))
    if model == "virtio":
        driver = E.driver(name="qemu")
        if asked.flag("vif_multiqueue") and vcpus > 1:
            driver.set("queues", str(min(vcpus, MOST_QUEUES)))
        if asked.flag("packed_ring"):
            driver.set("packed", "on")
        node.append(driver)
    limits = bandwidth(asked)
    if len(limits):
        node.append(limits)
    return node


def function(nic: Nic, address: str) -> Any:
    """The virtual function at ``address`` with the port's hardware address and VLAN."""
    node = E.interface(E.mac(address=nic.address), E.source(hostdevs.address(address, type="pci")), type="hostdev",
                       managed="yes")
    vlan = nic.network.get("vlan")
    if vlan:
        node.append(E.vlan(E.tag(id=str(vlan))))
    return node


def bandwidth(asked: Wishes) -> Any:
    """The limits of each card; empty without any. A direction needs its average."""
    node = E.bandwidth()
    for tag, short in (("inbound", "in"), ("outbound", "out")):
        values = {part: asked.number(f"vif_{short}_{part}") for part in ("average", "peak", "burst")}
        if values["average"]:
            node.append(E(tag, **{part: str(value) for part, value in values.items() if value}))
    return node
