# SPDX-License-Identifier: Apache-2.0
"""Real guests that move between two libvirt hosts while they run: they count on and keep their address, and stay where
they were when the move is aborted."""

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
TICK = re.compile(r"tick=(\d+)")
LIVE = ("--os-compute-api-version", "2.80")


@pytest.fixture(scope="module")
def cloud(rabbitmq: Any) -> Iterator[TwoHosts]:
    with two_hosts(rabbitmq, session.shared("postgresql")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def admin(cloud: TwoHosts, guest_image: Path) -> Users:
    users = Users(cloud)
    users.add_image(guest_image)
    return users


def type_in(cloud: TwoHosts, host: str, server: str, *lines: tuple[str, bytes]) -> None:
    """At the guest's serial console: each line, once the guest has answered the one before."""
    with cloud.sites[host].hypervisor() as conn:
        stream = conn.newStream(0)
        conn.lookupByUUIDString(server).openConsole(None, stream, 0)
        for line, answer in lines:
            stream.send(line.encode() + b"\n")
            heard = b""
            while answer not in heard:
                heard += stream.recv(1024)
        stream.abort()


def counting(cloud: TwoHosts, admin: Users, name: str) -> str:
    """A server whose guest counts on its console, ten times a second."""
    server = admin.boot(name)
    type_in(cloud, "compute1", server, ("root", b"assword:"), ("guest", b"# "), (
        "i=0; while true; do i=$((i+1)); echo tick''=$i; usleep 100000; done &", b"tick="))
    eventually(lambda: len(ticks(admin, server)) > 5, "the guest counts")
    return server


def ticks(admin: Users, server: str) -> list[int]:
    return [int(n) for n in TICK.findall(admin.console(server))]


def migrate(admin: Users, server: str, *more: str) -> None:
    admin.cli.text("server", "migrate", "--live-migration", *more, *LIVE, server)


def migrations(admin: Users, server: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.cli("server", "migration", "list", "--server", server, *LIVE)
    return found


def test_a_guest_counts_on_at_its_next_host(cloud: TwoHosts, admin: Users) -> None:
    server = counting(cloud, admin, "counter")
    shown = admin.show(server)
    address = shown["addresses"]
    last = ticks(admin, server)[-1]
    migrate(admin, server)
    moved = admin.wait(server, "ACTIVE")
    assert moved["OS-EXT-SRV-ATTR:host"] == "compute2", cloud.complaints()
    assert moved["addresses"] == address
    assert cloud.where() == {"compute1": [], "compute2": [server]}
    eventually(lambda: cloud.files("compute1") == [], "its first host has nothing left of it")
    eventually(lambda: len(ticks(admin, server)) > 5, "the guest counts at its new host")
    after = ticks(admin, server)
    assert after[0] > last and after == list(range(after[0], after[0] + len(after)))  # it was never booted anew
    assert not cloud.sites["compute1"].taps() and len(cloud.sites["compute2"].taps()) == 1
    migrate(admin, server, "--host", "compute1")
    assert admin.wait(server, "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "compute1"
    eventually(lambda: ticks(admin, server)[-1] > after[-1], "the guest counts where it came from")
    assert [m["Status"] for m in migrations(admin, server)] == ["completed", "completed"]
    admin.delete(server)
    assert cloud.where() == {"compute1": [], "compute2": []}


def test_an_abort_leaves_it_where_it_is(cloud: TwoHosts, admin: Users) -> None:
    server = counting(cloud, admin, "stays")
    with cloud.sites["compute1"].hypervisor() as conn:  # so that there is something to abort
        conn.lookupByUUIDString(server).migrateSetMaxSpeed(1)
    migrate(admin, server)
    found = eventually(lambda: [m for m in migrations(admin, server) if m["Status"] == "running"], "it is on its way")
    admin.cli.text("server", "migration", "abort", *LIVE, server, str(found[0]["Id"]))
    stayed = admin.wait(server, "ACTIVE")
    assert stayed["OS-EXT-SRV-ATTR:host"] == "compute1"
    assert [m["Status"] for m in migrations(admin, server)] == ["cancelled"]
    assert cloud.where() == {"compute1": [server], "compute2": []}
    assert cloud.files("compute2") == []
    last = ticks(admin, server)[-1]
    eventually(lambda: ticks(admin, server)[-1] > last, "the guest counts on")
    admin.delete(server)
