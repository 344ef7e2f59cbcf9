# SPDX-License-Identifier: Apache-2.0
"""What every way to keep disks offers."""

from __future__ import annotations

import abc
import pathlib
from collections.abc import Callable

from nova import errors
from nova.host import files, images, processes
from nova.host.imagecache import Base


class Backend(abc.ABC):
    """A disk appears complete under its name or not at all, so that whatever is done may be repeated."""

    format = "qcow2"
    kind = "file"

    @abc.abstractmethod
    def path(self, directory: pathlib.Path, name: str) -> pathlib.Path:
        """Where QEMU finds the disk."""

    @abc.abstractmethod
    def exists(self, directory: pathlib.Path, name: str) -> bool: ...

    @abc.abstractmethod
    def empty(self, directory: pathlib.Path, name: str, size: int) -> None: ...

    @abc.abstractmethod
    def from_base(self, directory: pathlib.Path, name: str, base: Base, size: int) -> None:
        """A disk of ``size`` bytes that begins as the base image."""

    @abc.abstractmethod
    def adopt(self, directory: pathlib.Path, name: str, raw: pathlib.Path) -> None:
        """Make a disk of a raw file, which is gone afterwards."""

    @abc.abstractmethod
    def remove(self, directory: pathlib.Path, name: str) -> None:
        """What lies outside of the guest's directory. Not there is fine."""


class FileBackend(Backend):
    """Disks are files in the guest's directory."""

    def __init__(self, preallocate: bool = False) -> None:
        self._preallocate = preallocate

    def path(self, directory: pathlib.Path, name: str) -> pathlib.Path:
        return directory / name

    def exists(self, directory: pathlib.Path, name: str) -> bool:
        return (directory / name).exists()

    def empty(self, directory: pathlib.Path, name: str, size: int) -> None:
        self.appear(directory / name, size, lambda draft: images.create(draft, self.format, size))

    def adopt(self, directory: pathlib.Path, name: str, raw: pathlib.Path) -> None:
        self.appear(directory / name, raw.stat().st_size,
                    lambda draft: images.convert(raw, "raw", draft, self.format))
        raw.unlink()

    def remove(self, directory: pathlib.Path, name: str) -> None:
        return

    def appear(self, path: pathlib.Path, size: int, write: Callable[[pathlib.Path], None]) -> None:
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        write(draft)
        if self._preallocate:
            processes.run(["fallocate", "--keep-size", "--length", str(size), draft])
        draft.rename(path)
        files.sync_directory(path.parent)


def check_fits(base: Base, size: int) -> None:
    if size < base.virtual_size:
        raise errors.HostFailure(
            f"The image needs a disk of {base.virtual_size} bytes, the server's is {size}.", retry=False)
