# SPDX-License-Identifier: Apache-2.0
"""The image inspector on images made by qemu-img, and on such as nobody should accept."""

from __future__ import annotations

import pathlib
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova import errors
from nova.host import inspector
from nova.host.inspector import Inspection, Inspector

MIB = 1 << 20


def qemu_img(*argv: str | pathlib.Path) -> None:
    subprocess.run(["qemu-img", *map(str, argv)], check=True, capture_output=True, timeout=60)


def stream(path: pathlib.Path, step: int) -> Inspection:
    fed = Inspector()
    data = path.read_bytes()
    for begin in range(0, len(data), step):
        fed.feed(data[begin:begin + step])
    return fed.finish()


def both_ways(path: pathlib.Path) -> Inspection:
    """What a look at the file says, which any way of streaming it must say too."""
    found = inspector.inspect_file(path)
    for step in (1 << 20, 65536, 10007):
        assert stream(path, step) == found
    return found


@pytest.mark.parametrize(("qemu_name", "options", "ours"), [
    ("raw", "", "raw"),
    ("qcow2", "compat=v3", "qcow2"),
    ("qcow2", "compat=0.10", "qcow2"),
    ("qcow2", "extended_l2=on,cluster_size=128k", "qcow2"),
    ("vmdk", "subformat=monolithicSparse", "vmdk"),
    ("vmdk", "subformat=streamOptimized", "vmdk"),
    ("vdi", "", "vdi"),
    ("vdi", "static=on", "vdi"),
    ("vpc", "subformat=dynamic,force_size=on", "vhd"),
    ("vpc", "subformat=fixed,force_size=on", "vhd"),
    ("vhdx", "", "vhdx"),
    ("vhdx", "subformat=fixed", "vhdx"),
])
def test_the_formats_that_qemu_makes(tmp_path: pathlib.Path, qemu_name: str, options: str, ours: str) -> None:
    raw, image = tmp_path / "raw", tmp_path / "image"
    raw.write_bytes(b"\1" * MIB + b"\0" * (3 * MIB))
    qemu_img("convert", "-f", "raw", "-O", qemu_name, *(["-o", options] if options else []), raw, image)
    found = both_ways(image)
    assert (found.format, found.virtual_size, found.unsafe) == (ours, 4 * MIB, [])
    assert inspector.verify(image, ours, 4 * MIB) == found


def test_a_qcow2_with_a_backing_file(tmp_path: pathlib.Path) -> None:
    qemu_img("create", "-f", "raw", tmp_path / "base", "1M")
    qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "base", tmp_path / "image")
    with pytest.raises(errors.Invalid, match="it has a backing file"):
        inspector.verify(tmp_path / "image", "qcow2")


def test_a_qcow2_with_a_data_file(tmp_path: pathlib.Path) -> None:
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data,data_file_raw=on", tmp_path / "image", "1M")
    assert both_ways(tmp_path / "image").unsafe == ["it keeps its data in an external file",
                                                    "it names an external data file"]


def test_a_data_file_is_found_without_its_feature_bit(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", image, "1M")
    patch(image, 72, struct.pack(">Q", 0))
    assert both_ways(image).unsafe == ["it names an external data file"]


@pytest.mark.parametrize(("bits", "reason"), [
    (1 << 1, "it is marked corrupt"),
    (1 << 5, "it needs unknown features (0x20)"),
    (1 << 63, "it needs unknown features (0x8000000000000000)"),
])
def test_qcow2_feature_bits(tmp_path: pathlib.Path, bits: int, reason: str) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", image, "1M")
    patch(image, 72, struct.pack(">Q", bits))
    assert both_ways(image).unsafe == [reason]


def test_old_and_future_qcow_versions(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", image, "1M")
    for version in (1, 4):
        patch(image, 4, struct.pack(">I", version))
        assert both_ways(image).unsafe == [f"it is of qcow version {version}, only 2 and 3 are accepted"]


def test_luks_is_noted(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "luks", "--object", "secret,id=s,data=pass", "-o", "key-secret=s,iter-time=10",
             image, "1M")
    found = both_ways(image)
    assert (found.format, found.encrypted, found.notes) == ("raw", True, ("LUKS",))


@pytest.mark.parametrize("kind", ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_vmdks_of_several_files(tmp_path: pathlib.Path, kind: str) -> None:
    qemu_img("create", "-f", "vmdk", "-o", f"subformat={kind}", tmp_path / "image.vmdk", "1M")
    found = both_ways(tmp_path / "image.vmdk")
    assert found.format == "vmdk"
    assert found.unsafe == ["it is a VMDK descriptor, the disk itself is in other files"]


def test_a_descriptor_without_its_usual_first_line(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    image.write_text('\n# hello\nversion=1\ncreateType="monolithicFlat"\nRW 1 FLAT "/etc/shadow" 0\n')
    assert both_ways(image).unsafe == ["it is a VMDK descriptor, the disk itself is in other files"]


@pytest.mark.parametrize(("before", "after", "reason"), [
    ('createType="monolithicSparse"', 'createType="monolithicFlat"', "of type 'monolithicFlat'"),
    ("parentCID=ffffffff", "parentCID=12345678", "with a parent"),
    ('SPARSE "image.vmdk"', 'SPARSE "/etc/passwd"', "extent with a path"),
    ('SPARSE "image.vmdk"', 'FLAT "x" 0', "extent of kind FLAT"),
    ('SPARSE "image.vmdk"', 'SPARSE "a"\nRW 1 SPARSE "b"', "with 2 extents"),
    ('RW 2048 SPARSE "image.vmdk"', "", "with 0 extents"),
])
def test_embedded_descriptors_that_point_elsewhere(tmp_path: pathlib.Path, before: str, after: str,
                                                   reason: str) -> None:
    image = tmp_path / "image.vmdk"
    qemu_img("create", "-f", "vmdk", "-o", "subformat=monolithicSparse", image, "1M")
    text = image.read_bytes()[512:512 * 21]
    assert before.encode() in text
    changed = text.replace(before.encode(), after.encode())
    patch(image, 512, changed.rstrip(b"\0").ljust(512 * 20, b"\0"))
    with pytest.raises(errors.Invalid, match=reason):
        inspector.verify(image, "vmdk")


def test_a_sparse_vmdk_without_capacity_is_a_descriptor_in_disguise(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image.vmdk"
    qemu_img("create", "-f", "vmdk", image, "1M")
    patch(image, 12, struct.pack("<Q", 0))
    assert "it is a VMDK without a capacity of its own, the disk itself is in other files" in both_ways(image).unsafe


def test_a_differencing_vhd_and_vdi(tmp_path: pathlib.Path) -> None:
    vhd, vdi = tmp_path / "vhd", tmp_path / "vdi"
    qemu_img("create", "-f", "vpc", vhd, "4M")
    qemu_img("create", "-f", "vdi", vdi, "4M")
    patch(vhd, 60, struct.pack(">I", 4))
    patch(vdi, 76, struct.pack("<I", 4))
    assert both_ways(vhd).unsafe == ["it is a VHD of kind 4, which needs other files"]
    assert both_ways(vdi).unsafe == ["it is a VDI of kind 4, which needs other files"]


def test_a_vhdx_without_its_tables(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "vhdx", image, "4M")
    patch(image, 192 * 1024, b"\0" * 4)
    assert both_ways(image).unsafe == ["its region table is missing"]


@pytest.mark.parametrize(("place", "signature", "note"), [(510, b"\x55\xaa", "MBR"), (512, b"EFI PART", "GPT")])
def test_a_partitioned_disk_is_raw(tmp_path: pathlib.Path, place: int, signature: bytes, note: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"\0" * MIB)
    patch(image, place, signature)
    found = inspector.verify(image, "raw")
    assert (found.format, found.notes, found.virtual_size) == ("raw", (note,), MIB)


def test_an_iso_and_what_else_it_may_pretend_to_be(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"\0" * MIB)
    patch(image, 0x8001, b"CD001")
    assert inspector.verify(image, "iso").virtual_size == MIB
    patch(image, 0, b"QFI\xfb" + struct.pack(">IQIIQI", 3, 0, 0, 16, MIB, 0))
    assert "it can be read as qcow2 and iso" in both_ways(image).unsafe


@pytest.mark.parametrize(("content", "name"), [
    (b"QED\0", "qed"), (b"WithouFreSpacExt", "ploop"), (b"COWD", "vmdk"), (b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"),
    (b"vhdxfile", "vhdx"), (b"conectix", "vhd"),
])
def test_stumps_and_strangers_are_refused(tmp_path: pathlib.Path, content: bytes, name: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    found = both_ways(image)
    assert found.format == name and found.unsafe
    with pytest.raises(errors.Invalid):
        inspector.verify(image, name)


def test_content_that_is_not_what_it_claims(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", image, "1M")
    for claim in ("raw", "ami", "vmdk", "iso", "luks"):
        with pytest.raises(errors.Invalid, match=f"said to be {claim}, but its content is qcow2"):
            inspector.verify(image, claim)
    (tmp_path / "zeros").write_bytes(b"\0" * 4096)
    with pytest.raises(errors.Invalid, match="said to be qcow2, but its content is raw"):
        inspector.verify(tmp_path / "zeros", "qcow2")


def test_too_large_and_empty(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", image, "1G")
    with pytest.raises(errors.Invalid, match=f"a disk of {1 << 30} bytes; no more than {1 << 29} fit"):
        inspector.verify(image, "qcow2", 1 << 29)
    (tmp_path / "empty").touch()
    with pytest.raises(errors.Invalid, match="empty"):
        inspector.verify(tmp_path / "empty", "raw")


MAGICS = [b"", b"QFI\xfb\0\0\0\3", b"KDMV\1\0\0\0", b"conectix", b"vhdxfile", b"# Disk DescriptorFile\n"]


@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=2048), step=st.integers(1, 999))
def test_no_content_upsets_it(magic: bytes, rest: bytes, step: int) -> None:
    data = magic + rest
    whole, parts = Inspector(), Inspector()
    whole.feed(data)
    for begin in range(0, len(data), step):
        parts.feed(data[begin:begin + step])
    assert whole.finish() == parts.finish()


def patch(path: pathlib.Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as f:
        f.seek(offset)
        f.write(data)
