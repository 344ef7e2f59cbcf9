# SPDX-License-Identifier: Apache-2.0
"""Security groups, quotas and what the Networking API tells of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.compute.conftest import PROJECTS
from tests.api.network.conftest import Net

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def add(net: Net, group: str, **members: Any) -> Any:
    values = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 22,
              "port_range_max": 22} | members
    return net("POST", "/security-group-rules", {"security_group_rule": values})


def test_groups_and_rules(net: Net) -> None:
    group = net.make("security-groups", "security_group", name="web", description="d")
    assert sorted((r["direction"], r["ethertype"]) for r in group["security_group_rules"]) == [
        ("egress", "IPv4"), ("egress", "IPv6")]
    rule = add(net, group["id"], remote_ip_prefix="10.0.0.0/8", description="ssh").body["security_group_rule"]
    assert rule.items() >= {
        "security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
        "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.0/8", "remote_group_id": None,
        "description": "ssh", "project_id": PROJECTS["demo"]}.items()
    assert net("GET", f"/security-group-rules/{rule['id']}").body == {"security_group_rule": rule}
    assert net("GET", f"/security-group-rules?security_group_id={group['id']}&direction=ingress").body == {
        "security_group_rules": [rule]}
    [old] = net.api("GET", f"/os-security-groups/{group['id']}").body["security_group"]["rules"]
    assert (old["id"], old["ip_range"]) == (rule["id"], {"cidr": "10.0.0.0/8"})
    assert add(net, group["id"], remote_ip_prefix="10.0.0.0/8").status == 409
    assert net("DELETE", f"/security-group-rules/{rule['id']}").status == 204
    assert net("GET", f"/security-group-rules/{rule['id']}").status == 404
    renamed = net("PUT", f"/security-groups/{group['id']}", {"security_group": {"name": "http"}}).body
    assert (renamed["security_group"]["name"], renamed["security_group"]["description"]) == ("http", "d")
    assert {g["name"] for g in net("GET", "/security-groups").body["security_groups"]} == {"default", "http"}
    assert net("POST", "/security-groups", {"security_group": {"name": "http"}}).status == 409
    assert net("DELETE", f"/security-groups/{group['id']}").status == 204
    assert net("GET", f"/security-groups/{group['id']}").status == 404


@pytest.mark.parametrize("members, status", [
    ({"protocol": "6", "port_range_min": 1, "port_range_max": 2}, 201), ({"protocol": "icmp", "port_range_min": 8,
                                                                          "port_range_max": 0}, 201),
    ({"protocol": None, "port_range_min": None, "port_range_max": None}, 201),
    ({"protocol": "112", "port_range_min": None, "port_range_max": None}, 201),
    ({"ethertype": "IPv6", "remote_ip_prefix": "fd00::/8"}, 201), ({"direction": "egress"}, 201),
    ({"protocol": "banana"}, 400), ({"protocol": None}, 400), ({"port_range_min": 23}, 400),
    ({"port_range_max": -1}, 400),
    ({"port_range_max": 65536}, 400), ({"protocol": "icmp", "port_range_min": 256}, 400), ({"direction": "up"}, 400),
    ({"protocol": "icmp", "port_range_min": None, "port_range_max": 0}, 400),
    ({"remote_ip_prefix": "10.0.0.0/40"}, 400),
    ({"remote_ip_prefix": "fd00::/8"}, 400), ({"remote_group_id": UNKNOWN}, 404), ({"security_group_id": UNKNOWN}, 404),
    ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "self"}, 400)])
def test_rules_that_can_and_cannot_be(net: Net, members: dict[str, Any], status: int) -> None:
    group = net.make("security-groups", "security_group", name="web")
    named = {k: group["id"] if v == "self" else v for k, v in members.items()}
    assert add(net, group["id"], **named).status == status
    there = net("GET", f"/security-groups/{group['id']}").body["security_group"]["security_group_rules"]
    assert len(there) == 2 + (status == 201)


def test_groups_of_others(net: Net) -> None:
    group = net.make("security-groups", "security_group", name="web")
    at = f"/security-groups/{group['id']}"
    assert [net(m, at, who="other").status for m in ("GET", "DELETE")] == [404, 404]
    rule = group["security_group_rules"][0]["id"]
    assert [net(m, f"/security-group-rules/{rule}", who="other").status for m in ("GET", "DELETE")] == [404, 404]
    assert "web" in {g["name"] for g in net("GET", "/security-groups", who="admin").body["security_groups"]}
    assert net("DELETE", at, who="reader").status == 403
    default = net("GET", "/security-groups?name=default").body["security_groups"][0]
    assert net("DELETE", f"/security-groups/{default['id']}").status == 409


def test_quotas(net: Net) -> None:
    demo = PROJECTS["demo"]
    at = f"/quotas/{demo}"
    limits = {"network": -1, "subnet": -1, "subnetpool": -1, "port": -1, "router": -1, "rbac_policy": -1,
              "floatingip": 10, "security_group": 10, "security_group_rule": 20}
    assert net("GET", at).body == net("GET", at + "/default").body == {"quota": limits}
    net.make("security-groups", "security_group", name="web")
    assert net("GET", at + "/details").body["quota"]["security_group"] == {"limit": 10, "used": 2, "reserved": 0}
    changed = net("PUT", at, {"quota": {"security_group": 2, "port": 5, "check_limit": True}}, who="admin").body
    assert changed == {"quota": limits | {"security_group": 2}}
    assert net("PUT", at, {"quota": {"security_group": 1, "check_limit": True}}, who="admin").status == 400
    full = net("POST", "/security-groups", {"security_group": {"name": "third"}})
    assert (full.status, full.body["NeutronError"]["type"]) == (403, "OverQuota")
    assert net.api("GET", f"/os-quota-sets/{demo}").body["quota_set"]["security_groups"] == 2
    assert [q["project_id"] for q in net("GET", "/quotas", who="admin").body["quotas"]] == [demo]
    assert [net("PUT", at, {"quota": {}}).status, net("DELETE", at).status] == [403, 403]
    assert net("GET", f"/quotas/{PROJECTS['other']}").status == 403
    assert net("DELETE", at, who="admin").status == 204
    assert net("GET", at).body == {"quota": limits}


def test_what_the_api_tells_of_itself(net: Net) -> None:
    aliases = {e["alias"] for e in net("GET", "/extensions").body["extensions"]}
    assert {"security-group", "router", "external-net", "quotas"} <= aliases
    assert net("GET", "/extensions/quotas").body["extension"]["alias"] == "quotas"
    assert net("GET", "/extensions/nope").status == 404
    assert {r["collection"] for r in net("GET", "", who=None).body["resources"]} >= {"networks", "ports"}
    assert net("GET", "/routers").body == {"routers": []}
    missing = net("GET", f"/routers/{UNKNOWN}")
    assert (missing.status, missing.body["NeutronError"]["type"]) == (404, "NotFound")
    assert net("GET", "/networks", who=None).status == 401
