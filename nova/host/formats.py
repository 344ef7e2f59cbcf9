# SPDX-License-Identifier: Apache-2.0
"""How each disk image format begins, how big its disk is, and what in it would make a hypervisor open other files.

Layouts are those of the formats' own specifications (QEMU's qcow2.txt, VMware's Virtual Disk Format 5.0, Microsoft's
VHD and VHDX, ECMA-119). Nothing here reads files: a parser sees a :class:`Content`.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from collections.abc import Iterator
from typing import Protocol

#: How much of the beginning of an image is always looked at.
HEAD = 64 * 1024
#: And of its end: a VHD's footer.
TAIL = 512
SECTOR = 512


class Content(Protocol):
    """The parts of an image that have been kept."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """What is known of this range: less than ``length`` where the image ends or nothing was kept."""

    def tail(self) -> bytes:
        """The last :data:`TAIL` bytes; empty before the end is reached."""


@dataclasses.dataclass(slots=True)
class Finding:
    """What a parser found out. ``unsafe`` are reasons to refuse, in words for the owner of the image."""

    virtual_size: int | None = None
    unsafe: list[str] = dataclasses.field(default_factory=list)
    encrypted: bool = False


class FormatError(Exception):
    """The beginning is that of the format, the rest is not."""


class Format:
    """Base of the parsers. ``matches`` needs the head only, except where the format has none."""

    name = ""

    def matches(self, content: Content) -> bool:
        raise NotImplementedError

    def wants(self, content: Content) -> Iterator[tuple[int, int]]:
        """Ranges beyond the head that :meth:`inspect` needs; asked again whenever one of them is complete."""
        return iter(())

    def inspect(self, content: Content) -> Finding:
        raise NotImplementedError


def _unpack(layout: str, content: Content, offset: int = 0) -> tuple[int, ...]:
    data = content.read(offset, struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise FormatError("its header is cut short")
    return struct.unpack(layout, data)


def _guid(text: str) -> bytes:
    """A GUID as Microsoft stores it: the first three numbers little-endian, the rest in order."""
    first, second, third, *rest = text.split("-")
    return struct.pack("<IHH", int(first, 16), int(second, 16), int(third, 16)) + bytes.fromhex("".join(rest))


class Qcow2(Format):
    """QEMU copy on write, versions 2 and 3; version 1 is told apart and refused."""

    name = "qcow2"
    KNOWN_INCOMPATIBLE = 0b11111
    CORRUPT, DATA_FILE = 1 << 1, 1 << 2
    EXTENSION_DATA_FILE = 0x44415441

    def matches(self, content: Content) -> bool:
        return content.read(0, 4) == b"QFI\xfb"

    def inspect(self, content: Content) -> Finding:
        version, backing, _, bits, size, crypt = _unpack(">4xIQIIQI", content)
        if version not in (2, 3):
            return Finding(unsafe=[f"it is of qcow version {version}, only 2 and 3 are accepted"])
        found = Finding(virtual_size=size, encrypted=crypt != 0)
        if backing:
            found.unsafe.append("it has a backing file")
        if not 9 <= bits <= 21:
            found.unsafe.append(f"its clusters are of 2^{bits} bytes")
        start = 72
        if version == 3:
            (incompatible,) = _unpack(">Q", content, 72)
            (start,) = _unpack(">I", content, 100)
            found.unsafe += self._features(incompatible)
        if self.EXTENSION_DATA_FILE in self._extensions(content, start, backing or (1 << bits)):
            found.unsafe.append("it names an external data file")
        return found

    def _features(self, incompatible: int) -> Iterator[str]:
        if incompatible & self.DATA_FILE:
            yield "it keeps its data in an external file"
        if incompatible & self.CORRUPT:
            yield "it is marked corrupt"
        if unknown := incompatible & ~self.KNOWN_INCOMPATIBLE:
            yield f"it needs unknown features ({unknown:#x})"

    @staticmethod
    def _extensions(content: Content, start: int, end: int) -> Iterator[int]:
        offset = start
        while offset + 8 <= min(end, HEAD):
            kind, length = _unpack(">II", content, offset)
            if kind == 0:
                return
            yield kind
            offset += 8 + -(-length // 8) * 8


class Vmdk(Format):
    """VMware disks in one file: monolithicSparse and streamOptimized. All others point to other files."""

    name = "vmdk"
    ALLOWED = {"monolithicsparse", "streamoptimized"}
    _EXTENT = re.compile(rb'^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\S+)(?:\s+"([^"\n]*)")?', re.MULTILINE)
    _VALUE = re.compile(rb'^\s*(createType|parentCID|parentFileNameHint)\s*=\s*"?([^"\r\n]*)"?', re.MULTILINE | re.I)
    _TEXT = re.compile(rb"\A(?:#[^\n]*\n|[ \t\r]*\n)*version[ \t]*=[ \t]*\d", re.I)

    def matches(self, content: Content) -> bool:
        head = content.read(0, 4096)
        return (head[:4] in (b"KDMV", b"COWD") or head.lower().startswith(b"# disk descriptorfile")
                or bool(self._TEXT.match(head)))

    def inspect(self, content: Content) -> Finding:
        magic = content.read(0, 4)
        if magic == b"COWD":
            return Finding(unsafe=["it is a VMDK of the old COWD kind"])
        if magic != b"KDMV":
            return Finding(unsafe=["it is a VMDK descriptor, the disk itself is in other files"])
        version, _, capacity, _, offset, length = _unpack("<4xIIQQQQ", content)
        found = Finding(virtual_size=capacity * SECTOR)
        if version not in (1, 2, 3):
            found.unsafe.append(f"it is a VMDK of unknown version {version}")
        if capacity == 0:
            found.unsafe.append("it is a VMDK without a capacity of its own, the disk itself is in other files")
        if not offset or not length or (offset + length) * SECTOR > HEAD:
            found.unsafe.append("its VMDK descriptor is not where it belongs")
            return found
        found.unsafe += self._descriptor(content.read(offset * SECTOR, length * SECTOR).partition(b"\0")[0])
        return found

    def _descriptor(self, text: bytes) -> Iterator[str]:
        values = {k.lower(): v.strip() for k, v in self._VALUE.findall(text)}
        kind = values.get(b"createtype", b"").decode("ascii", "replace")
        if kind.lower() not in self.ALLOWED:
            yield f"it is a VMDK of type {kind or 'unknown'!r}, only monolithicSparse and streamOptimized are accepted"
        if values.get(b"parentcid", b"ffffffff").lower() != b"ffffffff" or values.get(b"parentfilenamehint"):
            yield "it is a VMDK with a parent"
        extents = self._EXTENT.findall(text)
        if len(extents) != 1:
            yield f"it is a VMDK with {len(extents)} extents instead of one"
        for how, name in extents:
            if how.upper() != b"SPARSE":
                yield f"it has a VMDK extent of kind {how.decode('ascii', 'replace')}"
            if b"/" in name or b"\\" in name or b":" in name:
                yield "it has a VMDK extent with a path"


class Vdi(Format):
    """VirtualBox disks."""

    name = "vdi"

    def matches(self, content: Content) -> bool:
        return content.read(64, 4) == b"\x7f\x10\xda\xbe"

    def inspect(self, content: Content) -> Finding:
        (kind,) = _unpack("<I", content, 76)
        (size,) = _unpack("<Q", content, 368)
        return Finding(size, [] if kind in (1, 2) else [f"it is a VDI of kind {kind}, which needs other files"])


class Vhd(Format):
    """Virtual PC disks: a dynamic one has a copy of its footer in front, a fixed one has only the footer."""

    name = "vhd"
    KINDS = {2: "fixed", 3: "dynamic"}

    def matches(self, content: Content) -> bool:
        return content.read(0, 8) == b"conectix" or content.tail()[:8] == b"conectix"

    def inspect(self, content: Content) -> Finding:
        footer = content.read(0, TAIL)
        if footer[:8] != b"conectix":
            footer = content.tail()
        if len(footer) < 64:
            raise FormatError("its footer is cut short")
        size, kind = struct.unpack_from(">Q", footer, 48)[0], struct.unpack_from(">I", footer, 60)[0]
        return Finding(size, [] if kind in self.KINDS else [f"it is a VHD of kind {kind}, which needs other files"])


class Vhdx(Format):
    """Hyper-V disks: the size stands in a metadata table that a region table points to."""

    name = "vhdx"
    REGIONS, REGIONS_LENGTH = 192 * 1024, 64 * 1024
    METADATA_LENGTH = 128 * 1024
    METADATA = _guid("8B7CA206-4790-4B9A-B8FE-575F050F886E")
    SIZE = _guid("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
    PARENT = _guid("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")

    def matches(self, content: Content) -> bool:
        return content.read(0, 8) == b"vhdxfile"

    def wants(self, content: Content) -> Iterator[tuple[int, int]]:
        yield self.REGIONS, self.REGIONS_LENGTH
        if len(content.read(self.REGIONS, self.REGIONS_LENGTH)) == self.REGIONS_LENGTH:
            yield self._metadata_offset(content), self.METADATA_LENGTH

    def inspect(self, content: Content) -> Finding:
        start = self._metadata_offset(content)
        signature, count = _unpack("<Q2xH", content, start)
        if signature != int.from_bytes(b"metadata", "little"):
            raise FormatError("its metadata table is missing")
        found = Finding()
        for guid, offset in self._entries(content, start + 32, min(count, 2047)):
            if guid == self.SIZE:
                (found.virtual_size,) = _unpack("<Q", content, start + offset)
            elif guid == self.PARENT:
                found.unsafe.append("it is a VHDX with a parent")
        if found.virtual_size is None:
            raise FormatError("it does not say how big it is")
        return found

    def _metadata_offset(self, content: Content) -> int:
        if content.read(self.REGIONS, 4) != b"regi":
            raise FormatError("its region table is missing")
        (count,) = _unpack("<I", content, self.REGIONS + 8)
        for guid, offset in self._entries(content, self.REGIONS + 16, min(count, 2047), "<16sQ8x"):
            if guid == self.METADATA and offset >= self.REGIONS + self.REGIONS_LENGTH:
                return offset
        raise FormatError("its metadata region is missing")

    @staticmethod
    def _entries(content: Content, start: int, count: int, layout: str = "<16sI12x") -> Iterator[tuple[bytes, int]]:
        for index in range(count):
            entry = content.read(start + 32 * index, 32)
            if len(entry) < 32:
                raise FormatError("one of its tables is cut short")
            guid, offset = struct.unpack(layout, entry)
            yield guid, offset


class Iso(Format):
    """ISO 9660 file systems; hybrid ones also have a partition table."""

    name = "iso"

    def matches(self, content: Content) -> bool:
        return content.read(0x8001, 5) == b"CD001"

    def inspect(self, content: Content) -> Finding:
        return Finding(virtual_size=content.size)


class Ova(Format):
    """A tar archive with a description and disks; it is stored, never booted."""

    name = "ova"

    def matches(self, content: Content) -> bool:
        return content.read(257, 5) == b"ustar"

    def inspect(self, content: Content) -> Finding:
        return Finding()


class Foreign(Format):
    """Formats that are recognised only to be refused."""

    def __init__(self, name: str, magic: bytes) -> None:
        self.name, self._magic = name, magic

    def matches(self, content: Content) -> bool:
        return content.read(0, len(self._magic)) == self._magic

    def inspect(self, content: Content) -> Finding:
        return Finding(unsafe=[f"the format {self.name} is not accepted"])


FORMATS: tuple[Format, ...] = (
    Qcow2(), Vmdk(), Vdi(), Vhd(), Vhdx(), Iso(), Ova(), Foreign("qed", b"QED\0"),
    Foreign("ploop", b"WithoutFreeSpace"), Foreign("ploop", b"WithouFreSpacExt"),
)
