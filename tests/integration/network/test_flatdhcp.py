# SPDX-License-Identifier: Apache-2.0
"""FlatDHCP with real bridges, dnsmasq, nftables and DHCP clients; guests are namespaces."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova.network.manager import NetworkManager
from tests.integration.network.conftest import OUTSIDE, PUBLIC, Cell
from tests.integration.network.machines import Guest, Machine

pytestmark = pytest.mark.root
Vif = dict[str, Any]


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


@pytest.fixture
def network(start: Callable[..., NetworkManager]) -> NetworkManager:
    return start()


@pytest.fixture
def pair(network: NetworkManager, vif: Callable[..., Vif], boot: Callable[[Vif], Guest],
         cell: Cell) -> tuple[Guest, Guest]:
    """Two servers that run and have their addresses."""
    guests = []
    for number in (11, 12):
        cell.vifs[f"server-{number}"] = vif(number)
        network.plug(f"server-{number}", [cell.vifs[f"server-{number}"]])
        guests.append(boot(cell.vifs[f"server-{number}"]))
        assert guests[-1].dhcp() == f"10.100.0.{number}"
    return guests[0], guests[1]


def test_guest_gets_its_own_address_route_and_mtu(pair: tuple[Guest, Guest], cell: Cell) -> None:
    first, second = pair
    assert "default via 10.100.0.1" in first.run("ip", "route")
    assert json.loads(first.run("ip", "-j", "link", "show", "eth0"))[0]["mtu"] == 1450
    until(lambda: len(cell.leases) == 2)
    assert cell.leases == [(first.mac, "10.100.0.11", "add"), (second.mac, "10.100.0.12", "add")]


def test_unknown_guest_gets_no_address(pair: tuple[Guest, Guest], vif: Callable[..., Vif],
                                       boot: Callable[[Vif], Guest]) -> None:
    assert boot(vif(99)).dhcp(tries=2) is None


def test_nothing_enters_a_guest_but_answers(pair: tuple[Guest, Guest], host: Machine, outside: Machine) -> None:
    first, second = pair
    with second.listening(8080), outside.listening(80):
        assert first.is_shut_out("10.100.0.12", 8080)
        assert host.is_shut_out("10.100.0.12", 8080)
        outside.run("ip", "route", "add", "10.100.0.0/24", "via", PUBLIC)
        assert outside.is_shut_out("10.100.0.12", 8080)
        assert not first.pings("10.100.0.12")
        assert second.connects(OUTSIDE, 80)
        assert first.reaches("10.100.0.1")


def test_guests_leave_under_the_hosts_address(pair: tuple[Guest, Guest], outside: Machine) -> None:
    with outside.listening(80):
        assert pair[0].fetch(OUTSIDE, 80) == PUBLIC


def test_rules_open_a_guest_for_what_they_name(network: NetworkManager, pair: tuple[Guest, Guest], cell: Cell,
                                               outside: Machine) -> None:
    first, second = pair
    outside.run("ip", "route", "add", "10.100.0.0/24", "via", PUBLIC)
    rules = [{"protocol": "tcp", "ports": [8000, 8090], "source": "203.0.113.0/24"}, {"protocol": "icmp"}]
    opened = {**second.vif, "ingress": rules, "version": 2}
    with second.listening(8080), second.listening(9090):
        network.plug("server-12", [opened])
        assert outside.connects("10.100.0.12", 8080)
        assert outside.is_shut_out("10.100.0.12", 9090)
        assert first.is_shut_out("10.100.0.12", 8080)
        assert first.reaches("10.100.0.12")
        network.plug("server-12", [second.vif])
        assert outside.is_shut_out("10.100.0.12", 8080)


def test_floating_address_leads_in_and_out(start: Callable[..., NetworkManager], pair: tuple[Guest, Guest], cell: Cell,
                                           host: Machine, outside: Machine) -> None:
    """The guest is reached, and seen outside, under its floating address, through a restart, until that is gone."""
    public, web = "203.0.113.77", [{"protocol": "tcp", "ports": [8080, 8080], "source": None}]
    vif = cell.vifs["server-11"]
    led = vif | {"ingress": web, "version": 2, "ips": [vif["ips"][0] | {"floating_ips": [public]}]}
    cell.vifs["server-11"] = led
    network = start()
    network.sync()
    first, second = pair
    for _ in range(2):
        with first.listening(8080), outside.listening(80):
            assert outside.connects(public, 8080)
            assert second.connects(public, 8080) and host.connects(public, 8080)
            assert first.fetch(OUTSIDE, 80) == public
            assert second.fetch(OUTSIDE, 80) == PUBLIC
        network = start()
    network.sync()
    cell.vifs["server-11"] = led | {"version": 3, "ips": vif["ips"]}
    network.sync()
    with first.listening(8080), outside.listening(80):
        assert outside.is_shut_out(public, 8080)
        assert first.fetch(OUTSIDE, 80) == PUBLIC


def test_neighbours_hear_of_a_floating_address_that_moved_here(
        start: Callable[..., NetworkManager], pair: tuple[Guest, Guest], cell: Cell, outside: Machine) -> None:
    public, vif = "203.0.113.78", cell.vifs["server-11"]
    outside.run("ip", "neigh", "replace", public, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "stale")
    time.sleep(1.1)  # the kernel keeps an entry for a second against whoever claims it (neigh/*/locktime)
    network = start(public_interface="ext0")
    cell.vifs["server-11"] = vif | {"version": 2, "ips": [vif["ips"][0] | {"floating_ips": [public]}],
                                    "ingress": [{"protocol": "icmp", "ports": None, "source": None}]}
    network.sync()
    until(lambda: "02:00:00:00:00:01" not in outside.run("ip", "neigh", "show", public))
    assert outside.reaches(public)


def test_false_addresses_are_dropped(pair: tuple[Guest, Guest], outside: Machine) -> None:
    first, _ = pair
    assert first.reaches(OUTSIDE)
    first.run("ip", "addr", "add", "10.100.0.66/24", "dev", "eth0")
    assert not first.pings(OUTSIDE, "-I", "10.100.0.66")
    assert first.reaches(OUTSIDE)
    first.run("ip", "link", "set", "eth0", "address", "fa:16:3e:00:00:77")
    first.run("ip", "route", "replace", "default", "via", "10.100.0.1")
    assert not first.pings(OUTSIDE)
    assert not first.pings("10.100.0.1")


def test_false_arp_is_dropped(pair: tuple[Guest, Guest]) -> None:
    """A guest cannot say that the gateway, or its neighbour, is itself."""
    first, second = pair
    second.run("sysctl", "-qw", "net.ipv4.conf.all.arp_accept=1", "net.ipv4.conf.eth0.arp_accept=1")

    def believed(address: str) -> bool:
        """Whether the second guest takes it from the first that the address is the first's."""
        second.run("ip", "neigh", "flush", "all")
        first.run(sys.executable, "-c", (
            "import socket\n"
            "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0))\n"
            f"me, ip = bytes.fromhex('{first.mac.replace(':', '')}'), socket.inet_aton('{address}')\n"
            "all = bytes([255] * 6)\n"
            "s.send(all + me + bytes.fromhex('0806' '0001' '0800' '0604' '0001') + me + ip + all + ip)\n"))
        time.sleep(0.2)
        return first.mac in second.run("ip", "neigh", "show", address)

    assert believed("10.100.0.11")
    assert not believed("10.100.0.1")


def test_guest_cannot_serve_dhcp(pair: tuple[Guest, Guest], host: Machine) -> None:
    """Packets from port 67 do not pass a tap."""
    first, second = pair
    listen = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5000))\n"
              "s.settimeout(2); print('ready', flush=True)\n"
              "try: print(s.recv(9), flush=True)\n"
              "except TimeoutError: print('nothing', flush=True)\n")

    def received(source: int) -> str:
        argv = ["ip", "netns", "exec", host.name, sys.executable, "-c", listen]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None and server.stdout.readline() == "ready\n"
            first.run(sys.executable, "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                      f"s.bind(('', {source})); s.sendto(b'x', ('10.100.0.1', 5000))")
            return server.stdout.readline().strip()

    assert received(4000) == "b'x'"
    assert received(67) == "nothing"


def test_restart_takes_over_what_runs(start: Callable[..., NetworkManager], pair: tuple[Guest, Guest], host: Machine,
                                      outside: Machine, tmp_path: Path, cell: Cell) -> None:
    """Connections, rules and dnsmasq of running guests survive nova-network."""
    first, second = pair
    pid = (tmp_path / "networks/br100/pid").read_text()
    host.run("nft", "add", "rule", "inet", "nova", first.tap, "counter", "comment", "still-here")
    manager = start()
    manager.sync(complete=True)
    assert (tmp_path / "networks/br100/pid").read_text() == pid
    assert "still-here" in host.run("nft", "list", "ruleset")
    assert first.reaches(OUTSIDE)
    assert not first.pings("10.100.0.12")
    assert second.dhcp() == "10.100.0.12"


def test_restart_forgets_what_went_meanwhile(start: Callable[..., NetworkManager], pair: tuple[Guest, Guest],
                                             host: Machine, cell: Cell) -> None:
    first, second = pair
    del cell.vifs["server-12"]
    manager = start()
    manager.sync(complete=True)
    rules = host.run("nft", "list", "ruleset")
    assert second.tap not in rules and first.tap in rules
    assert not second.pings("10.100.0.1")
    assert first.dhcp() == "10.100.0.11"


def test_unplugged_server_leaves_nothing(network: NetworkManager, pair: tuple[Guest, Guest], host: Machine,
                                         cell: Cell, vif: Callable[..., Vif], boot: Callable[[Vif], Guest]) -> None:
    """The next server may have its address at once, though nobody gave back the lease."""
    first, second = pair
    network.unplug("server-12")
    network.unplug("server-12")
    rules = host.run("nft", "list", "ruleset")
    assert second.tap not in rules and "10.100.0.12" not in rules and first.tap in rules
    heir = vif(12, address="fa:16:3e:00:00:f2")
    network.plug("heir", [heir])
    assert boot(heir).dhcp() == "10.100.0.12"


def test_flushed_rules_come_back(network: NetworkManager, pair: tuple[Guest, Guest], host: Machine,
                                 outside: Machine) -> None:
    first, second = pair
    host.run("nft", "flush", "ruleset")
    network.refresh()
    until(lambda: second.tap in host.run("nft", "list", "ruleset"))
    until(lambda: not first.pings("10.100.0.12"))
    with outside.listening(80):
        assert first.fetch(OUTSIDE, 80) == PUBLIC


def test_killed_dnsmasq_comes_back(network: NetworkManager, pair: tuple[Guest, Guest], tmp_path: Path) -> None:
    pid = int((tmp_path / "networks/br100/pid").read_text())
    os.kill(pid, 9)
    network.refresh()
    until(lambda: (tmp_path / "networks/br100/pid").read_text() != f"{pid}\n")
    assert pair[0].dhcp() == "10.100.0.11"


def test_metadata_address_leads_to_the_service(start: Callable[..., NetworkManager], vif: Callable[..., Vif],
                                               boot: Callable[[Vif], Guest], host: Machine, outside: Machine) -> None:
    """The service sees the guest's own address."""
    network = start(metadata_host=PUBLIC, metadata_port=8775)
    port = vif(11)
    network.plug("server", [port])
    guest = boot(port)
    assert guest.dhcp() == "10.100.0.11"
    with host.listening(8775):
        assert guest.fetch("169.254.169.254", 80) == "10.100.0.11"


def test_dnsmasq_runs_without_privileges_where_it_can(start: Callable[..., NetworkManager], vif: Callable[..., Vif],
                                                     boot: Callable[[Vif], Guest]) -> None:
    """In a directory that everybody may read dnsmasq is nobody, and hears of new guests all the same."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        network = start(networks_path=name)
        for number in (11, 12):
            port = vif(number)
            network.plug(f"server-{number}", [port])
            assert boot(port).dhcp() == f"10.100.0.{number}"
        pid = int((directory / "br100/pid").read_text())
        assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        network.teardown()


def test_many_plugs_at_once(network: NetworkManager, vif: Callable[..., Vif], host: Machine) -> None:
    vifs = [vif(number) for number in range(20, 60)]
    threads = [threading.Thread(target=network.plug, args=(f"server-{i}", [v])) for i, v in enumerate(vifs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rules = host.run("nft", "list", "ruleset")
    assert all(v["device"] in rules for v in vifs)


def test_last_network_goes_with_its_last_port(network: NetworkManager, pair: tuple[Guest, Guest], cell: Cell,
                                              host: Machine, tmp_path: Path) -> None:
    cell.vifs.clear()
    network.unplug("server-11")
    network.unplug("server-12")
    network.sync(complete=True)
    assert "br100" not in host.run("ip", "link")
    assert not (tmp_path / "networks/br100").exists()
    assert host.run("pgrep", "-f", str(tmp_path / "networks/br100/pid"), ok=False) == ""
