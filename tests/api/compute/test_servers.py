# SPDX-License-Identifier: Apache-2.0
"""Servers as clients see them: one at every turn of the microversions, lists, changes and actions."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.api import cells as mappings
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from tests import edges
from tests.api.compute.conftest import IMAGE, PROJECTS, Api
from tests.api.compute.servers import ids, show

VIF = {"id": "p", "address": "fa:16:3e:00:00:01", "network": {"label": "private"},
       "ips": [{"address": "10.0.0.5", "version": 4, "type": "fixed"}]}
BASIC = {"accessIPv4", "accessIPv6", "addresses", "created", "flavor", "hostId", "id", "image", "links", "metadata",
         "name", "status", "tenant_id", "user_id", "updated", "OS-DCF:diskConfig", "progress"}
EXTENDED = BASIC | {"OS-EXT-AZ:availability_zone", "config_drive", "key_name", "OS-SRV-USG:launched_at",
                    "OS-SRV-USG:terminated_at", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state",
                    "OS-EXT-STS:power_state", "os-extended-volumes:volumes_attached"}
HOST = {"OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:hypervisor_hostname"}
MORE = {f"OS-EXT-SRV-ATTR:{name}" for name in ("hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id",
                                               "root_device_name", "user_data")}
#: What each microversion adds to what everybody sees, and to what administrators see.
TURNS: list[tuple[str, set[str], set[str]]] = [
    ("2.1", EXTENDED, EXTENDED | HOST), ("2.3", set(), MORE), ("2.9", {"locked"}, {"locked"}),
    ("2.16", set(), {"host_status"}), ("2.19", {"description"}, {"description"}), ("2.26", {"tags"}, {"tags"}),
    ("2.63", {"trusted_image_certificates"}, {"trusted_image_certificates"}),
    ("2.71", {"server_groups"}, {"server_groups"}), ("2.73", {"locked_reason"}, {"locked_reason"}),
    ("2.90", {"OS-EXT-SRV-ATTR:hostname"}, set()),
    ("2.96", {"pinned_availability_zone"}, {"pinned_availability_zone"}),
    ("2.100", {"scheduler_hints"}, {"scheduler_hints"}), ("2.104", set(), set())]


def test_the_members_of_a_server_at_every_turn(api: Api) -> None:
    server = api.server()
    everyone: set[str] = set()
    admins: set[str] = set()
    for version, more, more_for_admins in TURNS:
        everyone, admins = everyone | more, admins | more_for_admins
        assert set(show(api, server, version=version)) == everyone, version
        assert set(show(api, server, version=version, who="admin")) == admins, version
        listed = api("GET", "/servers/detail", version=version).body["servers"][0]
        assert set(listed) == everyone - {"server_groups"}, version


def test_the_values_of_a_server(api: Api) -> None:
    server = api.server(network_info=[VIF], metadata={"k": "v"}, scheduler_hints={"group": "g"}, locked_by="admin",
                        locked_reason="why", tags=["one"], server_group="g")
    shown = show(api, server, version="2.104", who="admin")
    assert shown["addresses"] == {"private": [{"version": 4, "addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed",
                                               "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}]}
    assert shown["flavor"] == {"vcpus": 1, "ram": 64, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.nano",
                               "extra_specs": {}}
    assert shown["image"] == {"id": IMAGE, "properties": {}, "links": [
        {"rel": "bookmark", "href": f"http://cloud/compute/images/{IMAGE}"}]}
    assert (shown["created"], shown["updated"]) == ("2026-11-20T21:55:44Z", "2026-11-20T21:55:45Z")
    assert shown["OS-SRV-USG:launched_at"] == "2026-11-20T21:55:45.000000"
    assert (shown["locked"], shown["locked_reason"], shown["host_status"]) == (True, "why", "UP")
    assert (shown["scheduler_hints"], shown["server_groups"]) == ({"group": ["g"]}, ["g"])
    assert shown["security_groups"] == [{"name": "default"}]
    assert shown["OS-EXT-AZ:availability_zone"] == "nova"
    assert len(shown["hostId"]) == 56
    old = show(api, server)
    assert old["flavor"] == {"id": "1", "links": [{"rel": "bookmark", "href": "http://cloud/compute/flavors/1"}]}
    assert "properties" not in old["image"]


def test_a_broken_server_tells_why(api: Api) -> None:
    server = api.server(vm_state="error", cell=api.cell0, host=None, node=None)
    with api.cell0.write() as conn:
        instances.add_fault(conn, server, {"code": 500, "message": "No valid host was found. ", "details": "RamFilter"})
    fault = show(api, server)["fault"]
    assert (fault["code"], fault["message"], "details" in fault) == (500, "No valid host was found. ", False)
    assert show(api, server, who="admin")["fault"]["details"] == "RamFilter"
    shown = show(api, server)
    assert ("progress" in shown, shown["hostId"], shown["status"]) == (False, "", "ERROR")


def test_servers_of_others_are_not_there(api: Api) -> None:
    server = api.server()
    missing = {"itemNotFound": {"code": 404, "message": f"Instance {server} could not be found."}}
    assert api("GET", f"/servers/{server}", who="other").body == missing
    for method, path, body in (
            ("PUT", "", {"server": {"name": "x"}}), ("DELETE", "", None), ("GET", "/metadata", None),
            ("POST", "/metadata", {"metadata": {"a": "b"}}), ("GET", "/ips", None), ("GET", "/metadata/k", None),
            ("POST", "/action", {"os-stop": None}), ("POST", "/action", {"lock": None}),
            ("GET", "/os-instance-actions", None), ("GET", "/os-instance-actions/req-1", None),
            ("POST", "/action", {"os-getConsoleOutput": {}})):
        for version in ("2.1", "2.104"):
            assert api(method, f"/servers/{server}{path}", body, who="other", version=version).status == 404, path
    assert ids(api, who="other") == []
    assert api("GET", "/servers/nope").body["itemNotFound"]["message"] == "Instance nope could not be found."


def test_lists_are_sorted_paged_and_linked(api: Api) -> None:
    servers = [api.server(display_name=f"vm-{i}", created_at=1000.0 + i) for i in range(3)]
    broken = api.server(cell=api.cell0, vm_state="error", host=None, created_at=1001.5)
    assert ids(api) == [servers[2], broken, servers[1], servers[0]]
    first = api("GET", "/servers?limit=2").body
    assert [s["id"] for s in first["servers"]] == [servers[2], broken]
    assert first["servers_links"][0]["href"] == f"http://cloud/compute/v2.1/servers?limit=2&marker={broken}"
    assert ids(api, f"?limit=2&marker={broken}") == [servers[1], servers[0]]
    assert ids(api, "?sort_key=display_name&sort_dir=asc&status=active") == servers
    assert set(api("GET", "/servers").body["servers"][0]) == {"id", "name", "links"}
    assert api("GET", "/servers/detail?limit=1").body["servers_links"][0]["href"].startswith(
        "http://cloud/compute/v2.1/servers/detail?limit=1&marker=")
    assert api("GET", "/servers?limit=0").body == {"servers": []}
    assert len(ids(api, "?limit=")) == 4


def test_filters(api: Api) -> None:
    web = api.server(display_name="web-1", tags=["a", "b"], network_info=[VIF], addresses="10.0.0.5", key_name="k")
    data = api.server(display_name="data", vm_state="stopped", flavorid="2", tags=["b"], locked_by="owner")
    other = api.server(project="other", host="host2")
    for query, expected in {
            "name=web": {web}, "name=^w.*1$": {web}, "status=ACTIVE": {web}, "status=shutoff": {data},
            "status=ACTIVE&status=SHUTOFF": {web, data}, "flavor=2": {data}, f"image={IMAGE}": {web, data},
            "ip=10.0.0": {web}, "changes-since=2020-01-01T00:00:00Z": {web, data},
            "changes-since=2100-01-01T00:00:00Z": set(), "banana=1": {web, data}, "host=host2": {web, data}}.items():
        assert set(ids(api, "?" + query)) == expected, query
    for query, expected in {"tags=a,b": {web}, "tags-any=a,b": {web, data}, "not-tags=a": {data},
                            "not-tags-any=a,b": set(), "locked=true": {data}, "key_name=k": {web},
                            "vm_state=stopped": {data}, "changes-before=2100-01-01T00:00:00Z": {web, data}}.items():
        assert set(ids(api, "?" + query, version="2.83")) == expected, query
    assert set(ids(api, "?all_tenants=1", who="admin")) == {web, data, other}
    assert ids(api, "?all_tenants=1&host=host2", who="admin") == [other]
    assert ids(api, f"?all_tenants=1&project_id={PROJECTS['other']}", who="admin") == [other]
    assert ids(api, f"?tenant_id={PROJECTS['other']}", who="admin") == []
    assert ids(api, "?status=BANANA") == []


def test_deleted_servers_are_for_administrators(api: Api) -> None:
    gone = api.server(project="admin", deleted=True, vm_state="deleted", deleted_at=2e9, terminated_at=2e9)
    alive = api.server(project="admin")
    assert ids(api, "?deleted=true", who="admin") == [gone]
    assert ids(api, "?deleted=False", who="admin") == [alive]
    assert set(ids(api, "?changes-since=2020-01-01T00:00:00Z", who="admin")) == {gone, alive}
    assert api("GET", "/servers?status=deleted").body["forbidden"]["message"] == \
        "Only administrators may list deleted instances"


@pytest.mark.parametrize(("query", "version", "status", "message"), [
    ("marker=d2dfdfd0-40f0-4fe3-b630-71a5606c698f", "2.1", 400,
     "marker [d2dfdfd0-40f0-4fe3-b630-71a5606c698f] not found"),
    ("limit=-1", "2.1", 400, "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"),
    ("sort_key=banana", "2.1", 400, "'banana' is not one of ['access_ip_v4', 'access_ip_v6',"),
    ("sort_key=architecture", "2.75", 400, "is not one of"), ("sort_dir=up", "2.1", 400, "is not one of"),
    ("banana=1", "2.75", 400, "'banana'"), ("_x=1", "2.1", 400, ""), ("metadata=1", "2.1", 400, ""),
    ("changes-since=banana", "2.1", 400, "Invalid input for query parameters changes-since"),
    ("status=banana", "2.38", 400, "Invalid status value"), ("name=(", "2.1", 400, "Invalid regular expression"),
    ("changes-since=2026-01-02T00:00:00Z&changes-before=2026-01-01T00:00:00Z", "2.66", 400, "less than or equal"),
    ("all_tenants=1", "2.1", 403,
     "Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed."),
    ("sort_key=host", "2.1", 403, "Only administrators can sort servers by host")])
def test_bad_lists(api: Api, query: str, version: str, status: int, message: str) -> None:
    answer = api("GET", f"/servers?{query}", version=version)
    assert answer.status == status, answer
    assert message in next(iter(answer.body.values()))["message"]


def test_changes(api: Api) -> None:
    server = api.server()
    path = f"/servers/{server}"
    changed = api("PUT", path, {"server": {"name": "renamed", "accessIPv4": "10.1.1.1"}}).body["server"]
    assert (changed["name"], changed["accessIPv4"]) == ("renamed", "10.1.1.1")
    assert set(changed) == BASIC
    changed = api("PUT", path, {"server": {"accessIPv6": "0:0::babe:220.12.22.2"}}).body["server"]
    assert changed["accessIPv6"] == "::babe:dc0c:1602"
    new = {"server": {"description": "new", "hostname": "a.b", "pinned_availability_zone": None}}
    changed = api("PUT", path, new, version="2.104").body["server"]
    assert (changed["description"], changed["OS-EXT-SRV-ATTR:hostname"]) == ("new", "a.b")
    assert "server_groups" in changed
    assert api("PUT", path, {"server": {"pinned_availability_zone": "nope"}}, version="2.104").status == 400
    for bad, version in (({"name": ""}, "2.1"), ({"description": "x"}, "2.18"), ({"hostname": "a.b"}, "2.93"),
                         ({"hostname": "a"}, "2.89"), ({"pinned_availability_zone": None}, "2.103"), ({"x": 1}, "2.1")):
        assert api("PUT", path, {"server": bad}, version=version).status == 400, bad


def test_metadata(api: Api) -> None:
    server = api.server(metadata={"k": "v"})
    path = f"/servers/{server}/metadata"
    assert api("GET", path).body == {"metadata": {"k": "v"}}
    assert api("POST", path, {"metadata": {"a": "b"}}).body == {"metadata": {"k": "v", "a": "b"}}
    assert api("PUT", path, {"metadata": {"z": "1"}}).body == {"metadata": {"z": "1"}}
    assert api("GET", path + "/z").body == {"meta": {"z": "1"}}
    assert api("PUT", path + "/y", {"meta": {"y": "2"}}).body == {"meta": {"y": "2"}}
    assert api("DELETE", path + "/y").status == 204
    for method in ("GET", "DELETE"):
        assert api(method, path + "/y").body == {
            "itemNotFound": {"code": 404, "message": "Metadata item was not found"}}
    mismatch = api("PUT", path + "/y", {"meta": {"q": "2"}})
    assert mismatch.body["badRequest"]["message"] == "Request body and URI mismatch"
    assert api("PUT", path + "/y", {"meta": {"y": "2", "q": "3"}}).status == 400
    assert api("POST", path, {"metadata": {"a": "b"}}, who="reader").status == 403


def test_addresses(api: Api) -> None:
    server = api.server(network_info=[VIF])
    private = {"private": [{"version": 4, "addr": "10.0.0.5"}]}
    assert api("GET", f"/servers/{server}/ips").body == {"addresses": private}
    assert api("GET", f"/servers/{server}/ips/private").body == private
    assert api("GET", f"/servers/{server}/ips/public").status == 404


@pytest.mark.parametrize(("action", "body", "action_name", "task"), [
    ("os-stop", None, "stop", "powering-off"), ("reboot", {"type": "soft"}, "reboot", "rebooting"),
    ("reboot", {"type": "HARD"}, "reboot", "rebooting_hard")])
def test_actions_are_accepted_and_recorded(api: Api, action: str, body: Any, action_name: str, task: str) -> None:
    server = api.server()
    accepted = api("POST", f"/servers/{server}/action", {action: body})
    assert (accepted.status, accepted.body) == (202, None)
    assert show(api, server)["OS-EXT-STS:task_state"] == task
    path = f"/servers/{server}/os-instance-actions"
    recorded = api("GET", path).body["instanceActions"][0]
    assert (recorded["action"], recorded["request_id"]) == (action_name, accepted.headers["x-openstack-request-id"])
    again = api("POST", f"/servers/{server}/action", {"os-stop": None})
    assert again.status == 409


def test_states_that_forbid(api: Api) -> None:
    server = api.server()
    assert api("POST", f"/servers/{server}/action", {"os-start": None}).body == {"conflictingRequest": {
        "code": 409, "message": f"Cannot 'start' instance {server} while it is in vm_state active"}}
    bad = api("POST", f"/servers/{server}/action", {"reboot": {"type": "banana"}})
    assert bad.body["badRequest"]["message"] == ("Invalid input for field/attribute type. Value: banana. 'banana' is "
                                                 "not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']")


def test_locks(api: Api) -> None:
    server = api.server()
    action = f"/servers/{server}/action"
    assert api("POST", action, {"lock": {"locked_reason": "why"}}, version="2.72").status == 202
    assert show(api, server, version="2.73")["locked_reason"] is None
    api("POST", action, {"lock": {"locked_reason": "why"}}, version="2.73")
    shown = show(api, server, version="2.73")
    assert (shown["locked"], shown["locked_reason"]) == (True, "why")
    assert api("POST", action, {"unlock": None}).status == 202
    api("POST", action, {"lock": None}, who="admin")
    assert api("POST", action, {"os-stop": None}).status == 409
    assert api("POST", action, {"unlock": None}).status == 403
    assert api("POST", action, {"unlock": None}, who="admin").status == 202
    assert api("POST", action, {"lock": {"locked_reason": ""}}, version="2.73").status == 400


def test_forcing_a_state(api: Api) -> None:
    server = api.server(task_state="powering-off")
    action = f"/servers/{server}/action"
    assert api("POST", action, {"os-resetState": {"state": "error"}}).status == 403
    assert api("POST", action, {"os-resetState": {"state": "error"}}, who="admin").status == 202
    assert show(api, server)["status"] == "ERROR"
    assert api("POST", action, {"os-resetState": {"state": "paused"}}, who="admin").status == 400


def test_deleting(api: Api) -> None:
    server = api.server()
    assert api("DELETE", f"/servers/{server}", who="reader").status == 403
    deleted = api("DELETE", f"/servers/{server}")
    assert (deleted.status, deleted.body) == (204, None)
    assert show(api, server)["OS-EXT-STS:task_state"] == "deleting"
    with api.database.read() as conn:
        assert mappings.mapping(conn, server) is not None
    with api.cell.read() as conn:
        assert [row["action"] for row in cell_operations.of_instance(conn, server)] == ["delete"]


def test_what_was_done(api: Api) -> None:
    server = api.server()
    accepted = api("POST", f"/servers/{server}/action", {"os-stop": None})
    request_id = accepted.headers["x-openstack-request-id"]
    with api.cell.write() as conn:
        row = cell_operations.of_instance(conn, server)[0]
        cell_operations.add_event(conn, row["uuid"], {
            "event": "compute_stop_instance", "started_at": 1000.0, "finished_at": 1001.5, "result": "success",
            "host": "host1", "details": "why", "traceback": "where"})
    path = f"/servers/{server}/os-instance-actions"
    base = {"event": "compute_stop_instance", "start_time": "1970-01-01T00:16:40.000000",
            "finish_time": "1970-01-01T00:16:41.500000", "result": "Success"}

    def events(version: str, who: str) -> Any:
        return api("GET", f"{path}/{request_id}", version=version, who=who).body["instanceAction"].get("events")

    assert events("2.1", "demo") is None
    assert events("2.1", "admin") == [base | {"traceback": "where"}]
    assert events("2.51", "demo") == [base]
    assert set(events("2.62", "demo")[0]) == {*base, "hostId"}
    assert events("2.84", "demo")[0]["details"] is None
    newest = events("2.84", "admin")[0]
    assert (newest["host"], newest["details"], newest["traceback"]) == ("host1", "why", "where")
    assert api("GET", f"{path}/req-nope").body == {
        "itemNotFound": {"code": 404, "message": "Action req-nope not found"}}


def test_what_was_done_in_pages(api: Api) -> None:
    server = api.server()
    for action in ("lock", "unlock", "lock"):
        api("POST", f"/servers/{server}/action", {action: None})
    path = f"/servers/{server}/os-instance-actions"
    everything = api("GET", path, version="2.58").body["instanceActions"]
    assert [a["action"] for a in everything] == ["lock", "unlock", "lock"]
    page = api("GET", f"{path}?limit=2", version="2.58").body
    assert page["instanceActions"] == everything[:2]
    marker = everything[1]["request_id"]
    assert page["links"][0]["href"].endswith(f"/servers/{server}/os-instance-actions?limit=2&marker={marker}")
    assert api("GET", f"{path}?marker={marker}", version="2.58").body["instanceActions"] == everything[2:]
    assert api("GET", f"{path}?marker=x", version="2.58").status == 400
    assert api("GET", f"{path}?changes-since=2100-01-01T00:00:00Z", version="2.58").body == {"instanceActions": []}
    assert api("GET", f"{path}?changes-before=2100-01-01T00:00:00Z", version="2.65").status == 400
    assert len(api("GET", f"{path}?changes-before=2100-01-01T00:00:00Z", version="2.66").body["instanceActions"]) == 3


def test_a_silent_cell(api: Api) -> None:
    server = api.server()
    broken = api.server(cell=api.cell0, vm_state="error", host=None)
    api.deps.cells.refresh()
    with edges.unreachable(api.cell):
        assert ids(api) == [broken]
        listed = api("GET", "/servers", version="2.69").body["servers"]
        assert {s["id"]: s.get("status") for s in listed} == {broken: None, server: "UNKNOWN"}
        assert ids(api, "?limit=5", version="2.69") == [broken]
        unreachable = api("POST", f"/servers/{server}/action", {"os-stop": None})
        assert (unreachable.status, unreachable.headers["retry-after"]) == (503, "5")
