# SPDX-License-Identifier: Apache-2.0
"""A real guest whose host dies is built anew on the other; the host that comes back removes what it still runs."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients import eventually
from tests.integration.twohosts import TwoHosts, Users, two_hosts
from tests.services import session

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def cloud(rabbitmq: Any) -> Iterator[TwoHosts]:
    with two_hosts(rabbitmq, session.shared("postgresql")) as deployment:
        yield deployment


def addresses(console: str) -> set[str]:
    return set(re.findall(r"guest: dhcp eth0 ([0-9.]+)/", console))


def test_a_killed_host_is_evacuated_and_comes_back_with_nothing(cloud: TwoHosts, guest_image: Path) -> None:
    admin = Users(cloud)
    admin.add_image(guest_image)
    server = admin.boot("web", "compute2")
    had = addresses(admin.console(server))
    cloud.daemon("compute2", "nova-compute").signal(signal.SIGKILL)  # the guest runs on: the worst that it can do
    admin.cli.text("--os-compute-api-version", "2.11", "compute", "service", "set", "--down", "compute2",
                   "nova-compute")
    admin.cli.text("--os-compute-api-version", "2.94", "server", "evacuate", server)
    eventually(lambda: admin.show(server)["OS-EXT-SRV-ATTR:host"] == "compute1", "the record is the other host's")
    admin.wait(server, "ACTIVE")
    eventually(lambda: cloud.where()["compute1"] == [server], "the guest is on the other host")
    admin.wait_boots(server, 1)
    assert addresses(admin.console(server)) == had
    assert cloud.where()["compute2"] == [server]  # nobody could tell it

    admin.cli.text("--os-compute-api-version", "2.11", "compute", "service", "set", "--up", "compute2",
                   "nova-compute")
    cloud.start_on("compute2", "nova-compute")
    eventually(lambda: cloud.where() == {"compute2": [], "compute1": [server]}, "the former host has let go")
    eventually(lambda: cloud.files("compute2") == [], "and has none of its files")
    admin.delete(server)
    eventually(lambda: cloud.files("compute1") == [], "nothing is left")
