# SPDX-License-Identifier: Apache-2.0
"""Usage of projects: hours of servers that ran in a period, in every cell, pages, and who may ask."""

from __future__ import annotations

import pytest

from tests.api.compute.conftest import PROJECTS, Api

DAY = "start=2026-11-20T00:00:00&end=2026-11-21T00:00:00"
MIDNIGHT = 1795132800.0
HOURS = 3600.0
PATH = "/os-simple-tenant-usage"


@pytest.fixture
def servers(api: Api) -> list[str]:
    """One that runs, one that ended, one of another project, one that never ran, one from before the day."""
    return [
        api.server(launched_at=MIDNIGHT + 22 * HOURS, display_name="runs"),
        api.server(launched_at=MIDNIGHT - 2 * HOURS, terminated_at=MIDNIGHT + 1 * HOURS, vm_state="deleted",
                   deleted=True, display_name="ended", vcpus=2),
        api.server(project="other", launched_at=MIDNIGHT + 23 * HOURS),
        api.server(launched_at=None, vm_state="error", cell=api.cell0),
        api.server(launched_at=MIDNIGHT - 9 * HOURS, terminated_at=MIDNIGHT - 8 * HOURS, deleted=True)]


def test_the_usage_of_a_project(api: Api, servers: list[str]) -> None:
    usage = api("GET", f"{PATH}/{PROJECTS['demo']}?{DAY}", who="reader").body["tenant_usage"]
    by_name = {u["name"]: u for u in usage.pop("server_usages")}
    assert usage == {
        "tenant_id": PROJECTS["demo"], "total_hours": 3.0, "total_vcpus_usage": 4.0, "total_memory_mb_usage": 192.0,
        "total_local_gb_usage": 3.0, "start": "2026-11-20T00:00:00.000000", "stop": "2026-11-21T00:00:00.000000"}
    uptime = by_name["runs"].pop("uptime")
    assert uptime > 0
    assert by_name["runs"] == {
        "instance_id": servers[0], "name": "runs", "tenant_id": PROJECTS["demo"], "flavor": "m1.nano", "vcpus": 1,
        "memory_mb": 64, "local_gb": 1, "hours": 2.0, "started_at": "2026-11-20T22:00:00.000000", "ended_at": None,
        "state": "active"}
    ended = by_name["ended"]
    assert (ended["hours"], ended["state"], ended["uptime"]) == (1.0, "terminated", 3 * 3600)
    assert ended["ended_at"] == "2026-11-20T01:00:00.000000"


def test_the_usage_of_everybody(api: Api, servers: list[str]) -> None:
    usages = api("GET", f"{PATH}?{DAY}", who="admin").body["tenant_usages"]
    assert [(u["tenant_id"], u["total_hours"], "server_usages" in u) for u in usages] == [
        (PROJECTS["demo"], 3.0, False), (PROJECTS["other"], 1.0, False)]
    detailed = api("GET", f"{PATH}?{DAY}&detailed=1", who="admin").body["tenant_usages"]
    assert [len(u["server_usages"]) for u in detailed] == [2, 1]
    now = api("GET", PATH, who="admin").body["tenant_usages"]
    assert {u["tenant_id"] for u in now} == {PROJECTS["demo"], PROJECTS["other"]}


def test_pages_of_usage(api: Api, servers: list[str]) -> None:
    seen, link = [], f"{PATH}?{DAY}&detailed=1&limit=1"
    for _ in range(3):
        body = api("GET", link, who="admin", version="2.40").body
        seen += [u["instance_id"] for p in body["tenant_usages"] for u in p["server_usages"]]
        link = body["tenant_usages_links"][0]["href"].removeprefix("http://cloud/compute/v2.1")
    assert sorted(seen) == sorted(servers[:3])
    assert api("GET", link, who="admin", version="2.40").body == {"tenant_usages": []}
    one = api("GET", f"{PATH}/{PROJECTS['demo']}?{DAY}&limit=1", version="2.40").body
    assert len(one["tenant_usage"]["server_usages"]) == 1
    assert PROJECTS["demo"] in one["tenant_usage_links"][0]["href"]
    assert "tenant_usages_links" not in api("GET", f"{PATH}?{DAY}&limit=1", who="admin", version="2.39").body


def test_a_project_without_servers(api: Api) -> None:
    assert api("GET", f"{PATH}/{PROJECTS['demo']}").body == {"tenant_usage": {}}


@pytest.mark.parametrize("query, version, who, status", [
    ("start=banana", "2.1", "admin", 400), ("start=2026-11-21T00:00:00&end=2026-11-20T00:00:00", "2.1", "admin", 400),
    ("marker=nope", "2.40", "admin", 400), ("colour=blue", "2.74", "admin", 200), ("colour=blue", "2.75", "admin", 400),
    ("", "2.1", "demo", 403)])
def test_questions_that_are_refused(api: Api, query: str, version: str, who: str, status: int) -> None:
    assert api("GET", f"{PATH}?{query}", who=who, version=version).status == status


def test_others_may_not_see_it(api: Api) -> None:
    assert api("GET", f"{PATH}/{PROJECTS['demo']}", who="other").status == 403
    assert api("GET", f"{PATH}/{PROJECTS['demo']}", who="admin").status == 200
