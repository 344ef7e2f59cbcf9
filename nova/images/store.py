# SPDX-License-Identifier: Apache-2.0
"""Bytes of images in files: written whole or not at all, with checksums on the way. No record, no format."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from nova import concurrency, errors

CHUNK = 1 << 20
_ZEROS = bytes(CHUNK)
_SPACE_CHECK = 64 << 20
_INCOMING = "incoming"


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """What a finished write left: where, how long, and its checksums in hexadecimal."""

    path: pathlib.Path
    size: int
    md5: str
    sha512: str


class FileStore:
    """Files under ``root``: ``incoming/<upload>`` while written, ``<first two digits>/<name>`` when kept."""

    def __init__(self, root: str | os.PathLike[str], *, cap: int = 1 << 40, reserve: int = 0) -> None:
        self.root = pathlib.Path(root)
        self._cap = cap
        self._reserve = reserve
        try:
            (self.root / _INCOMING).mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as e:
            raise errors.ConfigError(f"[image]filesystem_store_datadir: {self.root} cannot be made ({e.strerror}); "
                                     "name a directory that this service may write to") from e

    def receive(self, upload_id: str, chunks: Iterable[bytes], *, size: int | None = None,
                progress: Callable[[int], None] | None = None) -> Stored:
        """Write a stream to ``incoming``; ``size`` is what the sender announced. A failure leaves nothing."""
        if size is not None:
            self._check_size(size)
            self._check_space(size)
        path = self.root / _INCOMING / upload_id
        try:
            with open(path, "xb") as file:
                writer = _Writer(file)
                for chunk in chunks:
                    for piece in _pieces(chunk):
                        self._check_size(writer.size + len(piece))
                        if writer.size // _SPACE_CHECK != (writer.size + len(piece)) // _SPACE_CHECK:
                            self._check_space(0)
                        concurrency.offload(writer.write, piece)
                    if progress:
                        progress(writer.size)
                if size is not None and writer.size != size:
                    raise errors.Invalid(f"The upload ended after {writer.size} of {size} bytes.")
                concurrency.offload(writer.finish)
        except OSError as e:
            path.unlink(missing_ok=True)
            raise _storage_error(e) from e
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Stored(path, writer.size, writer.md5.hexdigest(), writer.sha512.hexdigest())

    def keep(self, stored: Stored, name: str) -> str:
        """Move a received file to its place; returns the path to record, relative to the store."""
        relative = f"{name[:2]}/{name}"
        target = self.root / relative
        try:
            target.parent.mkdir(exist_ok=True, mode=0o750)
            os.rename(stored.path, target)
            for directory in (target.parent, self.root):
                _sync_directory(directory)
        except OSError as e:
            raise _storage_error(e) from e
        return relative

    def discard(self, stored: Stored) -> None:
        stored.path.unlink(missing_ok=True)

    def open(self, relative: str) -> BinaryIO:
        """A file for reading, positioned at its start."""
        try:
            return open(self._inside(relative), "rb", buffering=0)
        except FileNotFoundError:
            raise errors.NotFound("The image's data is missing from the image store.") from None
        except OSError as e:
            raise _storage_error(e) from e

    def path(self, relative: str) -> pathlib.Path:
        return self._inside(relative)

    def remove(self, relative: str) -> None:
        """Delete a kept file; one that is gone already is no error."""
        try:
            self._inside(relative).unlink(missing_ok=True)
        except OSError as e:
            raise _storage_error(e) from e

    def strays(self, older_than: float) -> Iterator[str]:
        """Relative paths of files not written to for ``older_than`` seconds, of images or not."""
        limit = self._file_clock() - older_than
        for directory in sorted(p for p in self.root.iterdir() if p.is_dir()):
            for path in sorted(directory.iterdir()):
                with contextlib.suppress(FileNotFoundError):
                    if path.is_file() and path.stat().st_mtime < limit:
                        yield f"{directory.name}/{path.name}"

    def _file_clock(self) -> float:
        """Now, as the file system tells time; on a shared one that is another machine's clock."""
        probe = self.root / ".clock"
        probe.touch(0o640)
        return probe.stat().st_mtime

    def _inside(self, relative: str) -> pathlib.Path:
        path = self.root / relative
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise errors.Invalid("The location of an image leads out of the image store.")
        return path

    def _check_size(self, size: int) -> None:
        if size > self._cap:
            raise errors.TooLarge(f"Image exceeds the storage limit of {self._cap} bytes.")

    def _check_space(self, size: int) -> None:
        status = os.statvfs(self.root)
        if status.f_bavail * status.f_frsize - size < self._reserve:
            raise errors.TooLarge("There is not enough disk space on the image storage media.")


class _Writer:
    """Writes, counts and hashes; a whole chunk of zeros becomes a hole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha512 = hashlib.sha512()

    def write(self, piece: bytes) -> None:
        self.md5.update(piece)
        self.sha512.update(piece)
        self.size += len(piece)
        if len(piece) == CHUNK and piece == _ZEROS:
            self._file.seek(CHUNK, os.SEEK_CUR)
        else:
            self._file.write(piece)

    def finish(self) -> None:
        self._file.truncate(self.size)
        self._file.flush()
        os.fsync(self._file.fileno())


def _pieces(chunk: bytes) -> Iterator[bytes]:
    if len(chunk) <= CHUNK:
        yield chunk
        return
    for start in range(0, len(chunk), CHUNK):
        yield chunk[start:start + CHUNK]


def _sync_directory(directory: pathlib.Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        concurrency.offload(os.fsync, descriptor)
    finally:
        os.close(descriptor)


def _storage_error(error: OSError) -> errors.NovaError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return errors.TooLarge("There is not enough disk space on the image storage media.")
    return errors.Unavailable("The image store cannot be used now.", retry_after=30, cause=str(error))
