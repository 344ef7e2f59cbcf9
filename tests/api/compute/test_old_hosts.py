# SPDX-License-Identifier: Apache-2.0
"""Hosts as clients of old see them, the usage audit log, images for aggregates, and servers under their second name."""

from __future__ import annotations

import pytest

from nova.db.cell import task_log
from tests.api.compute.conftest import IMAGE, PROJECTS, Api


def test_hosts(api: Api) -> None:
    hosts = api("GET", "/os-hosts", who="admin").body["hosts"]
    assert {(h["host_name"], h["service"], h["zone"]) for h in hosts} == {
        ("ctl", "scheduler", "internal"), ("host1", "compute", "nova"), ("host2", "compute", "nova")}
    assert len(api("GET", "/os-hosts?service=compute&zone=nova", who="admin").body["hosts"]) == 2
    assert api("GET", "/os-hosts").status == 403
    assert api("GET", "/os-hosts", who="admin", version="2.43").status == 404


def test_resources_of_a_host(api: Api) -> None:
    api.server(vcpus=2, ephemeral_gb=3)
    api.server(project="other")
    lines = {line["resource"]["project"]: line["resource"]
             for line in api("GET", "/os-hosts/host1", who="admin").body["host"]}
    assert lines["(total)"] == {"host": "host1", "project": "(total)", "cpu": 8, "memory_mb": 8192, "disk_gb": 100}
    for project, cpu, disk in (("(used_now)", 3, 5), ("(used_max)", 3, 5), (PROJECTS["demo"], 2, 4),
                               (PROJECTS["other"], 1, 1)):
        assert (lines[project]["cpu"], lines[project]["disk_gb"]) == (cpu, disk)
    assert api("GET", "/os-hosts/ctl", who="admin").status == 404


def test_a_host_is_taken_out_and_back(api: Api) -> None:
    for word, status in (("disable", "disabled"), ("Enable", "enabled")):
        answer = api("PUT", "/os-hosts/host1", {"status": word}, who="admin")
        assert answer.body == {"host": "host1", "status": status}
        services = api("GET", "/os-services?host=host1", who="admin").body["services"]
        assert [s["status"] for s in services] == [status]


@pytest.mark.parametrize("method, path, body, status", [
    ("PUT", "/os-hosts/host1", {"maintenance_mode": "enable"}, 501), ("PUT", "/os-hosts/host1", {}, 400),
    ("PUT", "/os-hosts/host1", {"status": "banana"}, 400), ("PUT", "/os-hosts/nope", {"status": "enable"}, 404),
    ("GET", "/os-hosts/host1/reboot", None, 501), ("GET", "/os-hosts/host1/shutdown", None, 501),
    ("GET", "/os-hosts/host1/startup", None, 501), ("GET", "/os-hosts/nope/reboot", None, 404)])
def test_what_hosts_do_not_do(api: Api, method: str, path: str, body: object, status: int) -> None:
    assert api(method, path, body, who="admin").status == status


def test_the_usage_audit_log(api: Api) -> None:
    path = "/os-instance_usage_audit_log"
    log = api("GET", path + "/2026-11-20 10:00:00", who="admin").body["instance_usage_audit_log"]
    assert log == {
        "period_beginning": "2026-10-01 00:00:00", "period_ending": "2026-11-01 00:00:00", "num_hosts": 2,
        "num_hosts_done": 0, "num_hosts_running": 0, "num_hosts_not_run": 2, "hosts_not_run": ["host1", "host2"],
        "total_instances": 0, "total_errors": 0, "log": {}, "overall_status": "0 of 2 hosts done. 0 errors."}
    october, november = 1790812800.0, 1793491200.0
    for host, count in (("host1", 3), ("host2", 0)):
        with api.cell.write() as conn:
            task_log.add(conn, task_name="instance_usage_audit", host=host, period_beginning=october,
                         period_ending=november, message="It ran.", task_items=count, errors=0)
        found = api("GET", path + "/2026-11-20 10:00:00", who="admin").body["instance_usage_audit_log"]
        assert found["log"][host] == {"state": "DONE", "instances": count, "errors": 0, "message": "It ran."}
        assert found["total_instances"] == 3
        done = {"host1": (1, ["host2"], "1 of 2 hosts done. 0 errors."), "host2": (2, [], "ALL hosts done. 0 errors.")}
        assert (found["num_hosts_done"], found["hosts_not_run"], found["overall_status"]) == done[host]
    now = api("GET", path, who="admin", version="2.104").body["instance_usage_audit_logs"]
    assert set(now) == set(log)
    assert api("GET", path + "/banana", who="admin").status == 400
    assert api("GET", path).status == 403


def test_images_for_the_hosts_of_an_aggregate(api: Api) -> None:
    number = api("POST", "/os-aggregates", {"aggregate": {"name": "a"}}, who="admin").body["aggregate"]["id"]
    path, body = f"/os-aggregates/{number}/images", {"cache": [{"id": IMAGE}]}
    assert api("POST", path, body, who="admin", version="2.80").status == 404
    assert api("POST", path, body, who="admin", version="2.81").status == 202
    assert api("POST", path, {"cache": [{"id": IMAGE}] * 2}, who="admin", version="2.81").status == 400
    assert api("POST", path, body, version="2.81").status == 403
    api("POST", f"/os-aggregates/{number}/action", {"add_host": {"host": "host1"}}, who="admin")
    assert api("POST", path, body, who="admin", version="2.81").status == 400
    assert api("POST", "/os-aggregates/99/images", body, who="admin", version="2.81").status == 404


def test_servers_under_their_second_name(api: Api) -> None:
    server = api.server()
    path = f"/os-volumes_boot/{server}"
    assert api("GET", path).body == api("GET", f"/servers/{server}").body
    assert [s["id"] for s in api("GET", "/os-volumes_boot/detail").body["servers"]] == [server]
    assert api("POST", path + "/action", {"os-stop": None}, version="2.102").status == 202
    assert api("GET", path).body["server"]["OS-EXT-STS:task_state"] == "powering-off"
    assert api("POST", path + "/action", {"pause": None}).status == 400
    assert api("POST", path + "/action", {"trigger_crash_dump": None}, version="2.16").status == 404
    body = {"server": {"name": "vm", "imageRef": IMAGE, "flavorRef": "1", "networks": "none"}}
    assert api("POST", "/os-volumes_boot", body, version="2.102").status == 202
    assert api("DELETE", path, version="2.103").status == 404
    assert api("DELETE", path).status == 204
