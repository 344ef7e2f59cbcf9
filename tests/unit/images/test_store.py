# SPDX-License-Identifier: Apache-2.0
"""The file store: whole or nothing, checksums, limits, strays."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from nova import errors
from nova.images.store import CHUNK, FileStore


def names(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name != ".clock")


@pytest.mark.parametrize("data", [b"", b"x", b"ab" * CHUNK, b"\0" * (3 * CHUNK + 7), b"\0" * CHUNK + b"end"])
def test_what_is_received_can_be_read(tmp_path: Path, data: bytes) -> None:
    store = FileStore(tmp_path)
    stored = store.receive("one", [data], size=len(data))
    assert (stored.size, stored.md5, stored.sha512) == (
        len(data), hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha512(data).hexdigest())
    path = store.keep(stored, "abcd.one")
    assert path == "ab/abcd.one" and names(tmp_path) == [path]
    with store.open(path) as file:
        assert file.read() == data
    store.remove(path)
    store.remove(path)
    assert names(tmp_path) == []


def test_zeros_take_no_space(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stored = store.receive("one", [bytes(64 * CHUNK)])
    assert stored.size == 64 * CHUNK and stored.path.stat().st_blocks * 512 < CHUNK


def broken() -> Iterator[bytes]:
    yield b"x" * 10
    raise errors.Invalid("the sender went away")


@pytest.mark.parametrize(("chunks", "size", "error"), [
    (broken(), None, errors.Invalid), ([b"x" * 9], 10, errors.Invalid), ([b"x" * 11], 10, errors.Invalid),
    ([b"x" * 101], None, errors.TooLarge), ([], 101, errors.TooLarge), ([b"x" * 60] * 2, None, errors.TooLarge),
])
def test_a_failure_leaves_nothing(tmp_path: Path, chunks: Iterator[bytes], size: int | None,
                                  error: type[Exception]) -> None:
    store = FileStore(tmp_path, cap=100)
    with pytest.raises(error):
        store.receive("one", chunks, size=size)
    assert names(tmp_path) == []


def test_space_is_kept_free(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    store = FileStore(tmp_path, reserve=status.f_blocks * status.f_frsize)
    with pytest.raises(errors.TooLarge, match="not enough disk space"):
        store.receive("one", [b"x"], size=1)


def test_a_full_file_system_is_told_as_such(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, hard))
    try:
        with pytest.raises(errors.TooLarge, match="not enough disk space"):
            store.receive("one", [b"x" * CHUNK] * 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []


def test_nothing_outside_the_store_is_touched(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    (tmp_path / "secret").write_text("x")
    with pytest.raises(errors.Invalid):
        store.open("../secret")
    with pytest.raises(errors.Invalid):
        store.remove("../secret")
    assert (tmp_path / "secret").exists()


def test_strays_are_old_files(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    old = store.receive("old", [b"x"])
    kept = store.keep(store.receive("new", [b"x"]), "abcd.new")
    os.utime(old.path, (1_000_000, 1_000_000))
    assert list(store.strays(3600)) == ["incoming/old"]
    assert sorted(store.strays(-60)) == [kept, "incoming/old"]


def test_missing_bytes_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        FileStore(tmp_path).open("ab/gone")


def test_a_directory_that_cannot_be_made_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.ConfigError, match="filesystem_store_datadir"):
        FileStore(tmp_path / "file" / "below")
