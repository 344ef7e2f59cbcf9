# SPDX-License-Identifier: Apache-2.0
"""What administrators see: services, hypervisors, aggregates and availability zones."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from nova.db.api import cells as mappings
from nova.db.api import placement
from nova.db.api.tables import services as api_services
from nova.db.cell.tables import services as cell_services
from nova.placement import inventory
from tests.api.compute.conftest import Api


def admin(api: Api, method: str, path: str, body: Any = None, version: str = "2.104") -> Any:
    answer = api(method, path, body, who="admin", version=version)
    assert answer.status < 300, answer
    return answer.body


def refusal(api: Api, method: str, path: str, body: Any = None, version: str = "2.104") -> tuple[int, str]:
    answer = api(method, path, body, who="admin", version=version)
    return answer.status, next(iter(answer.body.values()))["message"]


def compute(api: Api, host: str = "host1") -> dict[str, Any]:
    found: dict[str, Any] = admin(api, "GET", f"/os-services?host={host}&binary=nova-compute")["services"][0]
    return found


def test_services(api: Api) -> None:
    services = admin(api, "GET", "/os-services")["services"]
    assert [(s["binary"], s["host"], s["zone"], s["status"], s["state"]) for s in services] == [
        ("nova-scheduler", "ctl", "internal", "enabled", "up"), ("nova-compute", "host1", "nova", "enabled", "up"),
        ("nova-compute", "host2", "nova", "enabled", "up")]
    assert len(services[1]["id"]) == 36
    assert services[1]["forced_down"] is False
    old = admin(api, "GET", "/os-services", version="2.1")["services"][1]
    assert (old["id"], "forced_down" in old) == (1, False)
    assert len(admin(api, "GET", "/os-services?binary=nova-compute")["services"]) == 2
    assert api("GET", "/os-services", who="demo").status == 403


def test_a_process_with_a_lease_in_each_database_is_listed_once(api: Api) -> None:
    for database, services in ((api.database, api_services), (api.cell, cell_services)):
        with database.write() as conn:
            services.register(conn, uuid=str(uuid.uuid4()), host="ctl", binary="nova-orchestrator", version=1,
                              topic="orchestrator", incarnation="11111111-1111-4111-8111-111111111111")
    listed = admin(api, "GET", "/os-services?binary=nova-orchestrator")["services"]
    assert [(s["host"], s["zone"]) for s in listed] == [("ctl", "internal")]


def test_a_silent_service_is_down(api: Api) -> None:
    with api.cell.write() as conn:
        table = cell_services.services
        conn.execute(table.update().where(table.c.host == "host2").values(last_seen=1000.0))
    assert compute(api, "host2")["state"] == "down"


def test_disabling_by_uuid_and_by_name(api: Api) -> None:
    uuid = compute(api)["id"]
    body = {"status": "disabled", "disabled_reason": "maintenance"}
    changed = admin(api, "PUT", f"/os-services/{uuid}", body)["service"]
    assert (changed["status"], changed["disabled_reason"], changed["state"]) == ("disabled", "maintenance", "up")
    enabled = admin(api, "PUT", f"/os-services/{uuid}", {"status": "enabled"})["service"]
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    down = admin(api, "PUT", f"/os-services/{uuid}", {"forced_down": True})["service"]
    assert (down["forced_down"], down["state"]) == (True, "down")
    named = {"host": "host2", "binary": "nova-compute"}
    assert admin(api, "PUT", "/os-services/disable-log-reason", named | {"disabled_reason": "x"}, "2.1") == {
        "service": named | {"status": "disabled", "disabled_reason": "x"}}
    assert admin(api, "PUT", "/os-services/enable", named, "2.1") == {"service": named | {"status": "enabled"}}
    assert admin(api, "PUT", "/os-services/force-down", named | {"forced_down": True}, "2.11") == {
        "service": named | {"forced_down": True}}


@pytest.mark.parametrize(("body", "message"), [
    ({}, "No updates were requested."), ({"disabled_reason": "x"}, "No updates were requested."),
    ({"status": "enabled", "disabled_reason": "x"}, "requires that status is 'disabled'"),
    ({"status": "banana"}, "is not one of"), ({"status": "disabled", "disabled_reason": " "}, "does not match")])
def test_bad_changes_of_services(api: Api, body: dict[str, Any], message: str) -> None:
    status, told = refusal(api, "PUT", f"/os-services/{compute(api)['id']}", body)
    assert (status, message in told) == (400, True), told


def test_services_that_cannot_be_changed(api: Api) -> None:
    scheduler = admin(api, "GET", "/os-services?binary=nova-scheduler")["services"][0]["id"]
    assert refusal(api, "PUT", f"/os-services/{scheduler}", {"status": "disabled"})[0] == 400
    assert refusal(api, "PUT", "/os-services/nope", {"status": "disabled"}) == (400, "Invalid uuid nope")
    unknown = "60410716-a418-49db-98b2-cc5c5a48e5dd"
    assert refusal(api, "PUT", f"/os-services/{unknown}", {"status": "disabled"}) == (
        404, f"Service {unknown} could not be found.")
    named = {"host": "nope", "binary": "nova-compute"}
    assert refusal(api, "PUT", "/os-services/enable", named, "2.1") == (
        404, "Could not find binary nova-compute on host nope.")
    assert refusal(api, "PUT", "/os-services/banana", named, "2.1") == (404, "Unknown action")
    assert refusal(api, "PUT", "/os-services/disable-log-reason", named, "2.1") == (
        400, "Missing disabled reason field")


def test_deleting_a_host(api: Api) -> None:
    uuid = compute(api)["id"]
    node = admin(api, "GET", "/os-hypervisors")["hypervisors"][0]["id"]
    with api.database.write() as conn:
        inventory.create_provider(conn, node, "host1")
    server = api.server()
    status, told = refusal(api, "DELETE", f"/os-services/{uuid}")
    assert (status, "is hosting instances" in told) == (409, True)
    with api.cell.write() as conn:
        from nova.db.cell.instances import instances
        conn.execute(instances.update().where(instances.c.uuid == server).values(deleted=True))
    admin(api, "DELETE", f"/os-services/{uuid}")
    assert [h["hypervisor_hostname"] for h in admin(api, "GET", "/os-hypervisors")["hypervisors"]] == ["host2"]
    with api.database.read() as conn:
        assert [row["host"] for row in mappings.list_hosts(conn)] == ["host2"]
        assert conn.execute(placement.providers.select()).all() == []


def test_hypervisors_at_every_turn(api: Api) -> None:
    api.server(task_state="powering-off")
    old = admin(api, "GET", "/os-hypervisors/detail", version="2.1")["hypervisors"][0]
    assert old == {
        "id": 1, "hypervisor_hostname": "host1", "state": "up", "status": "enabled", "hypervisor_type": "fake",
        "hypervisor_version": 1000, "host_ip": "127.0.0.1", "service": {"id": 1, "host": "host1",
                                                                        "disabled_reason": None},
        "vcpus": 8, "memory_mb": 8192, "local_gb": 100, "vcpus_used": 1, "memory_mb_used": 576, "local_gb_used": 1,
        "free_ram_mb": 7616, "free_disk_gb": 99, "current_workload": 1, "running_vms": 1, "disk_available_least": 99,
        "cpu_info": '{"arch":"x86_64"}'}
    assert admin(api, "GET", "/os-hypervisors/1", version="2.28")["hypervisor"]["cpu_info"] == {"arch": "x86_64"}
    new = admin(api, "GET", "/os-hypervisors/detail")["hypervisors"][0]
    assert set(new) == {"id", "hypervisor_hostname", "state", "status", "hypervisor_type", "hypervisor_version",
                        "host_ip", "service", "uptime"}
    assert admin(api, "GET", f"/os-hypervisors/{new['id']}") == {"hypervisor": new}
    statistics = admin(api, "GET", "/os-hypervisors/statistics", version="2.1")["hypervisor_statistics"]
    assert (statistics["count"], statistics["vcpus"], statistics["running_vms"]) == (2, 16, 1)
    assert admin(api, "GET", "/os-hypervisors/1/uptime", version="2.1")["hypervisor"]["uptime"] == "up 3 days"


def test_servers_of_hypervisors(api: Api) -> None:
    uuid = api.server()
    shown = [{"name": "instance-00000001", "uuid": uuid}]
    new = admin(api, "GET", "/os-hypervisors?with_servers=true")["hypervisors"]
    assert [h["servers"] for h in new] == [shown, []]
    old = admin(api, "GET", "/os-hypervisors/host/servers", version="2.1")["hypervisors"]
    assert [h.get("servers") for h in old] == [shown, None]
    assert [h["hypervisor_hostname"] for h in admin(
        api, "GET", "/os-hypervisors/host2/search", version="2.1")["hypervisors"]] == ["host2"]
    found = admin(api, "GET", "/os-hypervisors?hypervisor_hostname_pattern=ST1", version="2.53")["hypervisors"]
    assert [h["hypervisor_hostname"] for h in found] == ["host1"]


def test_hypervisors_in_pages(api: Api) -> None:
    first = admin(api, "GET", "/os-hypervisors?limit=1")
    marker = first["hypervisors"][0]["id"]
    assert first["hypervisors_links"][0]["href"].endswith(f"/os-hypervisors?limit=1&marker={marker}")
    rest = admin(api, "GET", f"/os-hypervisors?marker={marker}")["hypervisors"]
    assert [h["hypervisor_hostname"] for h in rest] == ["host2"]
    assert refusal(api, "GET", "/os-hypervisors?marker=x") == (400, "marker [x] not found")
    assert refusal(api, "GET", "/os-hypervisors?limit=1&hypervisor_hostname_pattern=h")[0] == 400
    assert refusal(api, "GET", "/os-hypervisors?hypervisor_hostname_pattern=zzz")[0] == 404
    unknown = "60410716-a418-49db-98b2-cc5c5a48e5dd"
    assert refusal(api, "GET", f"/os-hypervisors/{unknown}") == (
        404, f"Hypervisor with ID '{unknown}' could not be found.")
    assert refusal(api, "GET", "/os-hypervisors/statistics", version="2.88")[0] in (400, 404)


def test_an_aggregate_from_creation_to_deletion(api: Api) -> None:
    made = admin(api, "POST", "/os-aggregates", {"aggregate": {"name": "fast", "availability_zone": None}})["aggregate"]
    number = made["id"]
    assert set(made) == {"id", "uuid", "name", "created_at", "updated_at", "deleted_at", "deleted", "availability_zone"}
    path, action = f"/os-aggregates/{number}", f"/os-aggregates/{number}/action"
    assert refusal(api, "POST", "/os-aggregates", {"aggregate": {"name": "fast"}}) == (
        409, "Aggregate fast already exists.")
    ssd = admin(api, "POST", action, {"set_metadata": {"metadata": {"ssd": "true", "old": "x"}}})["aggregate"]
    assert ssd["metadata"] == {"ssd": "true", "old": "x"}
    admin(api, "POST", action, {"set_metadata": {"metadata": {"old": None}}})
    added = admin(api, "POST", action, {"add_host": {"host": "host1"}})["aggregate"]
    assert (added["hosts"], added["metadata"]) == (["host1"], {"ssd": "true"})
    assert refusal(api, "POST", action, {"add_host": {"host": "host1"}}) == (
        409, f"Aggregate {number} already has host host1.")
    assert refusal(api, "POST", action, {"add_host": {"host": "nope"}}) == (
        404, "Compute host nope could not be found.")
    assert refusal(api, "DELETE", path) == (
        400, f"Cannot remove host from aggregate {number}. Reason: Host aggregate is not empty.")
    admin(api, "PUT", path, {"aggregate": {"name": "faster", "availability_zone": "east"}})
    assert admin(api, "GET", path)["aggregate"]["metadata"] == {"ssd": "true", "availability_zone": "east"}
    assert "uuid" not in admin(api, "GET", path, version="2.40")["aggregate"]
    assert admin(api, "POST", action, {"remove_host": {"host": "host1"}})["aggregate"]["hosts"] == []
    assert refusal(api, "POST", action, {"remove_host": {"host": "host1"}})[0] == 404
    admin(api, "DELETE", path)
    assert refusal(api, "GET", path) == (404, f"Aggregate {number} could not be found.")
    assert refusal(api, "GET", "/os-aggregates/x")[0] == 400
    assert [refusal(api, method, "/os-aggregates/-1")[0] for method in ("GET", "DELETE")] == [404, 404]


def test_a_host_is_in_one_zone(api: Api) -> None:
    numbers = []
    for name, zone in (("a", "east"), ("b", "west"), ("c", None)):
        body = {"aggregate": {"name": name, "availability_zone": zone}}
        numbers.append(admin(api, "POST", "/os-aggregates", body)["aggregate"]["id"])
    east, west, none = (f"/os-aggregates/{n}/action" for n in numbers)
    admin(api, "POST", east, {"add_host": {"host": "host1"}})
    status, told = refusal(api, "POST", west, {"add_host": {"host": "host1"}})
    assert (status, "already in availability zone(s) ['east']" in told) == (409, True)
    admin(api, "POST", none, {"add_host": {"host": "host1"}})
    assert refusal(api, "POST", none, {"set_metadata": {"metadata": {"availability_zone": "west"}}})[0] == 400
    zones = {z["zoneName"]: z for z in admin(api, "GET", "/os-availability-zone/detail")["availabilityZoneInfo"]}
    assert set(zones) == {"east", "internal", "nova"}
    assert set(zones["east"]["hosts"]) == {"host1"}
    assert zones["nova"]["hosts"]["host2"]["nova-compute"]["available"] is True
    public = api("GET", "/os-availability-zone").body["availabilityZoneInfo"]
    assert public == [{"zoneName": name, "zoneState": {"available": True}, "hosts": None} for name in ("east", "nova")]
    assert api("GET", "/os-availability-zone/detail").status == 403


def test_servers_keep_their_zone(api: Api) -> None:
    api.server()
    number = admin(api, "POST", "/os-aggregates", {"aggregate": {"name": "a", "availability_zone": "east"}})
    action = f"/os-aggregates/{number['aggregate']['id']}/action"
    status, told = refusal(api, "POST", action, {"add_host": {"host": "host1"}})
    assert (status, "contain instances" in told) == (409, True)
    admin(api, "POST", action, {"add_host": {"host": "host2"}})


def test_extensions(api: Api) -> None:
    listed = api("GET", "/extensions").body["extensions"]
    assert len(listed) == 99
    one = api("GET", "/extensions/os-keypairs").body["extension"]
    assert one in listed
    assert one["name"] == "Keypairs"
    assert api("GET", "/extensions/nope").status == 404
