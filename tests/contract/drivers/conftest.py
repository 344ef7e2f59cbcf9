# SPDX-License-Identifier: Apache-2.0
"""A host for each driver. libvirt has a daemon of its own for the whole suite, in a network namespace of its own."""

from __future__ import annotations

import pathlib
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.contract.drivers.harness import Harness, serve_image
from tests.contract.drivers.pairs import pair, two_daemons
from tests.services import tinyguest
from tests.services.files import FileServer
from tests.services.libvirtd import Libvirtd

BRIDGE = "brtest"
__all__ = ["pair", "two_daemons"]


@pytest.fixture(scope="session")
def netns() -> Iterator[str]:
    name = f"nova-drv-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=120)
    try:
        for words in (["link", "set", "lo", "up"], ["link", "add", BRIDGE, "type", "bridge"],
                      ["link", "set", BRIDGE, "up"]):
            subprocess.run(["ip", "-n", name, *words], check=True, timeout=120)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, timeout=120)


@pytest.fixture(scope="session")
def libvirtd(netns: str) -> Iterator[Libvirtd]:
    with Libvirtd(netns) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def file_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    with FileServer(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def fake_host(tmp_path: pathlib.Path) -> Iterator[Harness]:
    host = Harness("fake", tmp_path, {}, boot_mark="SeaBIOS (fake)")
    yield host
    host.close()


@pytest.fixture
def libvirt_host(tmp_path: pathlib.Path, libvirtd: Libvirtd, file_server: FileServer) -> Iterator[Harness]:
    overrides = {"libvirt": {"connection_uri": libvirtd.uri, "virt_type": "qemu"}}
    host = Harness("libvirt", tmp_path, overrides, boot_mark=tinyguest.GREETING,
                   image=serve_image(file_server, "tiny.qcow2"), bridge=BRIDGE)
    yield host
    host.close()


@pytest.fixture(params=["fake", "libvirt"])
def host(request: pytest.FixtureRequest) -> Harness:
    made: Harness = request.getfixturevalue(f"{request.param}_host")
    return made
