# SPDX-License-Identifier: Apache-2.0
"""Real guests of two libvirt hosts that share nothing: moved while they are off, resized, taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients import eventually
from tests.integration.twohosts import TwoHosts, Users, two_hosts
from tests.services import session

pytestmark = pytest.mark.root
#: Where no file of the guest lies: what is written there stays.
PLACE, MARK = "700M", "0x5a"


@pytest.fixture(scope="module")
def cloud(rabbitmq: Any) -> Iterator[TwoHosts]:
    with two_hosts(rabbitmq, session.shared("postgresql")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def admin(cloud: TwoHosts, guest_image: Path) -> Users:
    users = Users(cloud)
    users.add_image(guest_image)
    return users


def addresses(console: str) -> set[str]:
    return set(re.findall(r"guest: dhcp eth0 ([0-9.]+)/", console))


def test_a_guest_moves_with_its_disk_and_address(cloud: TwoHosts, admin: Users) -> None:
    server = admin.boot("web")
    had = addresses(admin.console(server))
    admin.cli.text("server", "stop", server)
    admin.wait(server, "SHUTOFF")
    cloud.qemu_io("compute1", server, "write", "-P", MARK, PLACE, "64k")

    admin.cli.text("server", "migrate", server)
    moved = admin.wait(server, "VERIFY_RESIZE")
    assert moved["OS-EXT-SRV-ATTR:host"] == "compute2" and cloud.where() == {"compute1": [], "compute2": [server]}
    assert f"{server}_resize" in cloud.files("compute1")
    assert "Pattern verification failed" not in cloud.qemu_io("compute2", server, "read", "-P", MARK, PLACE, "64k")
    admin.cli.text("server", "migrate", "confirm", server)
    admin.wait(server, "SHUTOFF")
    eventually(lambda: cloud.files("compute1") == [], "the first host has nothing left of it")

    admin.cli.text("server", "start", server)
    admin.wait(server, "ACTIVE")
    admin.wait_boots(server, 1)
    assert addresses(admin.console(server)) == had

    admin.cli.text("server", "resize", "--flavor", "m1.tiny", server)
    resized = admin.wait(server, "VERIFY_RESIZE")
    assert resized["OS-EXT-SRV-ATTR:host"] == "compute1" and cloud.where() == {"compute1": [server], "compute2": []}
    assert cloud.sites["compute1"].domain_xml(server).findtext("memory") == str(512 * 1024)
    admin.wait_boots(server, 1)
    assert addresses(admin.console(server)) == had

    admin.cli.text("server", "resize", "revert", server)
    back = admin.wait(server, "ACTIVE")
    assert back["OS-EXT-SRV-ATTR:host"] == "compute2" and cloud.where() == {"compute1": [], "compute2": [server]}
    admin.wait_boots(server, 2)
    assert addresses(admin.console(server)) == had
    assert cloud.files("compute1") == [] and cloud.files("compute2") == [server]

    admin.cli.text("server", "resize", "--flavor", "m1.tiny", server)
    admin.wait(server, "VERIFY_RESIZE")
    admin.delete(server)
    eventually(lambda: cloud.files("compute1") == cloud.files("compute2") == [], "nothing is left on either host")
    assert cloud.where() == {"compute1": [], "compute2": []}
    assert all(not site.taps() for site in cloud.sites.values())
