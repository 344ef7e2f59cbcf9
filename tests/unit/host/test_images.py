# SPDX-License-Identifier: Apache-2.0
"""Disks through qemu-img."""

from __future__ import annotations

import pathlib

import pytest

from nova import errors
from nova.host import images

MIB = 1 << 20


def test_an_overlay_is_larger_than_its_base_and_names_its_format(tmp_path: pathlib.Path) -> None:
    base, disk = tmp_path / "base", tmp_path / "disk"
    images.create(base, "raw", MIB)
    images.create_overlay(disk, base, "raw", 5 * MIB)
    found = images.info(disk, "qcow2")
    assert (found.virtual_size, found.backing_file, found.backing_format) == (5 * MIB, str(base), "raw")


def test_an_overlay_is_never_smaller_than_its_base(tmp_path: pathlib.Path) -> None:
    images.create(tmp_path / "base", "qcow2", 5 * MIB)
    with pytest.raises(errors.HostFailure, match=f"needs a disk of {5 * MIB} bytes, the server's is {MIB}") as caught:
        images.create_overlay(tmp_path / "disk", tmp_path / "base", "qcow2", MIB)
    assert caught.value.details["retry"] is False
    assert not (tmp_path / "disk").exists()


def test_a_disk_grows_and_does_not_shrink(tmp_path: pathlib.Path) -> None:
    disk = tmp_path / "disk"
    images.create(disk, "qcow2", 2 * MIB)
    images.resize(disk, "qcow2", 4 * MIB)
    images.resize(disk, "qcow2", MIB)
    assert images.info(disk, "qcow2").virtual_size == 4 * MIB


def test_a_conversion_keeps_the_content_and_drops_the_base(tmp_path: pathlib.Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(b"x" * MIB)
    images.create_overlay(tmp_path / "disk", base, "raw", MIB)
    images.convert(tmp_path / "disk", "qcow2", tmp_path / "copy", "vhd")
    assert images.info(tmp_path / "copy", "vhd").backing_file is None
    images.convert(tmp_path / "disk", "qcow2", tmp_path / "raw", "raw")
    assert (tmp_path / "raw").read_bytes() == b"x" * MIB


def test_a_wrong_format_is_a_failure_and_not_a_guess(tmp_path: pathlib.Path) -> None:
    images.create(tmp_path / "disk", "raw", MIB)
    with pytest.raises(errors.HostFailure, match="qemu-img: .*Image is not in qcow2 format"):
        images.info(tmp_path / "disk", "qcow2")


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_what_a_header_says_is_what_qemu_img_says(tmp_path: pathlib.Path, image_format: str) -> None:
    base, disk = tmp_path / "base", tmp_path / "disk"
    images.create(base, image_format, 3 * MIB)
    images.create_overlay(disk, base, image_format, 5 * MIB)
    for path, its in ((base, image_format), (disk, "qcow2")):
        told, found = images.info(path, its), images.described(path, its)
        assert (found.format, found.virtual_size, found.disk_size, found.backing_file) == (
            told.format, told.virtual_size, told.disk_size, told.backing_file)


def test_a_raw_disk_is_raw_whatever_a_guest_has_written_to_it(tmp_path: pathlib.Path) -> None:
    images.create(tmp_path / "disk", "qcow2", 5 * MIB)
    size = (tmp_path / "disk").stat().st_size
    assert images.described(tmp_path / "disk", "raw").virtual_size == size
    (tmp_path / "disk").write_bytes(b"x" * MIB)
    with pytest.raises(errors.HostFailure):
        images.described(tmp_path / "disk", "qcow2")
