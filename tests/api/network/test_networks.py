# SPDX-License-Identifier: Apache-2.0
"""Networks, subnets, ports and floating addresses through the Networking API, on the records that servers use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.compute import networked
from tests.api.compute.conftest import PROJECTS
from tests.api.network.conftest import Net

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def network(net: Net, name: str = "mine", cidr: str = "10.5.0.0/24", **members: Any) -> dict[str, Any]:
    made = net.make("networks", "network", name=name, **members)
    net.make("subnets", "subnet", network_id=made["id"], cidr=cidr, ip_version=4)
    return made


def pool(net: Net, cidr: str = "192.0.2.0/29") -> str:
    made = net.make("networks", "network", name="public", who="admin", **{"router:external": True})
    net.make("subnets", "subnet", who="admin", network_id=made["id"], cidr=cidr, ip_version=4)
    return str(made["id"])


def test_a_network_gets_addresses_and_servers_use_it(net: Net) -> None:
    made = net.make("networks", "network", name="mine", mtu=1400)
    assert made.items() >= {"name": "mine", "project_id": PROJECTS["demo"], "tenant_id": PROJECTS["demo"],
                            "shared": False, "router:external": False, "subnets": [], "mtu": 1400,
                            "status": "ACTIVE"}.items()
    subnet = net.make("subnets", "subnet", network_id=made["id"], cidr="10.5.0.0/24", ip_version=4, name="sub",
                      dns_nameservers=["9.9.9.9"], allocation_pools=[{"start": "10.5.0.10", "end": "10.5.0.20"}])
    assert subnet.items() >= {
        "network_id": made["id"], "cidr": "10.5.0.0/24", "gateway_ip": "10.5.0.1", "name": "sub", "enable_dhcp": True,
        "dns_nameservers": ["9.9.9.9"], "allocation_pools": [{"start": "10.5.0.10", "end": "10.5.0.20"}]}.items()
    assert net("GET", f"/networks/{made['id']}").body["network"] == made | {"subnets": [subnet["id"]]}
    assert net("GET", "/subnets").body == {"subnets": [subnet]}
    server = networked.server(net.api)
    [port] = net("GET", f"/ports?device_id={server}").body["ports"]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.5.0.10"}]
    assert net("DELETE", f"/networks/{made['id']}").status == 409
    assert net("DELETE", f"/subnets/{subnet['id']}").status == 409


def test_networks_are_changed_and_deleted(net: Net) -> None:
    made = network(net)
    at = f"/networks/{made['id']}"
    assert net("PUT", at, {"network": {"name": "other"}}).body["network"]["name"] == "other"
    [subnet] = net("GET", "/subnets").body["subnets"]
    change = {"subnet": {"name": "s", "dns_nameservers": ["9.9.9.9"]}}
    assert net("PUT", f"/subnets/{subnet['id']}", change).body["subnet"] == subnet | change["subnet"]
    twice = {"subnet": {"network_id": made["id"], "cidr": "10.6.0.0/24", "ip_version": 4}}
    assert net("POST", "/subnets", twice).status == 400
    assert net("DELETE", f"/subnets/{subnet['id']}").status == 204
    assert net("GET", at).body["network"]["subnets"] == []
    assert net("PUT", at, {"network": {"name": "draft"}}).body["network"]["name"] == "draft"
    assert net("DELETE", at).status == 204
    assert [net(m, at).status for m in ("GET", "DELETE")] == [404, 404]
    assert net("GET", "/networks").body == {"networks": []}


def test_whose_networks_are_seen_and_changed(net: Net) -> None:
    own = network(net)
    shared = net.make("networks", "network", who="admin", name="shared", shared=True)
    assert {n["name"] for n in net("GET", "/networks", who="other").body["networks"]} == {"shared"}
    assert net("GET", f"/networks/{own['id']}", who="other").status == 404
    assert net("DELETE", f"/networks/{own['id']}", who="other").status == 404
    assert net("DELETE", f"/networks/{shared['id']}").status == 403
    assert "provider:network_type" not in own
    assert {n["name"] for n in net("GET", "/networks", who="admin").body["networks"]} == {"mine", "shared"}
    for body in ({"name": "x", "shared": True}, {"name": "x", "router:external": True},
                 {"name": "x", "project_id": PROJECTS["other"]}):
        assert net("POST", "/networks", {"network": body}).status == 403
    assert net("POST", "/networks", {"network": {"name": "x"}}, who="reader").status == 403
    assert net("DELETE", f"/networks/{own['id']}", who="reader").status == 403


@pytest.mark.parametrize("members", [
    {"cidr": "10.5.0.0"}, {"cidr": "10.5.0.0/30"}, {"ip_version": 6}, {"gateway_ip": None}, {"gateway_ip": "10.9.0.1"},
    {"allocation_pools": [{"start": "10.5.0.9", "end": "10.5.0.2"}]}, {"cidr": None}, {"extra": 1}])
def test_subnets_that_cannot_be(net: Net, members: dict[str, Any]) -> None:
    made = net.make("networks", "network", name="mine")
    body = {"network_id": made["id"], "cidr": "10.5.0.0/24", "ip_version": 4} | members
    assert net("POST", "/subnets", {"subnet": body}).status == 400
    assert net("GET", "/subnets").body == {"subnets": []}


def test_ranges_do_not_overlap(net: Net) -> None:
    network(net)
    made = net.make("networks", "network", name="second")
    body = {"subnet": {"network_id": made["id"], "cidr": "10.5.0.128/25", "ip_version": 4}}
    assert net("POST", "/subnets", body).status == 409
    assert net("GET", f"/networks/{made['id']}").body["network"]["subnets"] == []


def test_lists_are_filtered_sorted_and_paged(net: Net) -> None:
    for number, name in enumerate(("b", "a", "c")):
        network(net, name, f"10.{number}.0.0/24")

    def names(query: str) -> list[str]:
        return [n["name"] for n in net("GET", f"/networks?{query}").body["networks"]]

    assert (names("name=a&name=c"), names("shared=True"), names("router:external=False&name=b")) == (
        ["a", "c"], [], ["b"])
    assert names("sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    first = net("GET", "/networks?sort_key=name&limit=2").body
    assert [n["name"] for n in first["networks"]] == ["a", "b"]
    assert first["networks_links"][0]["rel"] == "next"
    assert names(f"sort_key=name&limit=2&marker={first['networks'][1]['id']}") == ["c"]
    assert net("GET", "/networks?fields=name&name=a").body == {"networks": [{"name": "a"}]}
    for wrong in ("sort_key=nope", "limit=x", f"marker={UNKNOWN}"):
        assert net("GET", f"/networks?{wrong}").status == 400


# -- ports -------------------------------------------------------------------------------------------------------------


def test_a_port_outlives_the_server_it_is_brought_to(net: Net) -> None:
    where = network(net)
    port = net.make("ports", "port", network_id=where["id"], name="p", fixed_ips=[{"ip_address": "10.5.0.77"}])
    assert port.items() >= {"name": "p", "device_id": "", "device_owner": "", "status": "DOWN",
                            "project_id": PROJECTS["demo"]}.items()
    server = networked.server(net.api, requested=[{"port": port["id"], "tag": "lan"}])
    shown = net("GET", f"/ports/{port['id']}").body["port"]
    assert (shown["device_id"], shown["device_owner"], shown["status"]) == (server, "compute:nova", "ACTIVE")
    [interface] = net.api("GET", f"/servers/{server}/os-interface", version="2.70").body["interfaceAttachments"]
    assert (interface["port_id"], interface["tag"]) == (port["id"], "lan")
    assert interface["fixed_ips"][0]["ip_address"] == "10.5.0.77"
    assert net("DELETE", f"/ports/{port['id']}").status == 409
    with net.api.database.write() as conn:
        networked.allocation.release(conn, server)
    assert net("GET", f"/ports/{port['id']}").body["port"] == port
    assert net("DELETE", f"/ports/{port['id']}").status == 204
    assert net("GET", "/ports").body == {"ports": []}


def test_creates_name_ports(net: Net) -> None:
    where = network(net)
    port = net.make("ports", "port", network_id=where["id"])

    def create(entry: dict[str, Any], **more: Any) -> int:
        body = {"server": {"name": "vm", "flavorRef": "1", "imageRef": networked.IMAGE, "networks": [entry], **more}}
        return net.api("POST", "/servers", body).status

    assert create({"port": UNKNOWN}) == 400
    assert create({"port": port["id"]}, min_count=2) == 400
    assert create({"port": port["id"]}) == 202
    networked.server(net.api, requested=[{"port": port["id"]}])
    assert create({"port": port["id"]}) == 409
    theirs = net.make("ports", "port", who="admin", network_id=where["id"], project_id=PROJECTS["other"])
    assert create({"port": theirs["id"]}) == 400


def test_ports_and_their_groups(net: Net) -> None:
    where = network(net)
    group = net.make("security-groups", "security_group", name="web")
    port = net.make("ports", "port", network_id=where["id"], security_groups=[group["id"]])
    server = networked.server(net.api, requested=[{"port": port["id"]}])
    assert net("DELETE", f"/security-groups/{group['id']}").status == 409
    assert networked.row(net.api, server)["network_info"][0]["security_groups"] == ["web"]
    changed = net("PUT", f"/ports/{port['id']}", {"port": {"security_groups": [], "name": "n"}}).body["port"]
    assert (changed["security_groups"], changed["name"]) == ([], "n")
    assert networked.row(net.api, server)["network_info"][0]["security_groups"] == []
    assert net("PUT", f"/ports/{port['id']}", {"port": {"security_groups": [UNKNOWN]}}).status == 404
    assert net("DELETE", f"/security-groups/{group['id']}").status == 204


@pytest.mark.parametrize("members, status", [
    ({"network_id": UNKNOWN}, 404), ({"fixed_ips": [{"ip_address": "10.9.9.9"}]}, 400),
    ({"fixed_ips": [{"ip_address": "10.5.0.1"}]}, 400), ({"fixed_ips": [{"subnet_id": UNKNOWN}]}, 400),
    ({"security_groups": [UNKNOWN]}, 404), ({"mac_address": "x"}, 400), ({"device_id": "x"}, 400)])
def test_ports_that_cannot_be(net: Net, members: dict[str, Any], status: int) -> None:
    where = network(net)
    assert net("POST", "/ports", {"port": {"network_id": where["id"]} | members}).status == status
    assert net("GET", "/ports").body == {"ports": []}


def test_ports_of_others(net: Net) -> None:
    port = net.make("ports", "port", network_id=network(net)["id"], mac_address="FA:16:3E:00:00:01")
    at = f"/ports/{port['id']}"
    assert [net(m, at, who="other").status for m in ("GET", "DELETE")] == [404, 404]
    assert net("GET", "/ports", who="other").body == {"ports": []}
    assert net("GET", "/ports?mac_address=fa:16:3e:00:00:01", who="admin").body["ports"][0]["id"] == port["id"]
    assert net("GET", "/ports?fixed_ips=ip_address=10.5.0.99").body == {"ports": []}
    address = port["fixed_ips"][0]["ip_address"]
    assert net("GET", f"/ports?fixed_ips=ip_address%3D{address}").body == {"ports": [port]}
    assert net("DELETE", at, who="reader").status == 403


# -- floating addresses ------------------------------------------------------------------------------------------------


def test_floating_addresses_lead_to_ports(net: Net) -> None:
    network(net)
    public = pool(net)
    server = networked.server(net.api)
    [port] = net("GET", f"/ports?device_id={server}").body["ports"]
    floating = net.make("floatingips", "floatingip", floating_network_id=public, description="d")
    assert floating.items() >= {"floating_ip_address": "192.0.2.1", "floating_network_id": public, "port_id": None,
                                "fixed_ip_address": None, "status": "DOWN", "description": "d"}.items()
    at = f"/floatingips/{floating['id']}"
    led = net("PUT", at, {"floatingip": {"port_id": port["id"]}}).body["floatingip"]
    assert (led["port_id"], led["fixed_ip_address"], led["status"]) == (
        port["id"], port["fixed_ips"][0]["ip_address"], "ACTIVE")
    assert networked.row(net.api, server)["network_info"][0]["ips"][0]["floating_ips"] == ["192.0.2.1"]
    assert net("GET", f"/floatingips?port_id={port['id']}").body == {"floatingips": [led]}
    assert net.api("GET", "/os-floating-ips").body["floating_ips"][0]["instance_id"] == server
    assert net("PUT", at, {"floatingip": {"port_id": None, "description": ""}}).body["floatingip"]["port_id"] is None
    at_once = net.make("floatingips", "floatingip", floating_network_id=public, port_id=port["id"])
    assert at_once["port_id"] == port["id"]
    assert net("DELETE", f"/floatingips/{at_once['id']}").status == 204
    assert "floating_ips" not in networked.row(net.api, server)["network_info"][0]["ips"][0]
    assert net("DELETE", f"/networks/{public}", who="admin").status == 409
    assert net("DELETE", at).status == 204
    assert net("DELETE", f"/networks/{public}", who="admin").status == 204
    assert net("GET", "/networks?router:external=true").body == {"networks": []}


def test_whose_floating_addresses(net: Net) -> None:
    public = pool(net)
    floating = net.make("floatingips", "floatingip", floating_network_id=public)
    at = f"/floatingips/{floating['id']}"
    assert [net(m, at, who="other").status for m in ("GET", "DELETE")] == [404, 404]
    asked: dict[str, Any] = {"floatingip": {"floating_network_id": public, "floating_ip_address": "192.0.2.6"}}
    assert net("POST", "/floatingips", asked).status == 403
    assert net("POST", "/floatingips", asked, who="admin").body["floatingip"]["floating_ip_address"] == "192.0.2.6"
    assert net("POST", "/floatingips", asked, who="admin").status == 409
    assert net("POST", "/floatingips", {"floatingip": {"floating_network_id": UNKNOWN}}).status == 404
    assert net("PUT", at, {"floatingip": {"port_id": UNKNOWN}}).status == 404
    subnet = net("GET", "/subnets", who="admin").body["subnets"][0]
    assert net("DELETE", f"/subnets/{subnet['id']}", who="admin").status == 409
    assert net("PUT", f"/networks/{public}", {"network": {"name": "x"}}, who="admin").status == 400
