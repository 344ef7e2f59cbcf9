# SPDX-License-Identifier: Apache-2.0
"""The image cache and its downloads, against an HTTP server that misbehaves on demand."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from nova import concurrency, errors
from nova.host import download
from nova.host.imagecache import ImageCache
from nova.virt.types import ImageSource
from tests.services.files import FileServer

QUICK = functools.partial(download.fetch, pause=0.001)


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[FileServer]:
    (tmp_path / "served").mkdir()
    with FileServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def image(server: FileServer) -> ImageSource:
    raw, path = server.directory / "raw", server.directory / "image.qcow2"
    raw.write_bytes(os.urandom(1 << 20) + b"\0" * (3 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True, timeout=60)
    data = path.read_bytes()
    return ImageSource(id="image-1", url=server.url("image.qcow2?sig=secret"), size=len(data),
                       hash_value=hashlib.sha512(data).hexdigest())


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> ImageCache:
    return ImageCache(tmp_path / "_base", QUICK)


def names(cache: ImageCache) -> list[str]:
    return sorted(p.name for p in cache.directory.iterdir() if p.suffix != ".lock")


def test_a_base_is_fetched_once(cache: ImageCache, image: ImageSource, server: FileServer) -> None:
    base = cache.get(image)
    assert (base.format, base.virtual_size) == ("qcow2", 4 << 20)
    assert base.path.name == hashlib.sha1(b"image-1").hexdigest()
    assert cache.get(image) == base
    assert len(server.requests) == 1
    assert names(cache) == [base.path.name]


def test_many_ask_at_a_time_and_one_fetches(cache: ImageCache, image: ImageSource, server: FileServer) -> None:
    tasks = [concurrency.spawn(cache.get, image) for _ in range(4)]
    assert all(t.join(120) for t in tasks)
    assert len(server.requests) == 1


def test_a_broken_download_goes_on_where_it_broke(cache: ImageCache, image: ImageSource, server: FileServer) -> None:
    server.break_after = [100_000, 200_000]
    cache.get(image)
    assert [r for _, r in server.requests] == [None, "bytes=100000-", "bytes=300000-"]


def test_a_server_without_ranges_sends_all_again(cache: ImageCache, image: ImageSource, server: FileServer) -> None:
    server.ranges = False
    server.break_after = [100_000]
    cache.get(image)
    assert len(server.requests) == 2


def test_a_process_that_died_left_a_part_which_is_used(cache: ImageCache, image: ImageSource,
                                                       server: FileServer) -> None:
    data = (server.directory / "image.qcow2").read_bytes()
    cache.directory.mkdir()
    part = cache.directory / (cache.key(image.id) + ".part")
    part.write_bytes(data[:1000])
    cache.get(image)
    part.write_bytes(data)  # complete, but not yet renamed
    (cache.directory / cache.key(image.id)).unlink()
    cache.get(image)
    assert [r for _, r in server.requests] == ["bytes=1000-", f"bytes={len(data)}-"]


def test_errors_of_the_server(cache: ImageCache, image: ImageSource, server: FileServer) -> None:
    server.statuses = [503, 500]
    cache.get(image)
    gone = dataclasses.replace(image, id="2", url=server.url("nothing"))
    with pytest.raises(errors.HostFailure, match="cannot be fetched: 404") as caught:
        cache.get(gone)
    assert caught.value.details["retry"] is False
    server.statuses = [403]
    with pytest.raises(errors.HostFailure, match="cannot be fetched: 403"):
        cache.get(dataclasses.replace(image, id="3"))
    server.statuses = [503] * download.ATTEMPTS
    with pytest.raises(errors.HostFailure, match="cannot be fetched: 503") as caught:
        cache.get(dataclasses.replace(image, id="4"))
    assert caught.value.details["retry"] is True
    assert "secret" not in str(caught.value)


def test_only_http(cache: ImageCache, image: ImageSource) -> None:
    with pytest.raises(errors.HostFailure, match="over HTTP only"):
        cache.get(dataclasses.replace(image, url="file:///etc/passwd"))


@pytest.mark.parametrize(("change", "reason"), [
    ({"hash_value": "00" * 64}, "sha512 checksum"),
    ({"hash_algo": "crc7"}, "checksum of unknown kind 'crc7'"),
    ({"size": 5}, "should have 5 bytes"),
    ({"disk_format": "raw"}, "said to be raw, but its content is qcow2"),
])
def test_an_image_that_is_not_what_it_should_be(cache: ImageCache, image: ImageSource, change: dict[str, Any],
                                                reason: str) -> None:
    with pytest.raises(errors.Invalid, match=reason):
        cache.get(dataclasses.replace(image, **change))
    assert names(cache) == []
    cache.get(image)


def test_a_disk_that_is_too_large_is_refused_before_and_after_it_is_cached(cache: ImageCache,
                                                                         image: ImageSource) -> None:
    with pytest.raises(errors.Invalid, match="no more than 1000 fit"):
        cache.get(image, 1000)
    assert names(cache) == []
    cache.get(image)
    with pytest.raises(errors.Invalid, match="no more than 1000 fit"):
        cache.get(image, 1000)


def test_conversion_to_raw(tmp_path: pathlib.Path, image: ImageSource, server: FileServer) -> None:
    cache = ImageCache(tmp_path / "_base", QUICK, base_format="raw")
    base = cache.get(image)
    assert base.format == "raw"
    assert base.path.read_bytes() == (server.directory / "raw").read_bytes()
    assert names(cache) == [base.path.name]


def test_prune_spares_what_is_used_or_young(cache: ImageCache, image: ImageSource) -> None:
    used, old, young = (cache.get(dataclasses.replace(image, id=i)).path for i in ("used", "old", "young"))
    given_up = old.with_suffix(".part")
    given_up.touch()
    for path in (used, old, given_up):
        os.utime(path, (1, 1))
    assert cache.prune(3600, [used]) == [old.name]
    assert sorted([used.name, young.name]) == names(cache)
    assert ImageCache(cache.directory / "nothing", QUICK).prune(0) == []
