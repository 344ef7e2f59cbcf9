# SPDX-License-Identifier: Apache-2.0
"""A guest's document as its next host needs it: the same machine, with the disks, files and addresses of that host.
Pure functions of documents."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lxml import etree

from nova.virt.libvirt.xml.draft import DiskFile

#: What a host decides about the place of a guest; all of it is the new host's.
_PLACE = ("cputune", "numatune", "memoryBacking")


@dataclasses.dataclass(frozen=True, slots=True)
class SourceDisk:
    """A disk as it is at the source. ``backing`` is the name of the base it lies over; ``copied``: it can be sent."""

    device: str
    path: str
    format: str
    copied: bool
    size: int = 0
    used: int = 0
    backing: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SourceDisk:
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls)})


def disks(xml: str) -> Iterator[SourceDisk]:
    """The disks of a document that lie in files or block devices."""
    for disk in etree.fromstring(xml).iterfind("devices/disk"):
        source = disk.find("source")
        path = source.get("file") or source.get("dev") if source is not None else None
        if path:
            copied = disk.get("device", "disk") == "disk" and disk.find("readonly") is None
            driver = disk.find("driver")
            yield SourceDisk(disk.find("target").get("dev"), path, driver.get("type", "raw"), copied)


def processor(xml: str) -> str | None:
    """What the guest needs of a processor, or None when anything will do."""
    found = etree.fromstring(xml).find("cpu")
    if found is None or found.find("model") is None:
        return None
    text: str = etree.tostring(found, encoding="unicode")
    return text


def rewrite(xml: str, own: str, directory: pathlib.Path, here: Sequence[DiskFile], vnc_listen: str) -> str:
    """``xml`` as the source has it, ``own`` as this host would have made it; ``directory`` and ``here`` are this host's
    files of the guest."""
    root, mine = etree.fromstring(xml), etree.fromstring(own)
    for name in _PLACE:
        _take(root, mine, name)
    vcpu, wanted = root.find("vcpu"), mine.find("vcpu")
    if vcpu is not None and wanted is not None:
        _attribute(vcpu, "cpuset", wanted.get("cpuset"))
    nvram = root.find("os/nvram")
    if nvram is not None and nvram.text:
        nvram.text = str(directory / pathlib.PurePath(nvram.text).name)
    path = root.find("metadata/{*}guest/{*}path")
    if path is not None:
        path.text = str(directory)
    by_device = {disk.device: disk for disk in here}
    for disk in root.iterfind("devices/disk"):
        _move_disk(disk, by_device.get(disk.find("target").get("dev")))
    for log in root.iterfind("devices/*/log"):
        log.set("file", str(directory / pathlib.PurePath(log.get("file")).name))
    for graphics in root.iterfind("devices/graphics"):
        _move_graphics(graphics, vnc_listen)
    for source in root.xpath("devices/channel[@type='unix']/source[@mode='bind']"):
        source.getparent().remove(source)  # a socket of libvirt's own making
    emulator = mine.find("devices/emulator")
    if emulator is not None:
        root.find("devices/emulator").text = emulator.text
    text: str = etree.tostring(root, encoding="unicode")
    return text


def _take(root: Any, mine: Any, name: str) -> None:
    old, new = root.find(name), mine.find(name)
    if old is not None:
        root.remove(old)
    if new is not None:
        root.insert(root.index(root.find("vcpu")) + 1, new)


def _move_disk(disk: Any, there: DiskFile | None) -> None:
    for chain in disk.findall("backingStore"):
        disk.remove(chain)
    if there is None:
        return
    source = disk.find("source")
    for inner in list(source):
        source.remove(inner)
    for name in ("file", "dev", "index", "startupPolicy"):
        source.attrib.pop(name, None)
    source.set("dev" if there.kind == "block" else "file", str(there.path))
    disk.set("type", there.kind)
    driver = disk.find("driver")
    driver.set("type", there.format)


def _move_graphics(graphics: Any, listen: str) -> None:
    graphics.set("autoport", "yes")
    for name in ("port", "tlsPort", "websocket"):
        graphics.attrib.pop(name, None)
    graphics.set("listen", listen)
    for inner in graphics.findall("listen"):
        inner.attrib.clear()
        inner.set("type", "address")
        inner.set("address", listen)


def _attribute(node: Any, name: str, value: str | None) -> None:
    if value is None:
        node.attrib.pop(name, None)
    else:
        node.set(name, value)
