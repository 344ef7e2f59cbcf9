# SPDX-License-Identifier: Apache-2.0
"""What belongs to projects: quotas, quota classes, limits and server groups."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.api import cells as mappings
from nova.db.api import quotas, server_groups
from tests.api.compute.conftest import IMAGE, PROJECTS, Api

DEMO = PROJECTS["demo"]
NOW = {"cores": 20, "instances": 10, "key_pairs": 100, "metadata_items": 128, "ram": 51200,
       "server_group_members": 10, "server_groups": 10}
INJECTED = {"injected_file_content_bytes": 10240, "injected_file_path_bytes": 255, "injected_files": 5}
NETWORK = {"fixed_ips": -1, "floating_ips": 10, "security_group_rules": 20, "security_groups": 10}


@pytest.mark.parametrize(("version", "expected"), [
    ("2.1", NOW | INJECTED | NETWORK), ("2.36", NOW | INJECTED), ("2.57", NOW)])
def test_quotas_at_every_turn(api: Api, version: str, expected: dict[str, int]) -> None:
    assert api("GET", f"/os-quota-sets/{DEMO}", version=version).body == {"quota_set": {"id": DEMO, **expected}}
    assert api("GET", f"/os-quota-sets/{DEMO}/defaults", version=version).body == {
        "quota_set": {"id": DEMO, **expected}}
    detail = api("GET", f"/os-quota-sets/{DEMO}/detail", version=version).body["quota_set"]
    assert detail["cores"] == {"limit": 20, "in_use": 0, "reserved": 0}
    assert set(detail) == {"id", *expected}


def test_quotas_of_a_project_of_a_user_and_back(api: Api) -> None:
    path = f"/os-quota-sets/{DEMO}"
    changed = api("PUT", path, {"quota_set": {"instances": 45, "cores": "30"}}, who="admin", version="2.57")
    assert changed.body == {"quota_set": NOW | {"instances": 45, "cores": 30}}
    assert api("GET", path).body["quota_set"]["instances"] == 45
    assert api("GET", f"/os-quota-sets/{PROJECTS['other']}", who="other").body["quota_set"]["instances"] == 10
    too_much = api("PUT", path + "?user_id=u-demo", {"quota_set": {"instances": 46}}, who="admin")
    assert too_much.body["badRequest"]["message"] == "Quota limit 46 for instances must be less than or equal to 45."
    api("PUT", path + "?user_id=u-demo", {"quota_set": {"instances": 3}}, who="admin")
    assert api("GET", path + "?user_id=u-demo").body["quota_set"]["instances"] == 3
    assert api("GET", path + "?user_id=u-reader").body["quota_set"]["instances"] == 45
    assert api("DELETE", path, who="admin").status == 202
    assert api("GET", path + "?user_id=u-demo").body["quota_set"]["instances"] == 10


def test_usage_and_limits_of_one_user(api: Api) -> None:
    path = f"/os-quota-sets/{DEMO}"
    body = {"server": {"name": "vm", "flavorRef": "2", "imageRef": IMAGE}}
    assert [api("POST", "/servers", body, who=who).status for who in ("demo", "demo", "manager")] == [202] * 3
    group = {"server_group": {"name": "g", "policies": ["affinity"]}}
    assert api("POST", "/os-server-groups", group, who="manager").status == 200

    def used(query: str) -> list[int]:
        detail = api("GET", f"{path}/detail{query}", who="admin").body["quota_set"]
        return [detail[name]["in_use"] for name in ("instances", "cores", "ram", "server_groups")]

    assert used("") == [3, 3, 1536, 1]
    assert used("?user_id=u-demo") == [2, 2, 1024, 0] and used("?user_id=u-manager") == [1, 1, 512, 1]

    def limit(user: str, instances: int, **more: Any) -> int:
        return api("PUT", f"{path}?user_id={user}", {"quota_set": {"instances": instances, **more}}, who="admin").status

    assert limit("u-demo", 1) == 400  # two are there
    assert limit("u-demo", 2) == 200 and limit("u-manager", 8) == 200
    assert limit("u-reader", 1) == 400  # ten are promised to others
    assert limit("u-reader", 1, force=True) == 200
    assert api("PUT", path, {"quota_set": {"instances": 10}}, who="admin").status == 400  # eleven are promised
    assert api("PUT", path, {"quota_set": {"instances": 11}}, who="admin").status == 200
    refused = api("POST", "/servers", body)
    assert (refused.status, refused.body["forbidden"]["message"]) == (
        403, "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances")
    assert api("POST", "/servers", body, who="manager").status == 202
    assert api("DELETE", path + "?user_id=u-demo", who="admin").status == 202
    assert api("POST", "/servers", body).status == 202
    assert limit("u-manager", 9) == 200  # what u-demo was promised is free again


def test_how_many_servers_a_group_may_have(api: Api) -> None:
    group = api("POST", "/os-server-groups", {"server_group": {"name": "g", "policies": ["anti-affinity"]}})
    api("PUT", f"/os-quota-sets/{DEMO}", {"quota_set": {"server_group_members": 2}}, who="admin")
    body = {"server": {"name": "vm", "flavorRef": "2", "imageRef": IMAGE, "min_count": 2},
            "os:scheduler_hints": {"group": group.body["server_group"]["id"]}}
    assert api("POST", "/servers", body).status == 202
    refused = api("POST", "/servers", body)
    assert (refused.status, refused.body["forbidden"]["message"]) == (403, "Quota exceeded, too many servers in group")
    with api.database.read() as conn:
        assert api.deps.quota.usages(conn, DEMO)["instances"] == 2


def test_a_limit_below_usage_must_be_forced(api: Api) -> None:
    with api.database.write() as conn:
        api.deps.quota.charge(conn, DEMO, {"instances": 4, "cores": 4, "ram": 256})
    path = f"/os-quota-sets/{DEMO}"
    refused = api("PUT", path, {"quota_set": {"instances": 3}}, who="admin")
    assert refused.status == 400
    assert "must be greater than or equal to already used and reserved 4" in refused.body["badRequest"]["message"]
    assert api("PUT", path, {"quota_set": {"instances": 3, "force": True}}, who="admin").status == 200
    assert api("PUT", path, {"quota_set": {"instances": -1}}, who="admin").status == 200
    assert api("GET", path + "/detail").body["quota_set"]["instances"] == {"limit": -1, "in_use": 4, "reserved": 0}


@pytest.mark.parametrize(("body", "version"), [
    ({"instances": "many"}, "2.1"), ({"instances": -2}, "2.1"), ({"instances": "-2"}, "2.1"), ({"banana": 1}, "2.1"),
    ({"instances": 2**31}, "2.1"), ({"floating_ips": 1}, "2.36"), ({"injected_files": 1}, "2.57"),
    ({"instances": None}, "2.1"), ({"instances": "99999999999"}, "2.1")])
def test_bad_quotas(api: Api, body: dict[str, Any], version: str) -> None:
    assert api("PUT", f"/os-quota-sets/{DEMO}", {"quota_set": body}, who="admin", version=version).status == 400


def test_quotas_of_others(api: Api) -> None:
    refused = api("GET", f"/os-quota-sets/{DEMO}", who="other")
    assert refused.body["forbidden"]["message"] == \
        "Policy doesn't allow os_compute_api:os-quota-sets:show to be performed."
    assert api("PUT", f"/os-quota-sets/{DEMO}", {"quota_set": {}}).status == 403
    unknown = api("GET", "/os-quota-sets/nobody", who="admin")
    assert unknown.body["badRequest"]["message"] == "Project ID nobody is not a valid project."


def test_quotas_of_a_project_that_is_gone_can_be_removed(api: Api) -> None:
    with api.database.write() as conn:
        quotas.set_limits(conn, "gone", "", {"instances": 3})
        quotas.set_limits(conn, "gone", "somebody", {"instances": 2})
    assert api("DELETE", "/os-quota-sets/gone?user_id=somebody", who="admin").status == 202
    with api.database.read() as conn:
        left = quotas.state(conn, "gone", "somebody")
    assert (left.of_project, left.of_user) == ({"instances": 3}, {})
    assert api("DELETE", "/os-quota-sets/gone", who="admin").status == 202
    with api.database.read() as conn:
        assert quotas.state(conn, "gone").of_project == {}


def test_the_default_class(api: Api) -> None:
    path = "/os-quota-class-sets/default"
    old = {k: v for k, v in (NOW | INJECTED | NETWORK).items() if not k.startswith("server_group")}
    assert api("GET", path, who="admin").body == {"quota_class_set": {"id": "default", **old}}
    assert api("GET", path, who="admin", version="2.57").body == {"quota_class_set": {"id": "default", **NOW}}
    api("PUT", path, {"quota_class_set": {"ram": 1000}}, who="admin", version="2.57")
    assert api("GET", f"/os-quota-sets/{DEMO}").body["quota_set"]["ram"] == 1000
    assert api("GET", "/limits").body["limits"]["absolute"]["maxTotalRAMSize"] == 1000


def test_limits(api: Api) -> None:
    with api.database.write() as conn:
        api.deps.quota.charge(conn, DEMO, {"instances": 2, "cores": 3, "ram": 640})
    newest = api("GET", "/limits", version="2.57").body["limits"]
    assert newest == {"rate": [], "absolute": {
        "maxTotalCores": 20, "maxTotalInstances": 10, "maxTotalKeypairs": 100, "maxServerMeta": 128,
        "maxTotalRAMSize": 51200, "maxServerGroups": 10, "maxServerGroupMembers": 10, "totalRAMUsed": 640,
        "totalCoresUsed": 3, "totalInstancesUsed": 2, "totalServerGroupsUsed": 0}}
    oldest = set(api("GET", "/limits").body["limits"]["absolute"])
    assert {"maxImageMeta", "maxPersonality", "maxTotalFloatingIps", "totalSecurityGroupsUsed"} <= oldest
    assert "maxImageMeta" not in api("GET", "/limits", version="2.39").body["limits"]["absolute"]
    assert api("GET", f"/limits?tenant_id={DEMO}", who="other").status == 403
    assert api("GET", f"/limits?tenant_id={DEMO}", who="admin").body["limits"]["absolute"]["totalCoresUsed"] == 3


OLD_GROUP = {"server_group": {"name": "g", "policies": ["anti-affinity"]}}
NEW_GROUP = {"server_group": {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 3}}}


def test_server_groups_at_every_turn(api: Api) -> None:
    made = api("POST", "/os-server-groups", OLD_GROUP).body["server_group"]
    uuid = made.pop("id")
    assert made == {"name": "g", "policies": ["anti-affinity"], "metadata": {}, "members": []}
    owner = {"project_id": DEMO, "user_id": "u-demo"}
    assert api("GET", f"/os-server-groups/{uuid}", version="2.13").body["server_group"] == made | owner | {"id": uuid}
    assert api("GET", "/os-server-groups", version="2.64").body == {"server_groups": [
        owner | {"id": uuid, "name": "g", "policy": "anti-affinity", "rules": {}, "members": []}]}
    newer = api("POST", "/os-server-groups", NEW_GROUP, version="2.64").body["server_group"]
    assert newer["rules"] == {"max_server_per_host": 3}
    assert api("DELETE", f"/os-server-groups/{uuid}").status == 204
    assert api("GET", f"/os-server-groups/{uuid}").body == {"itemNotFound": {
        "code": 404, "message": f"Instance group {uuid} could not be found."}}


def test_members_are_shown_while_they_live(api: Api) -> None:
    uuid = api("POST", "/os-server-groups", OLD_GROUP).body["server_group"]["id"]
    server, late = api.server(), api.server()
    with api.database.write() as conn:
        assert server_groups.add_member(conn, uuid, server, generation=0)
        assert not server_groups.add_member(conn, uuid, late, generation=0)
    assert api("GET", f"/os-server-groups/{uuid}").body["server_group"]["members"] == [server]
    with api.database.write() as conn:
        conn.execute(mappings.instance_mappings.update().values(queued_for_delete=True))
    assert api("GET", f"/os-server-groups/{uuid}").body["server_group"]["members"] == []


def test_groups_of_others(api: Api) -> None:
    uuid = api("POST", "/os-server-groups", OLD_GROUP).body["server_group"]["id"]
    for method in ("GET", "DELETE"):
        assert api(method, f"/os-server-groups/{uuid}", who="other").status == 404
    assert api("GET", "/os-server-groups", who="other").body == {"server_groups": []}
    assert api("GET", "/os-server-groups?all_projects=1", who="other").body == {"server_groups": []}
    assert len(api("GET", "/os-server-groups?all_projects=1", who="admin").body["server_groups"]) == 1
    assert api("POST", "/os-server-groups", OLD_GROUP, who="reader").status == 403


@pytest.mark.parametrize(("group", "version", "message"), [
    ({"name": "g", "policies": ["storage-affinity"]}, "2.1",
     "Invalid input for field/attribute 0. Value: storage-affinity. 'storage-affinity' is not one of "
     "['anti-affinity', 'affinity']"),
    ({"name": "g", "policies": ["soft-affinity"]}, "2.14", "is not one of"),
    ({"name": "g", "policies": ["affinity"]}, "2.64", "'policy' is a required property"),
    ({"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 3}}, "2.64",
     "Only anti-affinity policy supports rules."),
    ({"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, "2.64", "minimum of 1"),
    ({"name": "", "policies": ["affinity"]}, "2.1", "should be non-empty")])
def test_bad_groups(api: Api, group: dict[str, Any], version: str, message: str) -> None:
    answer = api("POST", "/os-server-groups", {"server_group": group}, version=version)
    assert answer.status == 400
    assert message in answer.body["badRequest"]["message"]


def test_the_limit_of_groups_and_pages(api: Api) -> None:
    api.conf.set_override("server_groups", 3, "quota")
    uuids = [api("POST", "/os-server-groups", OLD_GROUP).body["server_group"]["id"] for _ in range(3)]
    assert api("POST", "/os-server-groups", OLD_GROUP).body["forbidden"]["message"] == \
        "Quota exceeded, too many server groups."
    page = api("GET", "/os-server-groups?limit=1&offset=1").body["server_groups"]
    assert [g["id"] for g in page] == [uuids[1]]
