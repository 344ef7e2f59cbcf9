# SPDX-License-Identifier: Apache-2.0
"""Disks as logical volumes: which commands are run, against what lvs and vgs print. There is no device-mapper here."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

from nova import errors
from nova.host import processes
from nova.host.imagecache import Base
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt.imagebackend import Lvm

DIRECTORY = pathlib.Path("/srv/instances/u1")
BASE = Base(pathlib.Path("/srv/instances/_base/abc"), "qcow2", 1 << 20)


class Commands:
    """Stands for the programs: notes what is run and prints what LVM 2.03 prints."""

    def __init__(self, volumes: Sequence[str] = ()) -> None:
        self.volumes = set(volumes)
        self.ran: list[list[str]] = []

    def run(self, argv: Sequence[Any], **options: Any) -> processes.Completed:
        words = [os.fspath(a) for a in argv]
        printed = ""
        if words[0] == "lvs":
            printed = "".join(f"  {name} \n" for name in sorted(self.volumes))
        elif words[0] == "vgs":
            printed = "  53682896896 21470642176\n"
        else:
            self.ran.append(words)
        if words[0] == "lvcreate":
            self.volumes.add(words[words.index("--name") + 1])
        elif words[0] == "lvrename":
            self.volumes = self.volumes - {words[2]} | {words[3]}
        elif words[0] == "lvremove":
            self.volumes.discard(words[-1].partition("/")[2])
        return processes.Completed(tuple(words), 0, printed, "")


def commands(monkeypatch: pytest.MonkeyPatch, *volumes: str) -> Commands:
    made = Commands(volumes)
    monkeypatch.setattr(processes, "run", made.run)
    return made


def test_a_disk_from_a_base(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = commands(monkeypatch, "other")
    backend = Lvm("vg")
    assert not backend.exists(DIRECTORY, "disk")
    backend.from_base(DIRECTORY, "disk", BASE, 1 << 30)
    assert programs.ran == [
        ["lvcreate", "--yes", "--wipesignatures", "y", "--size", "1073741824b", "--name", "u1_disk.new", "vg"],
        ["qemu-img", "convert", "-q", "-n", "-f", "qcow2", "-O", "raw", "/srv/instances/_base/abc",
         "/dev/vg/u1_disk.new"],
        ["lvrename", "vg", "u1_disk.new", "u1_disk"]]
    assert backend.exists(DIRECTORY, "disk")
    assert backend.path(DIRECTORY, "disk") == pathlib.Path("/dev/vg/u1_disk")


def test_half_a_disk_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = commands(monkeypatch, "u1_disk.swap.new")
    Lvm("vg").empty(DIRECTORY, "disk.swap", 1 << 20)
    assert [words[0] for words in programs.ran] == ["blkdiscard", "lvremove", "lvcreate", "lvrename"]
    assert programs.volumes == {"u1_disk.swap"}


def test_a_formatted_file_becomes_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    programs = commands(monkeypatch)
    raw = tmp_path / "disk.swap.raw"
    raw.write_bytes(b"\0" * 4096)
    Lvm("vg").adopt(DIRECTORY, "disk.swap", raw)
    assert not raw.exists() and programs.volumes == {"u1_disk.swap"}
    assert programs.ran[1][-2:] == [str(raw), "/dev/vg/u1_disk.swap.new"]


def test_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = commands(monkeypatch, "u1_disk", "u1_disk.new", "u2_disk")
    Lvm("vg", clear=False).remove(DIRECTORY, "disk")
    assert programs.volumes == {"u2_disk"}
    assert programs.ran == [["lvremove", "--force", "vg/u1_disk"], ["lvremove", "--force", "vg/u1_disk.new"]]
    Lvm("vg").remove(DIRECTORY, "disk")


def test_the_size_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch)
    assert Lvm("vg").size_and_free() == (53682896896, 21470642176)


def test_an_image_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch)
    with pytest.raises(errors.HostFailure, match="needs a disk of 1048576 bytes, the server's is 1024"):
        Lvm("vg").from_base(DIRECTORY, "disk", BASE, 1024)


def test_who_made_a_disk_is_told_beside_it(tmp_path: pathlib.Path) -> None:
    assert imagebackend.kept(tmp_path) == {}
    imagebackend.keep(tmp_path, {"disk": "lvm:vg", "disk.swap": "raw"})
    assert imagebackend.kept(tmp_path) == {"disk": "lvm:vg", "disk.swap": "raw"}
    assert imagebackend.by_name("lvm:vg").path(DIRECTORY, "disk") == pathlib.Path("/dev/vg/u1_disk")
    assert imagebackend.by_name("raw").format == "raw"
