# SPDX-License-Identifier: Apache-2.0
"""PCI devices of a host, as libvirt's node devices tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from nova.virt.hardware.pci import PCI, PF, VF, Device


def parse(documents: Iterable[str]) -> tuple[Device, ...]:
    """Of the documents of node devices of kinds pci and net, in any order. Bridges are left out."""
    trees = [etree.fromstring(text) for text in documents]
    cards = {tree.findtext("parent") or "": tree.findtext("capability[@type='net']/interface") for tree in trees
             if tree.find("capability[@type='net']") is not None}
    found = [_device(tree, cards) for tree in trees if tree.find("capability[@type='pci']") is not None]
    return tuple(sorted((d for d in found if d is not None), key=lambda d: d.address))


def _device(tree: etree._Element, cards: Mapping[str, str | None]) -> Device | None:
    capability = tree.find("capability[@type='pci']")
    if capability is None:
        return None
    if capability.find("capability[@type='pci-bridge']") is not None:
        return None
    address = _address({k: capability.findtext(k) or "0" for k in ("domain", "bus", "slot", "function")})
    node = capability.find("numa")
    physical = capability.find("capability[@type='phys_function']/address")
    kind = PCI
    if physical is not None:
        kind = VF
    elif capability.find("capability[@type='virt_functions']") is not None:
        kind = PF
    return Device(
        address=address,
        vendor_id=_hex(capability.find("vendor")),
        product_id=_hex(capability.find("product")),
        kind=kind,
        node=int(node.get("node", "0")) if node is not None else None,
        parent=_address(dict(physical.attrib)) if physical is not None else None,
        netdev=cards.get(tree.findtext("name") or ""),
    )


def _hex(node: etree._Element | None) -> str:
    return ((node.get("id") if node is not None else None) or "0x0000").removeprefix("0x")


def _address(parts: Mapping[str, str]) -> str:
    domain, bus, slot, function = (int(parts[k], 0) for k in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"
