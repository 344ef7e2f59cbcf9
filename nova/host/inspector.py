# SPDX-License-Identifier: Apache-2.0
"""What an image really is, found out by ourselves before any other program opens it.

:class:`Inspector` is fed while an image streams by; :func:`verify` looks at a file. How formats look is in
:mod:`nova.host.formats`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable

from nova import concurrency, errors
from nova.host.formats import FORMATS, HEAD, TAIL, Finding, Format, FormatError

#: Names that users give to content without any format of its own.
RAW_NAMES = frozenset({"raw", "ami", "aki", "ari"})
CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Inspection:
    """The verdict. ``unsafe`` are reasons to refuse; ``notes`` are worth knowing."""

    format: str
    size: int
    virtual_size: int | None
    unsafe: list[str]
    encrypted: bool = False
    notes: tuple[str, ...] = ()


class _Capture:
    """A range of the stream that is kept."""

    def __init__(self, offset: int, length: int) -> None:
        self.offset, self.length = offset, length
        self.data = bytearray()

    @property
    def complete(self) -> bool:
        return len(self.data) == self.length

    def take(self, position: int, chunk: bytes | memoryview) -> None:
        begin = self.offset + len(self.data) - position
        if 0 <= begin < len(chunk):
            self.data += chunk[begin:begin + self.length - len(self.data)]


class Inspector:
    """Feed it the whole image in order, then :meth:`finish`. It keeps a few hundred kilobytes at most."""

    def __init__(self) -> None:
        self.size = 0
        self._captures = [_Capture(0, HEAD)]
        self._tail = bytearray()
        self._ended = False

    # what the parsers see

    def read(self, offset: int, length: int) -> bytes:
        for capture in self._captures:
            begin = offset - capture.offset
            if 0 <= begin < len(capture.data):
                return bytes(capture.data[begin:begin + length])
        return b""

    def tail(self) -> bytes:
        return bytes(self._tail) if self._ended else b""

    # what the owner of the stream does

    def feed(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        for capture in self._captures:  # grows while it is walked
            before = capture.complete
            capture.take(self.size, view)
            if capture.complete and not before:
                self._plan()
        self._tail += view[-TAIL:]
        del self._tail[:-TAIL]
        self.size += len(chunk)

    def finish(self) -> Inspection:
        self._ended = True
        matching = [f for f in FORMATS if f.matches(self)]
        notes = self._notes()
        if not matching:
            return Inspection("raw", self.size, self.size, [], "LUKS" in notes, notes)
        found = self._inspect(matching[0])
        if len(matching) > 1:
            names = " and ".join(f.name for f in matching)
            found.unsafe.append(f"it can be read as {names}")
        return Inspection(matching[0].name, self.size, found.virtual_size, found.unsafe,
                          found.encrypted or "LUKS" in notes, notes)

    def wanted(self) -> Iterable[tuple[int, int]]:
        """Ranges still missing: for who can seek."""
        return [(c.offset + len(c.data), c.length - len(c.data)) for c in self._captures if not c.complete]

    def _plan(self) -> None:
        known = {c.offset for c in self._captures}
        for image_format in FORMATS:
            if not image_format.matches(self):
                continue
            try:
                wants = [w for w in image_format.wants(self) if w[0] not in known]
            except FormatError:
                continue  # inspect() comes across it again and says so
            self._captures += [_Capture(offset, length) for offset, length in wants]

    def _inspect(self, image_format: Format) -> Finding:
        try:
            return image_format.inspect(self)
        except FormatError as e:
            return Finding(unsafe=[str(e)])

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.read(0, 6) == b"LUKS\xba\xbe":
            notes.append("LUKS")
        if self.read(512, 8) == b"EFI PART":
            notes.append("GPT")
        elif self.read(510, 2) == b"\x55\xaa":
            notes.append("MBR")
        return tuple(notes)


def inspect_file(path: str | os.PathLike[str]) -> Inspection:
    """Look at the few places of a file that matter."""
    return concurrency.offload(_inspect_file, path)


def _inspect_file(path: str | os.PathLike[str]) -> Inspection:
    inspector = Inspector()
    with open(path, "rb") as f:
        total = os.fstat(f.fileno()).st_size
        inspector.feed(f.read(HEAD))
        while inspector.size < total:
            places = [offset for offset, _ in inspector.wanted() if inspector.size <= offset < total - TAIL]
            inspector.size = min([*places, max(inspector.size, total - TAIL)])
            f.seek(inspector.size)
            if not (chunk := f.read(CHUNK)):
                break
            inspector.feed(chunk)
    return inspector.finish()


def verify(path: str | os.PathLike[str], claimed_format: str, max_virtual_size: int | None = None) -> Inspection:
    """The inspection of a file that is what it claims to be and harmless; :class:`errors.Invalid` otherwise."""
    return check(inspect_file(path), claimed_format, max_virtual_size)


def check(found: Inspection, claimed_format: str, max_virtual_size: int | None = None) -> Inspection:
    """The same for an image whose inspection is there already."""
    claimed = "raw" if claimed_format in RAW_NAMES else {"vpc": "vhd"}.get(claimed_format, claimed_format)
    if found.size == 0:
        raise errors.Invalid("The image is empty.")
    if found.format != claimed:
        raise errors.Invalid(f"The image is said to be {claimed_format}, but its content is {found.format}.")
    if found.unsafe:
        raise errors.Invalid(f"The image is not accepted: {'; '.join(found.unsafe)}.")
    if max_virtual_size is not None and (found.virtual_size or 0) > max_virtual_size:
        raise errors.Invalid(
            f"The image holds a disk of {found.virtual_size} bytes; no more than {max_virtual_size} fit here.")
    return found
