# SPDX-License-Identifier: Apache-2.0
"""The clients that people use, as they are, against the served front; a few lines stand for an identity service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.image.conftest import DATA, SHA512, Cloud

_OPENSTACK = Path(sys.executable).with_name("openstack")

_SDK = """
import io, sys, openstack
path = sys.argv[1]
cloud = openstack.connect(load_yaml_config=False)
image = cloud.image.create_image("by-sdk", filename=path, disk_format="raw", container_format="bare", color="blue")
assert cloud.image.get_image(image.id).status == "active"
imported = cloud.image.create_image("imported", filename=path, disk_format="raw", container_format="bare",
                                    use_import=True)
assert cloud.image.wait_for_status(imported, "active", [], 1, 30).size == 2 << 20
assert cloud.image.find_image("by-sdk").properties["color"] == "blue"
assert len(list(cloud.image.images(limit=1))) == 2
assert [i.name for i in cloud.image.images(name="by-sdk")] == ["by-sdk"]
cloud.image.update_image(image, color="red", min_disk=1)
assert cloud.image.get_image(image.id).properties["color"] == "red"
assert cloud.image.add_member(image, member_id="p-bob").status == "pending"
assert [m.member_id for m in cloud.image.members(image)] == ["p-bob"]
cloud.image.add_tag(image, "t")
assert cloud.image.get_image(image.id).tags == ["t"]
copy = io.BytesIO()
cloud.image.download_image(image, stream=True, output=copy)
assert copy.getvalue() == open(path, "rb").read()
assert cloud.image.get_import_info().import_methods["value"] == ["glance-direct"]
assert [s.id for s in cloud.image.stores()] == ["file"]
assert cloud.image.get_image_schema().properties["disk_format"]
try:
    cloud.image.create_image("bad", filename=path, disk_format="qcow2", container_format="bare")
except openstack.exceptions.BadRequestException as e:
    assert "its content is raw" in str(e), e
else:
    raise AssertionError("a raw image passed for a qcow2")
assert cloud.image.find_image("bad") is None
cloud.image.delete_image(image)
assert cloud.image.find_image(image.id) is None
print("done")
"""


@pytest.fixture
def environment(cloud: Cloud, tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONWARNINGS": "ignore",
            "OS_AUTH_URL": cloud.url.replace("/image", "/identity/v3"), "OS_USERNAME": "alice", "OS_PASSWORD": "x",
            "OS_PROJECT_NAME": "alice", "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
            "OS_IDENTITY_API_VERSION": "3"}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)
    return path


def test_openstacksdk(cloud: Cloud, environment: dict[str, str], disk: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _SDK, str(disk)], env=environment, capture_output=True,
                          text=True, timeout=120)
    assert done.stdout == "done\n", done.stderr


def test_openstackclient(cloud: Cloud, environment: dict[str, str], disk: Path, tmp_path: Path) -> None:
    def openstack(*words: str, fails: str = "") -> Any:
        done = subprocess.run(
            [str(_OPENSTACK), "image", *words], env=environment, capture_output=True, text=True, timeout=120)
        assert (done.returncode != 0) == bool(fails) and fails in done.stderr, done.stderr
        return json.loads(done.stdout) if "-f" in words else done.stdout

    formats = ("--disk-format", "raw", "--container-format", "bare")
    made = openstack("create", "by-cli", "--file", str(disk), *formats, "--property", "os_distro=debian",
                     "--tag", "small", "-f", "json")
    assert made["status"] == "active" and made["properties"]["os_hash_value"] == SHA512
    listed = openstack("list", "--long", "-f", "json")
    assert [(i["Name"], i["Status"], i["Size"]) for i in listed] == [("by-cli", "active", len(DATA))]
    openstack("set", "by-cli", "--name", "renamed", "--min-ram", "64", "--property", "os_version=12", "--private")
    openstack("unset", "renamed", "--property", "os_distro", "--tag", "small")
    shown = openstack("show", "renamed", "-f", "json")
    assert (shown["min_ram"], shown["visibility"], shown["tags"]) == (64, "private", [])
    assert shown["properties"]["os_version"] == "12" and "os_distro" not in shown["properties"]
    openstack("save", "renamed", "--file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == DATA
    openstack("create", "staged", "--file", str(disk), *formats, "--import")
    openstack("create", "bad", "--file", str(disk), "--disk-format", "vmdk", "--container-format", "bare",
              fails="its content is raw")
    openstack("set", "renamed", "--public", fails="not authorized to make an image public")
    openstack("delete", "renamed", "staged")
    assert openstack("list", "-f", "json") == [] and cloud.files() == []
