# SPDX-License-Identifier: Apache-2.0
"""Boot: from the accepted request to a guest, in one cell and in two, and to a reason when there is no host."""

from __future__ import annotations

from collections.abc import Callable

from nova import errors
from nova.store.query import Query
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud


def test_a_server_gets_a_host_an_address_and_a_guest(cloud: Cloud) -> None:
    uuid = cloud.boot("web")[0]
    row = cloud.wait_state(uuid, "active")
    assert row["host"] in cloud.hosts and row["power_state"] == 1 and row["launched_at"]
    assert row["display_name"] == "web" and row["hostname"] == "web"
    assert [vif["ips"][0]["address"] for vif in row["network_info"]] == row["addresses"].split()
    assert truth.guests(cloud) == {uuid: row["host"]}
    assert truth.claim_of(cloud, uuid) == {
        truth.provider_of(cloud, row["host"]): {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}
    assert truth.usage(cloud) == {"instances": 1, "cores": 1, "ram": 512}
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid) == [("create", "done")]
    assert [(e["event"], e["result"]) for e in truth.events(cloud, uuid, "create")] == [
        ("conductor_schedule", "Success"), ("compute__do_build_and_run_instance", "Success")]


def test_a_new_server_is_shown_before_any_cell_has_it(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(start=False)
    cloud.setup()
    cloud.start_api()
    uuid = cloud.boot("early")[0]
    row = cloud.servers.show(cloud.context(), uuid)
    assert (row["vm_state"], row["task_state"], row["cell_uuid"]) == ("building", "scheduling", None)
    page = cloud.servers.page(cloud.context(), Query("p1"))
    assert [r["uuid"] for r in page.rows] == [uuid] and page.down == []
    assert cloud.servers.page(cloud.context(), Query("p2")).rows == []


def test_two_cells_share_the_load_and_a_list_merges_them(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=4)
    uuids = cloud.boot("many", count=8)
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    cells = {uuid: truth.cell_of(cloud, uuid) for uuid in uuids}
    assert set(cells.values()) == {"cell1", "cell2"}
    for uuid, host in truth.guests(cloud).items():
        assert cloud.cells_of_hosts[host] == cells[uuid]
    query = Query("p1", sort=(("display_name", "asc"),))
    page = cloud.servers.page(cloud.context(), query)
    assert [r["display_name"] for r in page.rows] == [f"many-{i}" for i in range(1, 9)] and page.down == []
    walked: list[str] = []
    marker = None
    while rows := cloud.servers.page(cloud.context(), Query("p1", sort=query.sort, limit=3, marker=marker)).rows:
        walked += [r["uuid"] for r in rows]
        marker = rows[-1]["uuid"]
    assert walked == uuids
    for uuid in uuids:
        cloud.operations.delete(cloud.context(), uuid)
    for uuid in uuids:
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_no_valid_host_is_kept_in_cell0_with_its_reasons(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, conf_options={"quota__ram": -1})
    uuid = cloud.boot("huge", flavor=FLAVOR | {"memory_mb": 10**7})[0]
    row = cloud.wait_state(uuid, "error")
    assert truth.cell_of(cloud, uuid) == "cell0"
    assert row["fault"]["message"].startswith("No valid host was found. There are not enough hosts available. "
                                              "2 hosts considered: ")
    assert "RAM 2" in row["fault"]["message"] or "memory" in row["fault"]["message"].lower(), row["fault"]
    assert row["fault"]["code"] == 500
    assert "host1" not in row["fault"]["message"] and "host1" in row["fault"]["details"]
    assert truth.claim_of(cloud, uuid) == {} and truth.ports_of(cloud, uuid) == 0
    assert truth.usage(cloud)["instances"] == 1  # it counts until it is deleted
    assert truth.actions(cloud, uuid) == [("create", "failed")]
    told = truth.events(cloud, uuid, "create")[0]
    assert (told["event"], told["result"]) == ("conductor_schedule", "Error")
    assert told["data"]["considered"] == 2 and told["data"]["candidates"] == 0
    assert "host1" in told["data"]["table"] and "host2" in told["data"]["table"]
    [shown] = cloud.servers.page(cloud.context(), Query("p1")).rows
    assert shown["uuid"] == uuid and shown["fault"]["message"] == row["fault"]["message"]
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_foreign_server_is_not_there(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    for question in (lambda: cloud.servers.show(cloud.context("p2"), uuid),
                     lambda: cloud.operations.stop(cloud.context("p2"), uuid),
                     lambda: cloud.operations.delete(cloud.context("p2"), uuid)):
        try:
            question()
        except errors.NotFound as e:
            assert e.message == f"Instance {uuid} could not be found."
        else:
            raise AssertionError("a foreign server was found")
    assert cloud.servers.show(cloud.context("p2", admin=True), uuid)["uuid"] == uuid


def test_without_any_host_the_reason_says_so(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=0)
    uuid = cloud.boot()[0]
    row = cloud.wait_state(uuid, "error")
    assert row["fault"]["message"].endswith("No compute host is known yet.")
