# SPDX-License-Identifier: Apache-2.0
"""Two hosts that share a flat_interface: guests are neighbours, yet each host is gateway and DHCP server of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova import errors
from nova.network.flatdhcp import gateway_mac
from nova.network.manager import NetworkManager
from tests.integration.network.machines import Guest, Machine, inside, run

pytestmark = pytest.mark.root
Vif = dict[str, Any]
Starter = Callable[..., NetworkManager]


@pytest.fixture
def second(host: Machine, machines: list[Machine]) -> Machine:
    """Another host, joined to the first by a cable between their ``flat0``."""
    machine = Machine("second")
    machines.append(machine)
    run("ip", "-n", host.name, "link", "add", "flat0", "type", "veth", "peer", "name", "flat0", "netns", machine.name)
    return machine


def test_guests_on_two_hosts(host: Machine, second: Machine, start: Starter, vif: Callable[..., Vif],
                             machines: list[Machine], tmp_path: Path) -> None:
    ping = [{"protocol": "icmp"}]
    here, there, stranger = vif(11), vif(12, ingress=ping), vif(13)
    networks = [start(flat_interface="flat0"), start(second, flat_interface="flat0")]
    guests = []
    for machine, network, port in ((host, networks[0], here), (second, networks[1], there)):
        with inside(machine):
            network.plug(port["id"], [port])
        guests.append(Guest(machine, port, tmp_path))
    machines += guests
    assert [g.dhcp() for g in guests] == ["10.100.0.11", "10.100.0.12"]
    assert guests[0].reaches("10.100.0.12")
    assert not guests[1].pings("10.100.0.11")
    for guest in guests:
        assert guest.reaches("10.100.0.1")
        assert gateway_mac(here["network"]["id"]) in guest.run("ip", "neigh", "show", "10.100.0.1")
    with inside(second):
        networks[1].plug("stranger", [stranger])
    unserved = Guest(host, stranger, tmp_path)  # known to the second host only, but plugged in at the first
    machines.append(unserved)
    assert unserved.dhcp(tries=2) is None


def test_gateway_of_another_host_is_not_heard(host: Machine, second: Machine, start: Starter, vif: Callable[..., Vif],
                                              machines: list[Machine], tmp_path: Path) -> None:
    """With its own host's gateway gone a guest finds no other."""
    port = vif(11)
    first, other = start(flat_interface="flat0"), start(second, flat_interface="flat0")
    first.plug("server", [port])
    with inside(second):
        other.plug("neighbour", [vif(12)])
    guest = Guest(host, port, tmp_path)
    machines.append(guest)
    assert guest.dhcp() == "10.100.0.11"
    host.run("ip", "addr", "del", "10.100.0.1/24", "dev", "br100")
    guest.run("ip", "neigh", "flush", "all")
    assert not guest.pings("10.100.0.1")


@pytest.mark.parametrize(("interface", "why"), [("nothing0", "no interface nothing0"), ("flat0", "has an address")])
def test_wrong_flat_interface(host: Machine, second: Machine, start: Starter, vif: Callable[..., Vif], interface: str,
                              why: str) -> None:
    host.run("ip", "addr", "add", "192.0.2.1/24", "dev", "flat0")
    network = start(flat_interface=interface)
    with pytest.raises(errors.ConfigError, match=f"network.flat_interface.*{why}"):
        network.plug("server", [vif(11)])
