# SPDX-License-Identifier: Apache-2.0
"""A create asked as a question: the scheduler's own decision is told, and nothing changes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from nova.db.cell.tables import services
from tests.api.compute.conftest import IMAGE, Api, dump

PATH = "/os-placement-explain"


def body(**values: Any) -> dict[str, Any]:
    return {"server": {"name": "vm", "flavorRef": "2", "imageRef": IMAGE} | values}


def test_an_administrator_sees_hosts_weights_and_reasons(cloud: Api) -> None:
    with cloud.cell.write() as conn:
        conn.execute(services.services.update().where(services.services.c.host == "host2")
                     .values(disabled=True, disabled_reason="broken fan"))
    told = cloud("POST", PATH, body(), who="admin").body["placement_explain"]
    assert (told["asked"], told["placed"], told["refusal"], told["over_quota"]) == (1, 1, None, None)
    first = told["first"]
    assert (first["considered"], first["candidates"], first["message"]) == (2, 1, None)
    assert first["selected"]["host"] == "host1" and first["alternates"] == []
    assert [(f["filter"], f["refused"], list(f["hosts"])) for f in first["filters"]] == [
        ("compute service", 1, ["host2"])]
    assert [w["host"] for w in first["weights"]] == ["host1"]


def test_weights_are_told_by_weigher(cloud: Api) -> None:
    first = cloud("POST", PATH, body(), who="admin").body["placement_explain"]["first"]
    assert [w["host"] for w in first["weights"]] == ["host1", "host2"]
    best = first["weights"][0]
    assert best["parts"]["ram"] == 1.0 and best["weight"] == pytest.approx(sum(best["parts"].values()))


def test_a_member_sees_counts_and_reasons_without_names(cloud: Api) -> None:
    told = cloud("POST", PATH, body(flavorRef="3", min_count=4), who="demo").body["placement_explain"]
    assert (told["asked"], told["placed"]) == (4, 4)
    assert set(told["first"]) == {"considered", "candidates", "filters", "message"}
    told = cloud("POST", PATH, body(flavorRef="3", min_count=6), who="demo").body["placement_explain"]
    assert (told["asked"], told["placed"]) == (6, 5)
    refusal = told["refusal"]
    assert refusal["message"].startswith("No valid host was found. There are not enough hosts available. 2 hosts ")
    assert sum(f["refused"] for f in refusal["filters"]) == 2
    assert "host1" not in str(told) and "host2" not in str(told)


def test_quota_is_told_beside_it(cloud: Api) -> None:
    told = cloud("POST", PATH, body(min_count=11)).body["placement_explain"]
    assert told["over_quota"] == "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances"


def test_each_server_of_a_group_counts_for_the_next(cloud: Api) -> None:
    group = cloud("POST", "/os-server-groups", {"server_group": {"name": "g", "policies": ["anti-affinity"]}})
    hints = {"os:scheduler_hints": {"group": group.body["server_group"]["id"]}}
    told = cloud("POST", PATH, body(min_count=3) | hints, who="demo").body["placement_explain"]
    assert (told["asked"], told["placed"]) == (3, 2)
    assert [f["filter"] for f in told["refusal"]["filters"]] == ["server group anti-affinity"]


def test_nothing_changes(cloud: Api) -> None:
    before = dump(cloud)
    answers = [cloud("POST", PATH, body(min_count=3), who="admin").body for _ in range(2)]
    assert answers[0] == answers[1]  # not in the scheduler's memory either
    assert cloud("POST", PATH, body(flavorRef="none")).status == 400
    assert dump(cloud) == before


@pytest.mark.parametrize(("wanted", "who", "status"), [
    ({"name": "vm"}, "demo", 400), (body(nonsense=1), "demo", 400), (body(availability_zone="mars"), "demo", 400),
    (body(availability_zone="nova:host1"), "demo", 403), (body(), "reader", 403), (body(), None, 401),
    (body(imageRef=str(uuid.uuid4())), "demo", 400)])
def test_it_refuses_what_a_create_would_refuse(cloud: Api, wanted: Any, who: str | None, status: int) -> None:
    assert cloud("POST", PATH, wanted, who=who).status == status


def test_a_forced_host_is_looked_at_alone(cloud: Api) -> None:
    first = cloud("POST", PATH, body(availability_zone="nova:host2"), who="admin").body["placement_explain"]["first"]
    assert first["selected"]["host"] == "host2" and first["candidates"] == 1


def test_microversions_are_those_of_a_create(cloud: Api) -> None:
    assert cloud("POST", PATH, body(host="host2"), who="admin", version="2.73").status == 400
    told = cloud("POST", PATH, body(host="host2", networks="none"), who="admin", version="2.74")
    assert told.body["placement_explain"]["first"]["selected"]["host"] == "host2"
