# SPDX-License-Identifier: Apache-2.0
"""File systems, swap space and CD-ROMs made inside files, without mounting anything."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence

from nova import errors
from nova.host import processes

#: How each mkfs is told to take a plain file and a label.
_MKFS = {
    "ext2": ("mkfs.ext2", "-q", "-F", "-L"), "ext3": ("mkfs.ext3", "-q", "-F", "-L"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-L"), "xfs": ("mkfs.xfs", "-q", "-f", "-L"), "vfat": ("mkfs.vfat", "-n"),
    "ntfs": ("mkfs.ntfs", "--force", "--quick", "--label"),
}
ISO_PROGRAMS = ("genisoimage", "mkisofs", "xorrisofs")
VFAT_SIZE = 64 << 20
#: Large file systems take a while on slow disks.
_TIMEOUT = 600


def format_file(path: pathlib.Path, size: int, kind: str, label: str) -> None:
    """A sparse file of ``size`` bytes that is one file system."""
    _sparse(path, size)
    processes.run([*_MKFS[kind], label, path], timeout=_TIMEOUT)


def swap_file(path: pathlib.Path, size: int) -> None:
    """A sparse file of ``size`` bytes that is swap space."""
    _sparse(path, size)
    processes.run(["mkswap", path], timeout=_TIMEOUT)


def iso(path: pathlib.Path, tree: Mapping[str, bytes], label: str, program: str | None = None) -> None:
    """A CD-ROM with these files, as ISO 9660 with Rock Ridge and Joliet names."""
    chosen = program or first_of(ISO_PROGRAMS)
    with _written(path, tree) as source:
        processes.run([chosen, "-quiet", "-o", path, "-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-J", "-r",
                       "-V", label, source], timeout=_TIMEOUT)


def vfat(path: pathlib.Path, tree: Mapping[str, bytes], label: str) -> None:
    """A disk with these files on one FAT file system."""
    format_file(path, VFAT_SIZE, "vfat", label)
    with _written(path, tree) as source:
        tops = sorted(pathlib.Path(source).iterdir())
        processes.run(["mcopy", "-s", "-Q", "-i", path, *tops, "::"], timeout=_TIMEOUT)


def first_of(programs: Sequence[str]) -> str:
    """The first that is installed."""
    for name in programs:
        if shutil.which(name):
            return name
    raise errors.HostFailure(f"None of {', '.join(programs)} is installed on this host.", retry=True)


def _written(beside: pathlib.Path, tree: Mapping[str, bytes]) -> tempfile.TemporaryDirectory[str]:
    """The files in a directory that goes when it is left; nobody else may read it."""
    made = tempfile.TemporaryDirectory(dir=beside.parent, prefix=".tree-")
    for name, content in tree.items():
        file = pathlib.Path(made.name) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return made


def _sparse(path: pathlib.Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
    path.chmod(0o600)
