# SPDX-License-Identifier: Apache-2.0
"""Security groups: made, filled with rules, put on servers, and taken away again; all of it is read back."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.api import cells as mappings
from nova.db.api import network_queries
from nova.db.api.networks import network_changes
from tests.api.compute import networked
from tests.api.compute.conftest import IMAGE, PROJECTS, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"
GROUPS, RULES = "/os-security-groups", "/os-security-group-rules"


def make(api: Api, name: str = "web", who: str = "demo") -> dict[str, Any]:
    answer = api("POST", GROUPS, {"security_group": {"name": name, "description": "for tests"}}, who=who)
    assert answer.status == 200, answer
    group: dict[str, Any] = answer.body["security_group"]
    return group


def add_rule(api: Api, group: str, **members: Any) -> Any:
    values = {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/24"} | members
    body = {"parent_group_id": group} | {k: v for k, v in values.items() if v is not ...}
    return api("POST", RULES, {"security_group_rule": body})


def test_a_project_has_the_group_default_from_the_first_look_on(api: Api) -> None:
    listed = api("GET", GROUPS).body["security_groups"]
    assert [(g["name"], g["tenant_id"]) for g in listed] == [("default", PROJECTS["demo"])]
    mutual = {"group": {"name": "default", "tenant_id": PROJECTS["demo"]}, "ip_range": {}, "ip_protocol": None,
              "from_port": None, "to_port": None, "parent_group_id": listed[0]["id"]}
    assert [{k: v for k, v in r.items() if k != "id"} for r in listed[0]["rules"]] == [mutual, mutual]
    assert api("GET", GROUPS).body["security_groups"] == listed
    assert api("DELETE", f"{GROUPS}/{listed[0]['id']}").status == 400
    body = {"security_group": {"name": "other", "description": ""}}
    assert api("PUT", f"{GROUPS}/{listed[0]['id']}", body).status == 400


def test_groups_are_made_shown_renamed_and_deleted(api: Api) -> None:
    group = make(api, "web ")
    assert group == {"id": group["id"], "name": "web ", "description": "for tests", "tenant_id": PROJECTS["demo"],
                     "rules": []}
    at = f"{GROUPS}/{group['id']}"
    assert api("GET", at, who="reader").body == {"security_group": group}
    renamed = group | {"name": "http", "description": ""}
    body = {"security_group": {"name": "http", "description": ""}}
    assert api("PUT", at, body).body == {"security_group": renamed}
    assert [g["name"] for g in api("GET", GROUPS).body["security_groups"]] == ["default", "http"]
    assert [g["name"] for g in api("GET", GROUPS + "?limit=1&offset=1").body["security_groups"]] == ["http"]
    assert api("DELETE", at).status == 202
    assert [api(method, at, sent).status for method, sent in (("GET", None), ("PUT", body), ("DELETE", None))] == [
        404, 404, 404]


def test_groups_of_others(api: Api) -> None:
    group = make(api)
    make(api, "theirs", who="other")
    at = f"{GROUPS}/{group['id']}"
    assert [api(m, at, who="other").status for m in ("GET", "DELETE")] == [404, 404]
    assert api("GET", at, who="admin").status == 200
    body = {"security_group": {"name": "x", "description": ""}}
    assert [api("POST", GROUPS, body, who="reader").status, api("DELETE", at, who="reader").status] == [403, 403]
    assert "theirs" not in {g["name"] for g in api("GET", GROUPS + "?all_tenants=1").body["security_groups"]}
    everybody = api("GET", GROUPS + "?all_tenants=1", who="admin").body["security_groups"]
    assert {"web", "theirs"} <= {g["name"] for g in everybody}


@pytest.mark.parametrize("name, description", [
    ("", "d"), ("  ", "d"), ("n" * 256, "d"), ("n", "d" * 256), (7, "d"), (None, "d"), ("default", "again")])
def test_names_that_cannot_be(api: Api, name: Any, description: Any) -> None:
    body = {"security_group": {"name": name, "description": description}}
    assert api("POST", GROUPS, body).status == 400
    assert api("PUT", f"{GROUPS}/{make(api)['id']}", body).status == 400
    assert {g["name"] for g in api("GET", GROUPS).body["security_groups"]} == {"default", "web"}


def test_a_name_is_given_once_in_a_project(api: Api) -> None:
    make(api)
    again = api("POST", GROUPS, {"security_group": {"name": "web", "description": ""}})
    assert again.body["badRequest"]["message"] == f"Security group web already exists for project {PROJECTS['demo']}."
    make(api, who="other")


@pytest.mark.parametrize("method, path, status", [
    ("GET", f"{GROUPS}/x", 400), ("GET", f"{GROUPS}/{UNKNOWN}", 404), ("DELETE", f"{GROUPS}/x", 400),
    ("GET", f"{GROUPS}/7", 404), ("DELETE", f"{GROUPS}/7", 404), ("DELETE", f"{RULES}/7", 404),
    ("DELETE", f"{RULES}/x", 400), ("DELETE", f"{RULES}/{UNKNOWN}", 404)])
def test_ids_are_uuids(api: Api, method: str, path: str, status: int) -> None:
    assert api(method, path).status == status
    assert api(method, path, version="2.36").status == 404


@pytest.mark.parametrize("members, shown", [
    ({}, ("tcp", 22, 22, "10.0.0.0/24")), ({"from_port": "80", "to_port": "90"}, ("tcp", 80, 90, "10.0.0.0/24")),
    ({"cidr": None, "ip_protocol": "UDP"}, ("udp", 22, 22, "0.0.0.0/0")),
    ({"cidr": "10.1.2.3"}, ("tcp", 22, 22, "10.1.2.3/32")), ({"cidr": "10.2.3.4/24"}, ("tcp", 22, 22, "10.2.3.4/24")),
    ({"cidr": "::/0"}, ("tcp", 22, 22, "::/0")),
    ({"ip_protocol": "icmp", "from_port": -1, "to_port": -1}, ("icmp", -1, -1, "10.0.0.0/24")),
    ({"ip_protocol": "icmp", "from_port": 8, "to_port": 0}, ("icmp", 8, 0, "10.0.0.0/24"))])
def test_rules_that_can_be(api: Api, members: dict[str, Any], shown: tuple[Any, ...]) -> None:
    group = make(api)
    rule = add_rule(api, group["id"], **members).body["security_group_rule"]
    assert (rule["ip_protocol"], rule["from_port"], rule["to_port"], rule["ip_range"]["cidr"]) == shown
    assert (rule["group"], rule["parent_group_id"]) == ({}, group["id"])
    assert api("GET", f"{GROUPS}/{group['id']}").body["security_group"]["rules"] == [rule]
    assert add_rule(api, group["id"], **members).status == 400
    assert api("DELETE", f"{RULES}/{rule['id']}").status == 202
    assert api("GET", f"{GROUPS}/{group['id']}").body["security_group"]["rules"] == []


@pytest.mark.parametrize("members", [
    {"ip_protocol": "gre"}, {"from_port": 0}, {"to_port": 65536}, {"from_port": 23}, {"from_port": "ssh"},
    {"cidr": "10.0.0.0/33"}, {"cidr": "10.1.2.3/0"}, {"cidr": "here"},
    {"cidr": f"10.0.0.0/{'8'.zfill(60)}"}, {"cidr": "fe80::1%eth0/64"}, {"ip_protocol": None}, {"from_port": None},
    {"to_port": ...}, {"ip_protocol": "icmp", "from_port": 256, "to_port": 0}, {"extra": 1},
    {"ip_protocol": "icmp", "from_port": "a", "to_port": 0}, {"parent_group_id": "x"}, {"group_id": "x"}])
def test_rules_that_cannot_be(api: Api, members: dict[str, Any]) -> None:
    group = make(api)
    assert add_rule(api, group["id"], **members).status == 400
    assert api("GET", f"{GROUPS}/{group['id']}").body["security_group"]["rules"] == []


def test_rules_may_name_a_group_as_source(api: Api) -> None:
    web, database = make(api), make(api, "db")
    bare: dict[str, Any] = {"cidr": ..., "from_port": ..., "to_port": ..., "group_id": web["id"]}
    rule = add_rule(api, database["id"], **bare).body["security_group_rule"]
    assert rule | {"id": ""} == {
        "id": "", "parent_group_id": database["id"], "ip_protocol": "tcp", "from_port": 1, "to_port": 65535,
        "group": {"name": "web", "tenant_id": PROJECTS["demo"]}, "ip_range": {}}
    everything = add_rule(api, database["id"], **bare, ip_protocol=...).body["security_group_rule"]
    assert (everything["ip_protocol"], everything["from_port"]) == (None, None)
    assert add_rule(api, database["id"], group_id=UNKNOWN).status == 404
    assert add_rule(api, UNKNOWN).status == 404
    assert api("DELETE", f"{GROUPS}/{web['id']}").status == 202
    assert api("GET", f"{GROUPS}/{database['id']}").body["security_group"]["rules"] == []


def test_rules_of_others(api: Api) -> None:
    rule = add_rule(api, make(api)["id"]).body["security_group_rule"]
    assert api("DELETE", f"{RULES}/{rule['id']}", who="other").status == 404
    theirs = make(api, "theirs", who="other")
    assert add_rule(api, theirs["id"]).status == 404
    assert api("DELETE", f"{RULES}/{rule['id']}", who="reader").status == 403


def test_quota_of_groups_and_rules(api: Api) -> None:
    limits = {"quota_set": {"security_groups": 2, "security_group_rules": 1}}
    assert api("PUT", f"/os-quota-sets/{PROJECTS['demo']}", limits, who="admin").body["quota_set"].items() >= limits[
        "quota_set"].items()
    group = make(api)
    assert api("POST", GROUPS, {"security_group": {"name": "third", "description": ""}}).status == 403
    assert add_rule(api, group["id"]).status == 200
    assert add_rule(api, group["id"], from_port=20).status == 403
    used = api("GET", f"/os-quota-sets/{PROJECTS['demo']}/detail").body["quota_set"]["security_groups"]
    assert used == {"limit": 2, "in_use": 2, "reserved": 0}
    absolute = api("GET", "/limits").body["limits"]["absolute"]
    assert (absolute["maxSecurityGroups"], absolute["totalSecurityGroupsUsed"]) == (2, 2)


# -- servers -----------------------------------------------------------------------------------------------------------


def of(api: Api, server: str) -> set[str]:
    return {g["name"] for g in api("GET", f"/servers/{server}/os-security-groups").body["security_groups"]}


def act(api: Api, server: str, action: str, name: str, **more: Any) -> int:
    return api("POST", f"/servers/{server}/action", {action: {"name": name}}, **more).status


def test_servers_join_and_leave_groups(api: Api) -> None:
    networked.network(api)
    group, server = make(api), networked.server(api)
    assert of(api, server) == {"default"}
    assert act(api, server, "addSecurityGroup", "web") == 202
    assert act(api, server, "addSecurityGroup", "web") == 400
    assert of(api, server) == {"default", "web"}
    shown = api("GET", f"/servers/{server}").body["server"]["security_groups"]
    assert {g["name"] for g in shown} == {"default", "web"}
    assert api("DELETE", f"{GROUPS}/{group['id']}").status == 400
    assert act(api, server, "removeSecurityGroup", "web", version="2.104") == 202
    assert act(api, server, "removeSecurityGroup", "web") == 400
    assert act(api, server, "removeSecurityGroup", "default") == 202
    assert of(api, server) == set()
    assert "security_groups" not in api("GET", f"/servers/{server}").body["server"]
    assert api("DELETE", f"{GROUPS}/{group['id']}").status == 202


@pytest.mark.parametrize("action", ["addSecurityGroup", "removeSecurityGroup"])
def test_who_may_put_servers_into_groups(api: Api, action: str) -> None:
    networked.network(api)
    server = networked.server(api)
    assert act(api, server, action, "nope") == 404
    assert act(api, server, action, "") == 400
    assert act(api, server, action, "default", who="other") == 404
    assert act(api, server, action, "default", who="reader") == 403
    assert act(api, api.server(), action, "default") == 404
    assert act(api, networked.server(api, host=None), action, "default") == 409
    assert act(api, networked.server(api, locked_by="admin"), action, "default") == 409
    assert of(api, server) == {"default"}


def test_rules_reach_the_documents_of_hosts(api: Api) -> None:
    networked.network(api)
    group = make(api)
    servers = [networked.server(api, groups=("default", "web")) for _ in range(2)]
    before = [networked.row(api, s)["network_info"][0] for s in servers]
    rule = add_rule(api, group["id"], cidr="0.0.0.0/0").body["security_group_rule"]
    add_rule(api, group["id"], ip_protocol="icmp", from_port=8, to_port=-1, cidr="10.0.0.9/24")
    add_rule(api, group["id"], cidr="::/0")
    after = [networked.row(api, s)["network_info"][0] for s in servers]
    assert [vif.get("ingress") for vif in before] == [None, None]
    assert [vif["ingress"] for vif in after] == [[
        {"protocol": "tcp", "ports": [22, 22], "source": None},
        {"protocol": "icmp", "ports": [8, None], "source": "10.0.0.0/24"}]] * 2
    assert all(new["version"] > old["version"] for old, new in zip(before, after, strict=True))
    api("DELETE", f"{RULES}/{rule['id']}")
    assert [r["protocol"] for r in networked.row(api, servers[0])["network_info"][0]["ingress"]] == ["icmp"]
    body = {"security_group": {"name": "renamed", "description": ""}}
    api("PUT", f"{GROUPS}/{group['id']}", body)
    assert networked.row(api, servers[1])["security_groups"] == ["default", "renamed"]
    with api.database.read() as conn:
        assert network_queries.changes(conn) == []


def test_what_a_silent_cell_must_hear_stays_marked(api: Api) -> None:
    """A server that is being made has no cell yet: the change waits for it."""
    networked.network(api)
    group = make(api)
    server = networked.server(api, groups=("web",))
    with api.database.write() as conn:
        m = mappings.instance_mappings
        conn.execute(m.update().where(m.c.instance_uuid == server).values(cell_uuid=None))
    add_rule(api, group["id"])
    with api.database.read() as conn:
        assert [row.instance_uuid for row in conn.execute(network_changes.select())] == [server]
    assert "ingress" not in networked.row(api, server)["network_info"][0]


def test_creates_name_groups(api: Api) -> None:
    group = make(api)

    def create(*names: str) -> Any:
        return api("POST", "/servers", {"server": {
            "name": "vm", "flavorRef": "1", "imageRef": IMAGE, "security_groups": [{"name": n} for n in names]}})

    assert create("nope").body["badRequest"]["message"] == (
        f"Security group nope not found for project {PROJECTS['demo']}.")
    for names, shown in ((("web", "default", "web"), ["web", "default"]), ((group["id"],), ["web"]), ((), ["default"])):
        answer = create(*names)
        assert answer.status == 202
        assert [g["name"] for g in answer.body["server"]["security_groups"]] == shown
