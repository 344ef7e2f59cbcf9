# SPDX-License-Identifier: Apache-2.0
"""A host in a namespace of its own, with nova-network in it, and a computer outside."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova.conf import network as options
from nova.network.build import network_manager
from nova.network.manager import NetworkManager
from tests.integration.network.machines import Guest, Machine, inside, run

OUTSIDE, PUBLIC = "203.0.113.100", "203.0.113.1"


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """The set-up installs what is missing; nothing is skipped."""
    missing = [p for p in ("ip", "nft", "dnsmasq", "udhcpc", "ping") if shutil.which(p) is None]
    if missing:
        run("apt-get", "install", "-y", "--no-install-recommends", "iproute2", "nftables", "dnsmasq-base", "udhcpc",
            "iputils-ping", timeout=300)


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    made: list[Machine] = []
    yield made
    for machine in reversed(made):
        machine.close()


@pytest.fixture
def host(machines: list[Machine]) -> Iterator[Machine]:
    """The test itself runs on this machine."""
    machine = Machine("host")
    machines.append(machine)
    with inside(machine):
        yield machine


@pytest.fixture
def outside(host: Machine, machines: list[Machine]) -> Machine:
    machine = Machine("outside")
    machines.append(machine)
    run("ip", "-n", host.name, "link", "add", "ext0", "type", "veth", "peer", "name", "eth0", "netns", machine.name)
    for name, device, address in ((host.name, "ext0", PUBLIC), (machine.name, "eth0", OUTSIDE)):
        run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", device)
        run("ip", "-n", name, "link", "set", device, "up")
    return machine


class Cell:
    """What a host can ask its cell: documents are what the test says, leases are remembered."""

    def __init__(self) -> None:
        self.vifs: dict[str, dict[str, Any]] = {}
        self.leases: list[tuple[str, str, str]] = []
        self.version = 1

    def network_documents(self, host: str, since_version: int) -> list[dict[str, Any]]:
        self.version += 1
        return [{"instance_uuid": owner, "vifs": [vif], "deleted": False, "version": self.version}
                for owner, vif in self.vifs.items()]

    def lease(self, host: str, mac: str, address: str, event: str) -> None:
        self.leases.append((mac, address, event))


@pytest.fixture
def cell() -> Cell:
    return Cell()


Starter = Callable[..., NetworkManager]


@pytest.fixture
def start(host: Machine, cell: Cell, tmp_path: Path) -> Iterator[Starter]:
    """Starts nova-network on the host, or another; again means that the former has ended, as a process does."""
    running: dict[str, tuple[Machine, NetworkManager]] = {}

    def starter(machine: Machine = host, **overrides: Any) -> NetworkManager:
        if machine.name in running:
            running.pop(machine.name)[1].stop()
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt("state_path", default=str(tmp_path if machine is host else tmp_path / "other")))
        options.register(conf)
        conf([], default_config_files=[], default_config_dirs=[])
        for name, value in overrides.items():
            conf.set_override(name, value, group="network")
        manager = network_manager(conf, "host1" if machine is host else "host2", cell)
        running[machine.name] = machine, manager
        with inside(machine):
            manager.start()
        return manager

    yield starter
    for machine, manager in running.values():
        with inside(machine):
            manager.stop()
            manager.teardown()


@pytest.fixture
def vif() -> Callable[..., dict[str, Any]]:
    """Network info of a server's only interface: the number is the end of its addresses."""
    network = {"id": str(uuid.uuid4()), "label": "private", "bridge": "br100", "mtu": 1450, "cidr": "10.100.0.0/24",
               "gateway": "10.100.0.1", "dhcp_server": "10.100.0.1", "dns": [], "vlan": None, "multi_host": True,
               "lease_time": 120, "version": 1}

    def make(number: int, **extra: Any) -> dict[str, Any]:
        port = str(uuid.uuid4())
        return {"id": port, "address": f"fa:16:3e:00:00:{number:02x}", "index": 0, "network": network,
                "ips": [{"address": f"10.100.0.{number}", "version": 4, "type": "fixed"}], "device": f"tap{port[:11]}",
                "model": "virtio", "security_groups": ["default"], "port_security": True, "version": 1, **extra}

    return make


@pytest.fixture
def boot(host: Machine, machines: list[Machine], tmp_path: Path) -> Callable[[dict[str, Any]], Guest]:
    def make(vif: dict[str, Any]) -> Guest:
        guest = Guest(host, vif, tmp_path)
        machines.append(guest)
        return guest

    return make
