# SPDX-License-Identifier: Apache-2.0
"""Real guests of a standalone cloud: booted through the REST API, up to their consoles, and gone without a trace."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients import PATIENCE, eventually, sdk
from tests.integration.network.machines import inside
from tests.integration.site import Site, qcow2_with_backing_file

pytestmark = pytest.mark.root
DHCP = re.compile(r"guest: dhcp eth0 ([0-9.]+)/20 router=([0-9.]+)")
LOGIN = "guest login:"


def boots(console: str) -> int:
    """How often the guest came up, got its address and asked for a login."""
    return min(len(DHCP.findall(console)), console.count(LOGIN))


class Standalone:
    """A cloud of ``nova-standalone`` on a site."""

    def __init__(self, site: Site, image: Path) -> None:
        self.site, self.directory = site, site.directory / "cloud"
        self._image = image
        self.run("up", "--virt", "libvirt", "--image", str(image))
        self.clouds = self.directory / "clouds.yaml"
        self.demo = sdk(self.clouds, "demo")

    def run(self, *words: str) -> str:
        return self.site.module("nova.cmd.standalone", *words, "--state-dir", self.directory)

    def boot(self, name: str, **more: Any) -> Any:
        """A server, ACTIVE, whose guest has told its address and asks for a login."""
        image = self.demo.image.find_image("guest")
        flavor = self.demo.compute.find_flavor("m1.nano")
        server = self.demo.compute.create_server(name=name, image_id=image.id, flavor_id=flavor.id, networks="auto",
                                                 **more)
        server = self.demo.compute.wait_for_server(server, wait=PATIENCE)
        self.wait_boots(server, 1)
        return server

    def console(self, server: Any) -> str:
        return str(self.demo.compute.get_server_console_output(server)["output"])

    def wait_boots(self, server: Any, number: int) -> None:
        """Until the guest's login prompt was there ``number`` times."""
        console = ""

        def there() -> bool:
            nonlocal console
            console = self.console(server)
            return boots(console) >= number

        try:
            eventually(there, f"boot {number} of {server.name}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{console}") from None

    def wait(self, server: Any, status: str) -> Any:
        return self.demo.compute.wait_for_server(server, status=status, wait=PATIENCE)

    def delete(self, server: Any) -> None:
        self.demo.compute.delete_server(server)
        self.demo.compute.wait_for_delete(server, wait=PATIENCE)

    def traces(self) -> dict[str, Any]:
        """All that servers leave on the host while they are there."""
        files = self.site.run("find", self.directory / "hosts", self.directory / "networks", "-path", "*_base*",
                              "-prune", "-o", "-type", "f", "-print").split()
        return {"domains": self.site.domains(), "taps": self.site.taps(),
                "rules": set(re.findall(r"tap[0-9a-f-]+|fa:16:[0-9a-f:]+", self.site.rules())),
                "files": [f for f in files if ("/instances/" in f or "/hosts/fa" in f) and not f.endswith(".lock")],
                "processes": self.site.run("pgrep", "-c", "qemu-system", ok=False).strip()}


@pytest.fixture(scope="module")
def cloud(site: Site, guest_image: Path) -> Iterator[Standalone]:
    with inside(site.machine):  # all tests of this file speak from the machine itself
        cloud = Standalone(site, guest_image)
        yield cloud
        cloud.run("down")


@pytest.fixture(autouse=True)
def nothing_left(cloud: Standalone) -> Iterator[None]:
    """After each test the host is as if there had been no server."""
    yield
    for server in cloud.demo.compute.servers():  # of a test that failed half-way
        cloud.delete(server)
    assert cloud.traces() == {"domains": {}, "taps": set(), "rules": set(), "files": [], "processes": "0"}


def test_a_guest_boots_stops_starts_and_reboots(cloud: Standalone) -> None:
    name = """<server a="1">&amp; 'ü' ]]> \\"""
    server = cloud.boot(name, config_drive=True)
    address, router = DHCP.findall(cloud.console(server))[0]
    assert [a["addr"] for a in server.addresses["private"]] == [address]
    domain = cloud.site.domain_xml(server.id)
    assert domain.findtext("metadata/{*}guest/{*}name") == name == server.name
    mac = server.addresses["private"][0]["OS-EXT-IPS-MAC:mac_addr"]
    assert domain.find("devices/interface/mac").get("address") == mac
    assert cloud.demo.compute.get_server(server).has_config_drive == "True"
    assert domain.find("devices/disk[@device='cdrom']/source").get("file").endswith("/disk.config")
    processor = set(Path("/proc/cpuinfo").read_text().split())
    assert domain.get("type") == ("kvm" if processor & {"vmx", "svm"} and Path("/dev/kvm").exists() else "qemu")
    assert cloud.site.run("ip", "-4", "-o", "addr", "show", "to", f"{router}/32")  # its gateway is this host

    cloud.demo.compute.stop_server(server)
    cloud.wait(server, "SHUTOFF")
    assert cloud.console(server).count("guest: going down") == 1  # it was asked, not cut off
    cloud.demo.compute.start_server(server)
    cloud.wait(server, "ACTIVE")
    cloud.wait_boots(server, 2)

    assert {a for a, _ in DHCP.findall(cloud.console(server))} == {address}

    stands_still_and_goes_on(cloud, server)
    changes_inside(cloud, server)

    before = cloud.site.qemu_pid(server.id)
    cloud.demo.compute.reboot_server(server, "HARD")
    eventually(lambda: cloud.site.qemu_pid(server.id) not in (before, None), "a new QEMU")
    cloud.wait(server, "ACTIVE")
    cloud.delete(server)


def stands_still_and_goes_on(cloud: Standalone, server: Any) -> None:
    """Frozen, and saved to disk: in both cases the same boot goes on."""
    before = cloud.console(server)
    compute = cloud.demo.compute
    compute.pause_server(server)
    cloud.wait(server, "PAUSED")
    compute.unpause_server(server)
    cloud.wait(server, "ACTIVE")
    compute.suspend_server(server)
    cloud.wait(server, "SUSPENDED")
    assert cloud.site.qemu_pid(server.id) is None
    compute.resume_server(server)
    cloud.wait(server, "ACTIVE")
    assert boots(cloud.console(server)) == boots(before)


def changes_inside(cloud: Standalone, server: Any) -> None:
    """By its agent, by an interrupt, by a card that comes to the running guest and goes."""
    compute, admin = cloud.demo.compute, sdk(cloud.clouds, "admin").compute
    compute.change_server_password(server, "another one")
    eventually(lambda: "guest: password of root set by its host" in cloud.console(server), "the agent answers")
    cloud.wait(server, "ACTIVE")
    compute.trigger_server_crash_dump(server)
    told = admin.get(f"/servers/{server.id}/diagnostics", microversion="2.48").json()
    assert (told["state"], told["num_nics"], told["driver"]) == ("running", 1, "libvirt")

    port = compute.create_server_interface(server)
    mac = port.mac_addr
    eventually(lambda: f"guest: nic eth1 {mac}" in cloud.console(server), "the new card is seen")
    eventually(lambda: f"guest: dhcp eth1 {port.fixed_ips[0]['ip_address']}/" in cloud.console(server), "its address")
    compute.delete_server_interface(port, server=server)
    eventually(lambda: "guest: nic eth1 is gone" in cloud.console(server), "the card is gone")
    eventually(lambda: len(list(compute.server_interfaces(server))) == 1, "the record knows")
    assert len(cloud.site.taps()) == 1


def test_guests_and_their_cloud_outlive_each_other(cloud: Standalone) -> None:
    server = cloud.boot("survivor")
    pid = cloud.site.qemu_pid(server.id)
    cloud.run("down")
    assert cloud.site.qemu_pid(server.id) == pid
    cloud.run("up")
    found = cloud.demo.compute.get_server(server)
    assert (found.status, found.addresses, cloud.site.qemu_pid(server.id)) == ("ACTIVE", server.addresses, pid)
    cloud.demo.compute.reboot_server(server, "SOFT")
    cloud.wait_boots(server, 2)  # on the console as it was, and with an address from the DHCP server as it is
    cloud.wait(server, "ACTIVE")

    cloud.site.run("kill", "-KILL", str(cloud.site.qemu_pid(server.id)))
    cloud.wait(server, "SHUTOFF")
    cloud.demo.compute.start_server(server)
    cloud.wait(server, "ACTIVE")

    cloud.run("down")
    with cloud.site.hypervisor() as conn:
        domain = conn.lookupByUUIDString(server.id)
        domain.destroy()
        domain.undefine()
    half_made = cloud.directory / "hosts" / socket.gethostname() / "instances" / str(uuid.uuid4())
    half_made.mkdir()
    (half_made / "disk.new").touch()
    cloud.run("up")
    cloud.wait(server, "SHUTOFF")
    cloud.demo.compute.start_server(server)  # it is made again, on the disk that is still there
    cloud.wait(server, "ACTIVE")
    cloud.delete(server)


def test_an_image_that_points_to_files_of_the_host_is_refused(cloud: Standalone, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 4096)
    evil = qcow2_with_backing_file(tmp_path / "evil.qcow2", secret)
    image = cloud.demo.image.create_image("evil", container_format="bare", disk_format="qcow2")
    refusal = image.upload(cloud.demo.image, data=evil.read_bytes())
    assert refusal.status_code == 400 and "backing file" in refusal.text
    assert cloud.demo.image.get_image(image.id).status == "queued"
    stored = cloud.site.run("find", cloud.directory / "images", "-type", "f").split()
    assert all(image.id not in path for path in stored)
    cloud.demo.image.delete_image(image.id)
