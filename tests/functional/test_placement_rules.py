# SPDX-License-Identifier: Apache-2.0
"""Where servers go: groups, also when their members race, zones, and hints about other servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency
from nova.db.api import aggregates, server_groups
from nova.db.cell.tables import services as cell_services
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.pauses import Pauses


def group(cloud: Cloud, policy: str, **rules: Any) -> dict[str, Any]:
    uuid = concurrency.uuid4()
    with cloud.api.write() as conn:
        server_groups.create(conn, {"uuid": uuid, "name": policy, "project_id": "p1", "user_id": "u1",
                                    "policy": policy, "rules": rules})
        found = server_groups.get(conn, uuid)
    assert found is not None
    return found


def hosts_of(cloud: Cloud, uuids: list[str]) -> Counter[str]:
    return Counter(truth.settled(cloud, uuid)["host"] for uuid in uuids)


def test_affinity_keeps_together(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    together = group(cloud, "affinity")
    uuids = cloud.boot(group=together) + cloud.boot(group=together) + cloud.boot(group=together)
    assert list(hosts_of(cloud, uuids).values()) == [3]


def test_anti_affinity_spreads_and_says_when_it_cannot(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=2)
    apart = group(cloud, "anti-affinity")
    uuids = [cloud.boot(group=apart)[0] for _ in range(2)]
    assert hosts_of(cloud, uuids) == {"host1": 1, "host2": 1}
    third = cloud.boot(group=apart)[0]
    assert "server group anti-affinity 2" in cloud.wait_state(third, "error")["fault"]["message"]
    cloud.operations.delete(cloud.context(), third)
    cloud.operations.delete(cloud.context(), uuids[0])
    cloud.wait_gone(uuids[0])
    cloud.wait_gone(third)
    cloud.wait(lambda: not truth.open_rows(cloud))
    again = cloud.boot(group=apart)[0]
    assert cloud.wait_state(again, "active")["host"] in {"host1", "host2"}


def test_a_host_that_was_disabled_gets_nothing_any_more(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=2)
    for _ in range(4):
        first = truth.settled(cloud, cloud.boot()[0])["host"]
        _disable(cloud, first, True)
        second = truth.settled(cloud, cloud.boot()[0])["host"]
        assert second != first
        _disable(cloud, first, False)


def _disable(cloud: Cloud, host: str, disabled: bool) -> None:
    """As the API does it."""
    table = cell_services.services
    with cloud.operations.deps.cells.with_hosts()[0].database.write() as conn:
        conn.execute(table.update().where(table.c.host == host, table.c.binary == "nova-compute")
                     .values(disabled=disabled))
    cloud.operations.deps.nudge_schedulers()


def test_the_rule_allows_several_per_host(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=2)
    uuids = cloud.boot(count=4, group=group(cloud, "anti-affinity", max_server_per_host=2))
    assert hosts_of(cloud, uuids) == {"host1": 2, "host2": 2}


@pytest.mark.parametrize("policy", ["affinity", "anti-affinity"])
def test_members_that_race_obey_the_group(make_cloud: Callable[..., Cloud], policy: str, pauses: Pauses) -> None:
    """All decisions are made before any claim: each saw a group without hosts."""
    cloud = make_cloud(hosts_count=3)
    members = group(cloud, policy)
    with pauses.at("step:create.schedule:before", "write:api", several=3) as hold:
        uuids = [cloud.boot(group=members)[0] for _ in range(3)]
        hold.reached(3)
    counted = hosts_of(cloud, uuids)
    assert sorted(counted.values()) == ([3] if policy == "affinity" else [1, 1, 1]), counted
    assert {cloud.server(u)["vm_state"] for u in uuids} == {"active"}  # type: ignore[index]


def test_an_alternate_obeys_the_group(make_cloud: Callable[..., Cloud]) -> None:
    """The first choice fails to build; the other hosts of the decision have a member by then."""
    cloud = make_cloud(hosts_count=2)
    apart = group(cloud, "anti-affinity")
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    first = cloud.boot(group=apart)[0]
    cloud.wait(lambda: truth.guests(cloud))
    second = cloud.boot(group=apart)[0]
    cloud.wait(lambda: len(truth.guests(cloud)) == 2)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn")
        service.manager.driver.knobs.release("spawn")
    for uuid in (first, second):
        row = cloud.wait_state(uuid, "error")
        tried = [e["host"] for e in truth.events(cloud, uuid, "create")
                 if e["event"] == "compute__do_build_and_run_instance"]
        assert len(tried) == 1 or row["fault"]  # the other host was only tried when its member had gone
    assert truth.guests(cloud) == {}


def test_a_zone_is_kept_to(cloud: Cloud) -> None:
    with cloud.api.write() as conn:
        aggregates.add_host(conn, aggregates.create(conn, concurrency.uuid4(), "east", {"availability_zone": "east"}),
                            "host2")
    uuids = cloud.boot(availability_zone="east") + cloud.boot(availability_zone="east")
    for uuid in uuids:
        row = cloud.wait_state(uuid, "active")
        assert (row["host"], row["availability_zone"]) == ("host2", "east")
    nowhere = cloud.boot(availability_zone="mars")[0]
    assert "availability zone 2" in cloud.wait_state(nowhere, "error")["fault"]["message"]


def test_hints_about_other_servers(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    first = cloud.boot()[0]
    host = cloud.wait_state(first, "active")["host"]
    near = cloud.boot(scheduler_hints={"same_host": [first]})[0]
    far = cloud.boot(scheduler_hints={"different_host": first})[0]
    assert cloud.wait_state(near, "active")["host"] == host
    assert cloud.wait_state(far, "active")["host"] != host


def test_a_host_that_is_asked_for(cloud: Cloud) -> None:
    forced = cloud.boot(force_host="host2")[0]
    assert cloud.wait_state(forced, "active")["host"] == "host2"
    missing = cloud.boot(requested_destination={"host": "host9"})[0]
    assert cloud.wait_state(missing, "error")["fault"]["message"]
