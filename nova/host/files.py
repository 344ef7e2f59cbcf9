# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all, trees that are removed for sure, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator

from nova import concurrency, errors

LOG = logging.getLogger(__name__)
Path = str | os.PathLike[str]
_REMOVING = ".removing-"
#: Seconds between the attempts to remove what nobody waits for.
_REMOVE_AGAIN = (1.0, 10.0, 60.0)


def write_atomic(path: Path, content: bytes | str, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace the file: a reader sees the old content or the new, also after a crash if ``durable``."""
    data = content.encode() if isinstance(content, str) else content
    target = pathlib.Path(path)
    with _replacing(target, mode) as descriptor:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view):]
        if durable:
            os.fsync(descriptor)
    if durable:
        sync_directory(target.parent)


@contextlib.contextmanager
def _replacing(target: pathlib.Path, mode: int) -> Iterator[int]:
    temporary = target.with_name(f".{target.name}.{concurrency.uuid4()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Make renames in this directory last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory with all in it. Not there is fine; anything left over raises :class:`errors.HostFailure`.

    It is moved aside first, so that nobody ever sees half of it under its name.
    """
    aside = _set_aside(pathlib.Path(path))
    if aside is not None:
        _remove(aside)


def remove_tree_soon(path: Path, after: float = 2.0) -> None:
    """As :func:`remove_tree`, but when it returns the directory is no more than moved aside; it is removed so many
    seconds later: large files that go may hold up whoever writes to that file system, as the end of what they were for
    may do. A process that dies meanwhile leaves the rest to :func:`finish_removals`."""
    aside = _set_aside(pathlib.Path(path))
    if aside is not None:
        concurrency.spawn(_remove_patiently, aside, after, name=f"remove-{aside.name}")


def _set_aside(target: pathlib.Path) -> pathlib.Path | None:
    """Where the directory is now; None: it was not there, or it was a file and is gone."""
    if target.is_symlink() or not target.is_dir():
        target.unlink(missing_ok=True)
        return None
    aside = target.with_name(f".{target.name}{_REMOVING}{concurrency.uuid4()}")
    try:
        target.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise errors.HostFailure(f"{target} cannot be removed: {e.strerror}.") from e
    return aside


def _remove_patiently(aside: pathlib.Path, after: float) -> None:
    concurrency.sleep(after)
    for pause in _REMOVE_AGAIN:
        try:
            return _remove(aside)
        except errors.HostFailure as e:
            LOG.warning("%s It is tried again in %g s.", e.message, pause)
            concurrency.sleep(pause)
    try:
        _remove(aside)
    except errors.HostFailure as e:
        LOG.error("%s It is tried again when the service starts.", e.message)


def finish_removals(directory: Path) -> None:
    """Remove what a process that died in :func:`remove_tree` had moved aside in this directory."""
    for aside in pathlib.Path(directory).glob(f".*{_REMOVING}*"):
        _remove(aside)


def _remove(aside: pathlib.Path) -> None:
    try:
        concurrency.offload(shutil.rmtree, aside)
    except FileNotFoundError:
        return
    except OSError as e:
        raise errors.HostFailure(f"{aside} cannot be removed: {e.strerror}.") from e


@contextlib.contextmanager
def locked(path: Path, *, timeout: float = 60) -> Iterator[None]:
    """Hold a lock file against every other process and task; released by the kernel if the process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _flock(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _flock(descriptor: int, path: Path, timeout: float) -> None:
    end = concurrency.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        if concurrency.monotonic() >= end:
            raise errors.HostFailure(f"{path} was held by another process for {timeout:g} s.")
        concurrency.sleep(0.05)
