# SPDX-License-Identifier: Apache-2.0
"""Base images on this host: fetched once, checked, and kept until nobody has used them for a while.

A base is one file under the SHA-1 of its image's id. It appears under that name complete and checked or not at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Protocol

from nova import concurrency, errors
from nova.host import files, images, inspector

LOG = logging.getLogger(__name__)

PART = ".part"
CONVERTED = ".converted"
LOCK = ".lock"
#: A base, or what there is before it becomes one.
_OURS = re.compile(r"[0-9a-f]{40}(\.part|\.converted)?\Z")


class Source(Protocol):
    """What the cache must know of an image."""

    @property
    def id(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    @property
    def disk_format(self) -> str: ...
    @property
    def hash_algo(self) -> str | None: ...
    @property
    def hash_value(self) -> str | None: ...


#: Brings the bytes at a URL into a file, going on where the file ends. :func:`nova.host.download.fetch` is one.
Fetch = Callable[[str, pathlib.Path], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Base:
    """A base image that disks may be laid over."""

    path: pathlib.Path
    format: str
    virtual_size: int


class ImageCache:
    """A directory of base images, shared by the processes of this host."""

    def __init__(self, directory: pathlib.Path, fetch: Fetch, *, base_format: str = "qcow2",
                 lock_timeout: float = 3600) -> None:
        self.directory = directory
        self._fetch, self._format, self._lock_timeout = fetch, base_format, lock_timeout

    @staticmethod
    def key(image_id: str) -> str:
        return hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()

    def get(self, image: Source, max_virtual_size: int | None = None) -> Base:
        """The base of an image; the first who asks fetches it, the others wait.

        :class:`errors.Invalid` when the image is not what it should be or holds a disk larger than allowed,
        :class:`errors.HostFailure` when it cannot be had.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / self.key(image.id)
        with files.locked(path.with_suffix(LOCK), timeout=self._lock_timeout):
            if not path.exists():
                self._bring(image, path, max_virtual_size)
            now = concurrency.time()
            os.utime(path, (now, now))
        found = images.described(path, self._format)
        if max_virtual_size is not None and found.virtual_size > max_virtual_size:
            raise errors.Invalid(
                f"The image holds a disk of {found.virtual_size} bytes; no more than {max_virtual_size} fit here.")
        return Base(path, self._format, found.virtual_size)

    def prune(self, unused_seconds: float, in_use: Iterable[pathlib.Path] = ()) -> list[str]:
        """Remove bases that no disk lies over and nobody asked for in so many seconds, and downloads given up.

        Gives the keys of the bases.
        """
        if not self.directory.is_dir():
            return []
        used = {p.name for p in in_use}
        oldest = concurrency.time() - unused_seconds
        removed = []
        for path in sorted(self.directory.iterdir()):
            if path.name in used or not _OURS.match(path.name):
                continue
            with files.locked(path.with_suffix(LOCK), timeout=self._lock_timeout):
                if path.exists() and path.stat().st_mtime < oldest:
                    path.unlink()
                    removed.append(path.name)
        return [name for name in removed if "." not in name]

    def _bring(self, image: Source, path: pathlib.Path, max_virtual_size: int | None) -> None:
        part = path.with_suffix(PART)
        self._fetch(image.url, part)
        try:
            _check_bytes(part, image)
            inspector.verify(part, image.disk_format, max_virtual_size)
        except errors.Invalid:
            part.unlink(missing_ok=True)
            raise
        ready = part
        if _plain(image.disk_format) != self._format:
            ready = path.with_suffix(CONVERTED)
            ready.unlink(missing_ok=True)
            images.convert(part, image.disk_format, ready, self._format)
        with open(ready, "rb") as f:
            concurrency.offload(os.fsync, f.fileno())
        ready.chmod(0o644)
        ready.rename(path)
        part.unlink(missing_ok=True)
        files.sync_directory(self.directory)
        LOG.info("image %s is cached as %s", image.id, path.name)


def _plain(disk_format: str) -> str:
    return "raw" if disk_format in inspector.RAW_NAMES or disk_format == "iso" else disk_format


def _check_bytes(part: pathlib.Path, image: Source) -> None:
    size = part.stat().st_size
    if image.size is not None and size != image.size:
        raise errors.Invalid(f"Image {image.id} should have {image.size} bytes, {size} came.")
    if image.hash_value is None:
        return
    try:
        digest = hashlib.new(image.hash_algo or "sha512", usedforsecurity=False)
    except ValueError:
        raise errors.Invalid(f"Image {image.id} has a checksum of unknown kind {image.hash_algo!r}.") from None
    found = concurrency.offload(_digest, part, digest)
    if found != image.hash_value.lower():
        raise errors.Invalid(f"Image {image.id} does not have the bytes its {digest.name} checksum stands for.")


def _digest(path: pathlib.Path, digest: hashlib._Hash) -> str:
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
