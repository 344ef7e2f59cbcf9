# SPDX-License-Identifier: Apache-2.0
"""The unmodified ``openstack`` command with the Networking API in the catalogue, and without it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients import OpenStackCommand
from tests.integration.test_clients import standalone
from tests.services.process import free_port


@pytest.fixture(scope="module")
def clouds() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nova-networks-") as place:
        directory = Path(place) / "cloud"
        standalone(directory, "up", "--virt", "fake", "--network-api", "--listen", f"127.0.0.1:{free_port()}")
        try:
            yield directory / "clouds.yaml"
        finally:
            standalone(directory, "down")
            print((directory / "log" / "nova-standalone.log").read_text()[-20000:])  # shown when a test failed


@pytest.fixture
def demo(clouds: Path) -> OpenStackCommand:
    return OpenStackCommand(clouds, "demo")


def test_a_server_with_groups_and_a_floating_address(demo: OpenStackCommand) -> None:
    floating, group, rule = demo.all(
        "floating ip create public -f json", "security group create web -f json",
        "security group rule create --protocol tcp --dst-port 22 --remote-ip 10.0.0.0/8 web -f json")
    assert (rule["security_group_id"], rule["port_range_min"]) == (group["id"], 22)
    demo.text("server", "create", "--flavor", "m1.tiny", "--image", "guest", "--network", "private",
              "--security-group", "web", "--wait", "s1")
    address = floating["floating_ip_address"]
    shown = demo.all(f"server add floating ip s1 {address}", "server add security group s1 default",
                     "server show s1 -f json")[-1]
    assert shown["addresses"]["private"][1:] == [address]
    assert {g["name"] for g in shown["security_groups"]} == {"default", "web"}
    assert demo.all("floating ip list -f json")[0][0]["Fixed IP Address"] == shown["addresses"]["private"][0]
    assert "409" in demo.refused("security", "group", "delete", "web")
    shown = demo.all(f"server remove floating ip s1 {address}", "server remove security group s1 web",
                     "server show s1 -f json")[-1]
    assert (len(shown["addresses"]["private"]), shown["security_groups"]) == (1, [{"name": "default"}])
    assert demo.all("server delete --wait s1", "security group delete web", f"floating ip delete {address}",
                    "port list -f json", "floating ip list -f json")[-2:] == [[], []]


def test_networks_and_ports_of_a_project(demo: OpenStackCommand) -> None:
    network = demo.all("network create mine -f json",
                       "subnet create --network mine --subnet-range 10.55.0.0/24 sub -f json",
                       "port create --network mine --fixed-ip ip-address=10.55.0.9 p1 -f json")[0]
    server = demo("server", "create", "--flavor", "m1.tiny", "--image", "guest", "--port", "p1", "--nic",
                  f"net-id={network['id']}", "--wait", "s2")
    assert server["addresses"]["mine"][0] == "10.55.0.9"
    assert {p["Name"] for p in demo("port", "list", "--server", "s2")} == {"p1", ""}
    assert "409" in demo.refused("network", "delete", "mine")
    left = demo.all("server delete --wait s2", "port list -f json", "port delete p1", "network delete mine",
                    "network list -f json")
    assert [p["Name"] for p in left[0]] == ["p1"]
    assert {n["Name"] for n in left[1]} == {"private", "public"}
