# SPDX-License-Identifier: Apache-2.0
"""The XML document that describes a guest to libvirt, put together from its parts. Pure."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from lxml import etree
from lxml.builder import E

import nova
from nova.virt.hardware.plan import Plan
from nova.virt.libvirt.xml import cpu, devices, hostdevs, nics, platform
from nova.virt.libvirt.xml import disks as disks_xml
from nova.virt.libvirt.xml.draft import DiskFile, Draft, Settings
from nova.virt.types import GuestSpec

__all__ = ["NAMESPACE", "DiskFile", "Draft", "Settings", "build", "printable"]

#: Our own part of a domain's metadata: how guests of ours are told from others.
NAMESPACE = "urn:nova-controller:guest:1"
_NS = "{" + NAMESPACE + "}"


def build(guest: GuestSpec, name: str, directory: pathlib.Path, disks: Sequence[DiskFile], settings: Settings,
          plan: Plan | None = None) -> str:
    """The document for a guest that libvirt shall call ``name`` and whose files lie in ``directory``."""
    draft = Draft(guest, directory, disks, settings, plan or Plan())
    optional = [cpu.memory_backing(draft), cpu.cputune(draft), cpu.numatune(draft)]
    root = E.domain(
        E.name(name),
        E.uuid(guest.uuid),
        E.metadata(_metadata(guest, directory)),
        E.memory(str(guest.memory_mb), unit="MiB"),
        cpu.vcpu(draft),
        *[part for part in optional if len(part)],
        platform.sysinfo(guest),
        platform.os(draft),
        platform.features(draft),
        cpu.cpu(draft),
        platform.clock(draft),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        _devices(draft),
        type=settings.virt_type,
    )
    text: str = etree.tostring(root, encoding="unicode", pretty_print=True)
    return text


def _devices(draft: Draft) -> Any:
    passed = dict(draft.plan.devices)
    return E.devices(
        *devices.controllers(draft),
        *[disks_xml.disk(d, draft.settings.cachemode, draft.asked) for d in draft.disks],
        *[nics.function(n, passed.pop(n.id)[0]) if n.id in passed
          else nics.interface(n, draft.asked, draft.guest.vcpus) for n in draft.guest.nics],
        *[hostdevs.hostdev(address) for owned in passed.values() for address in owned],
        *devices.consoles(draft),
        *devices.channels(draft),
        *devices.inputs(draft),
        *platform.tpm(draft),
        *devices.others(draft),
    )


def _metadata(guest: GuestSpec, directory: pathlib.Path) -> Any:
    def element(tag: str, text: str | None = None, **attributes: Any) -> Any:
        node = etree.Element(_NS + tag, {k: printable(str(v)) for k, v in attributes.items()},
                             nsmap={"nova": NAMESPACE})
        node.text = printable(text) if text is not None else None
        return node

    node = element("guest", version=nova.__version__)
    node.append(element("name", guest.display_name))
    node.append(element("path", str(directory)))
    node.append(element("owner", project=guest.project_id, user=guest.user_id))
    node.append(element("flavor", name=guest.flavor.get("name", ""), vcpus=guest.vcpus, memory_mb=guest.memory_mb,
                        root_gb=guest.root_gb, ephemeral_gb=guest.ephemeral_gb, swap_mb=guest.swap_mb))
    if guest.image:
        node.append(element("image", id=guest.image.id))
    for nic in guest.nics:
        node.append(element("port", id=nic.id, addresses=" ".join(nic.ips)))
    return node


def printable(text: str) -> str:
    """Without the characters that XML cannot carry at all, escaped or not."""
    return "".join(c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000" else "?"
                   for c in text)
