# SPDX-License-Identifier: Apache-2.0
"""Separate daemons on RabbitMQ and a database server: installed by an operator, up to a real guest's console."""

from __future__ import annotations

import os
import re
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients import OpenStackCommand, eventually
from tests.integration.daemons import Databases, Deployment
from tests.integration.site import Site
from tests.services import session

pytestmark = pytest.mark.root


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def deployment(request: pytest.FixtureRequest, site: Site, rabbitmq: Any) -> Iterator[Deployment]:
    """Running, and nothing in it yet but what nova-manage makes."""
    server, tag = session.shared(request.param), uuid.uuid4().hex[:8]
    databases, vhost = Databases(server, tag), f"daemons-{tag}"
    broker = rabbitmq.create_vhost(vhost)
    for port in (rabbitmq.port, server.port):
        site.forward(port)
    deployment = Deployment(site.directory / request.param, broker, databases.api, databases.cell, site=site)
    try:
        # What the other deployment's hosts left for their guests (bridge, dnsmasq) is still on the site.
        cidr = {"postgresql": "10.123.0.0/20", "mariadb": "10.124.0.0/20"}[request.param]
        deployment.set_up(f"br{tag[:6]}", cidr, step_by_step=request.param == "postgresql")
        deployment.start(watchdog=6.0)
        yield deployment
    finally:
        deployment.close()
        rabbitmq.delete_vhost(vhost)
        databases.drop()


@pytest.fixture(scope="module")
def admin(deployment: Deployment) -> OpenStackCommand:
    return OpenStackCommand(deployment.write_clouds(), "admin", deployment.site)


def test_a_guest_boots_and_its_console_tells_its_address(deployment: Deployment, admin: OpenStackCommand,
                                                         guest_image: Path) -> None:
    site = deployment.site
    assert site is not None
    image = admin("image", "create", "--disk-format", "qcow2", "--file", str(guest_image), "--public", "small")
    eventually(lambda: "compute1" in deployment.manage("cell_v2", "list_hosts") or deployment.manage(
        "cell_v2", "discover_hosts"), "the host is in its cell")
    eventually(deployment.providers, "the host has told what it has")
    uuid = admin("server", "create", "--flavor", "m1.nano", "--image", image["id"], "web")["id"]
    server = eventually(lambda: (s := admin("server", "show", uuid))["status"] != "BUILD" and s, "the build has ended")
    assert server["status"] == "ACTIVE", f"{server.get('fault')}\n{deployment.complaints()}"
    assert server["OS-EXT-SRV-ATTR:host"] == "compute1"
    [address] = server["addresses"]["private"]
    console = eventually(lambda: (text := admin.text("console", "log", "show", server["id"])).count("guest login:")
                         and text, "the login prompt")
    assert f"guest: dhcp eth0 {address}/20" in console
    admin.text("server", "delete", "--wait", server["id"])
    assert site.domains() == {} and site.taps() == set()


#: In place of nft: once told to, it keeps what is said of a guest's device to itself. Its caller dies meanwhile.
_MUTE = """#!/bin/sh
if [ "$2" = -f ]; then
    text=$(cat)
    case $text in
    *tap*) if [ -e {0}/mute ]; then
            : > {0}/heard
            while [ -e {0}/mute ]; do sleep 0.1; done
            exit 1
        fi ;;
    esac
    printf %s "$text" | exec {1} "$@"
fi
exec {1} "$@"
"""


def test_a_build_goes_on_when_nova_network_died_with_its_interface_in_hand(
        deployment: Deployment, admin: OpenStackCommand, tmp_path: Path) -> None:
    nft = shutil.which("nft")
    assert nft is not None
    place, daemon = tmp_path / "bin", deployment.daemons["nova-network"]
    place.mkdir()
    (place / "nft").write_text(_MUTE.format(place, nft))
    (place / "nft").chmod(0o755)
    assert daemon.stop() == 0
    daemon.environment["PATH"] = f"{place}:{os.environ['PATH']}"
    daemon.start()
    daemon.listen("READY=1", 120)
    (place / "mute").touch()
    uuid = admin("server", "create", "--flavor", "m1.nano", "--image", "small", "web")["id"]
    eventually((place / "heard").exists, "nova-network prepares the interface")
    daemon.signal(signal.SIGKILL)
    assert daemon.process is not None and daemon.process.wait(60)
    (place / "mute").unlink()
    daemon.environment.clear()
    daemon.start()
    daemon.listen("READY=1", 120)
    # Far less than the minute that a nova-network may take which has much to do.
    eventually(lambda: admin("server", "show", uuid)["status"] == "ACTIVE", "the build has ended", 30)
    admin.text("server", "delete", "--wait", uuid)


def test_hosts_have_neither_database_credentials_nor_modules(deployment: Deployment) -> None:
    """The boot above was theirs; here is that they were what they should be."""
    for name in ("nova-compute", "nova-network"):
        daemon = deployment.daemons[name]
        [config] = [Path(a) for a in daemon.arguments if a.endswith(".conf")]
        assert "connection" not in config.read_text()
        assert "is not to be had on a host" not in daemon.text()
        maps = Path(f"/proc/{daemon.pid}/maps").read_text()
        assert not re.search(r"sqlalchemy|psycopg|pymysql", maps)


def test_each_daemon_speaks_with_systemd_and_obeys_signals(deployment: Deployment) -> None:
    for name, daemon in deployment.daemons.items():
        daemon.listen("WATCHDOG=1", 120)
        daemon.signal(signal.SIGHUP)
        daemon.listen("RELOADING=1", 120)
        daemon.listen("READY=1", 120)
        daemon.signal(signal.SIGUSR2)
        eventually(lambda d=daemon: "Guru Meditation" in d.text() and "Threads" in d.text(), f"{name}'s report", 120)
        report = daemon.text().partition("Guru Meditation")[2]
        assert not re.search(r"[:=] *'?secret\b", report)  # the passwords' value; lines of code may have the word
        daemon.listen("WATCHDOG=1", 120)


def test_they_end_cleanly(deployment: Deployment) -> None:
    assert set(deployment.stop().values()) == {0}, "\n".join(d.text()[-2000:] for d in deployment.daemons.values())
    for name, daemon in deployment.daemons.items():
        daemon.listen("STOPPING=1", 60)
        assert f"{name.partition('@')[0]} has stopped" in daemon.text()
        assert "Traceback" not in daemon.text().partition("Guru Meditation")[0], daemon.text()
