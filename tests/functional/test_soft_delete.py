# SPDX-License-Identifier: Apache-2.0
"""Deleted servers that are kept for a while: off, at no charge, to be had back or gone for good."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import errors
from nova.conductor.reclaim import reclaimer
from nova.db.cell import instances
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud
from tests.functional.pauses import Pauses

KEEP = 3600
BIG = FLAVOR | {"flavorid": "2", "name": "m1.small", "vcpus": 2, "memory_mb": 1024, "root_gb": 2}


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    return make_cloud(conf_options={"reclaim_instance_interval": KEEP})


def softly(cloud: Cloud) -> str:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_state(uuid, "soft-delete")
    return uuid


def power(cloud: Cloud, uuid: str) -> int:
    host = truth.cell_row(cloud, uuid)["host"]  # type: ignore[index]
    return int(cloud.hosts[host].manager.driver.info(uuid).power_state)


def test_a_kept_server_is_off_costs_nothing_and_comes_back(cloud: Cloud) -> None:
    uuid = softly(cloud)
    assert power(cloud, uuid) == 4
    assert truth.usage(cloud) == {} and truth.claim_of(cloud, uuid) and truth.ports_of(cloud, uuid) == 1
    cloud.operations.delete(cloud.context(), uuid)  # again: the same answer, nothing happens
    with pytest.raises(errors.Conflict, match="vm_state soft-delete"):
        cloud.operations.start(cloud.context(), uuid)
    cloud.operations.restore(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "active")
    assert row["power_state"] == 1 and power(cloud, uuid) == 1
    assert truth.usage(cloud) == {"instances": 1, "cores": 1, "ram": 512}
    assert truth.actions(cloud, uuid) == [("create", "done"), ("soft_delete", "done"), ("restore", "done")]
    with pytest.raises(errors.Conflict, match="Cannot 'restore'"):
        cloud.operations.restore(cloud.context(), uuid)
    cloud.operations.force_delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_kept_server_can_be_deleted_at_once(cloud: Cloud) -> None:
    uuid = softly(cloud)
    cloud.operations.force_delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    assert truth.mapping(cloud, uuid)["queued_for_delete"]


def test_what_was_kept_for_long_enough_is_reclaimed(cloud: Cloud) -> None:
    uuid, fresh = softly(cloud), softly(cloud)
    due = reclaimer(cloud.cells, cloud.sender, keep=KEEP, lease=float(cloud.conf.lease))
    assert due.look() == []
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            instances.update(conn, uuid, deleted_at=1.0)
    assert due.look() == [uuid]
    cloud.wait_gone(uuid)
    assert cloud.server(fresh)["vm_state"] == "soft-delete"  # type: ignore[index]
    cloud.operations.force_delete(cloud.context(), fresh)
    cloud.wait_gone(fresh)
    truth.nothing_left(cloud)


def test_one_whose_host_is_down_is_reclaimed_without_it(cloud: Cloud) -> None:
    uuid = softly(cloud)
    host = truth.cell_row(cloud, uuid)["host"]  # type: ignore[index]
    cell = cloud.cells_of_hosts[host]
    cloud.stop_host(host)
    reclaimer(cloud.cells, cloud.sender, keep=-1, lease=float(cloud.conf.lease)).look()
    truth.silence(cloud, host, 60)
    cloud.wait_gone(uuid)
    cloud.start_host(host, cell)
    cloud.wait(lambda: not truth.guests(cloud), what="the host has removed what was deleted")
    truth.nothing_left(cloud)


def test_without_room_it_is_not_restored(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"reclaim_instance_interval": KEEP, "quota__instances": 1})
    uuid = softly(cloud)
    other = cloud.boot()[0]
    cloud.wait_state(other, "active")
    with pytest.raises(errors.OverQuota):
        cloud.operations.restore(cloud.context(), uuid)
    assert cloud.server(uuid)["vm_state"] == "soft-delete"  # type: ignore[index]
    assert truth.usage(cloud)["instances"] == 1


def test_room_that_goes_after_the_acceptance_is_told_as_a_fault(make_cloud: Callable[..., Cloud],
                                                                pauses: Pauses) -> None:
    cloud = make_cloud(conf_options={"reclaim_instance_interval": KEEP, "quota__instances": 1})
    uuid = softly(cloud)
    with pauses.at("step:restore.charge:before") as hold:
        cloud.operations.restore(cloud.context(), uuid)
        hold.reached()
        other = cloud.boot()[0]
        cloud.wait_state(other, "active")
    cloud.wait_state(uuid, "soft-delete")
    cloud.wait(lambda: not truth.open_rows(cloud))
    failed = truth.operation(cloud, uuid, "restore")
    assert failed["state"] == "failed" and "Quota exceeded" in failed["fault"]["message"]
    assert truth.usage(cloud)["instances"] == 1


def test_a_host_that_cannot_start_it_gives_the_charge_back(cloud: Cloud) -> None:
    uuid = softly(cloud)
    host = truth.cell_row(cloud, uuid)["host"]  # type: ignore[index]
    cloud.hosts[host].manager.driver.knobs.fail("power_on", times=1, message="The guest does not start.")
    cloud.operations.restore(cloud.context(), uuid)
    cloud.wait(lambda: not truth.open_rows(cloud))
    cloud.wait_state(uuid, "soft-delete")
    assert truth.operation(cloud, uuid, "restore")["fault"]["message"] == "The guest does not start."
    assert truth.usage(cloud) == {}
    cloud.operations.restore(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")


def test_a_host_that_cannot_stop_it_leaves_it_as_it_is(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.hosts[host].manager.driver.knobs.fail("power_off", times=1)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert cloud.server(uuid)["vm_state"] == "active"  # type: ignore[index]
    assert truth.usage(cloud)["instances"] == 1


def test_it_ends_what_is_under_way_and_is_ended_by_a_delete(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("reboot")
    try:
        cloud.operations.reboot(cloud.context(), uuid, "SOFT")
        cloud.operations.delete(cloud.context(), uuid)
        assert cloud.server(uuid)["task_state"] == "soft-deleting"  # type: ignore[index]
        cloud.operations.force_delete(cloud.context(), uuid)
    finally:
        knobs.release("reboot")
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    assert [state for _, state in truth.actions(cloud, uuid)] == ["done", "superseded", "superseded", "done"]


def test_what_never_ran_is_deleted_at_once(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn")
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "error")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_with_its_host_down_it_is_kept_and_its_guest_stopped_later(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cell = cloud.cells_of_hosts[host]
    cloud.stop_host(host)
    cloud.operations.delete(cloud.context(), uuid)
    truth.silence(cloud, host, 60)
    cloud.wait_state(uuid, "soft-delete")
    assert truth.usage(cloud) == {}
    cloud.start_host(host, cell)
    cloud.wait(lambda: power(cloud, uuid) == 4, what="the host has stopped the guest")


def test_a_resized_server_is_confirmed_by_it_and_a_shelved_or_rescued_one_comes_back_as_it_was_before(
        make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"reclaim_instance_interval": KEEP, "shelved_offload_time": -1})
    context = cloud.context()
    resized, shelved, rescued = uuids = cloud.boot(count=3)
    came_from = [cloud.wait_state(uuid, "active")["host"] for uuid in uuids][0]
    cloud.operations.resize(context, resized, BIG)
    cloud.operations.shelve(context, shelved)
    cloud.operations.rescue(context, rescued)
    for uuid, state in zip(uuids, ("resized", "shelved", "rescued"), strict=True):
        cloud.wait_state(uuid, state)
        cloud.operations.delete(context, uuid)
        cloud.wait_state(uuid, "soft-delete")
        assert power(cloud, uuid) == 4
    source = cloud.hosts[came_from].manager
    cloud.wait(lambda: resized not in source.driver.list_aside(), what="the resized server's former disks are gone")
    assert truth.usage(cloud) == {}
    metadata = [truth.cell_row(cloud, uuid)["system_metadata"] for uuid in uuids]  # type: ignore[index]
    assert metadata == [{}, {}, {"deleted_from": "rescued"}]
    for uuid in uuids:
        cloud.operations.restore(context, uuid)
        row = cloud.wait_state(uuid, "active")
        assert (row["power_state"], power(cloud, uuid)) == (1, 1)
        assert truth.cell_row(cloud, uuid)["system_metadata"] == {}  # type: ignore[index]
        assert cloud.hosts[row["host"]].manager.driver.guests.get(uuid).rescue_image == ""
    assert truth.usage(cloud) == {"instances": 3, "cores": 4, "ram": 2048}
    for uuid in uuids:
        cloud.operations.force_delete(context, uuid)
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


@pytest.mark.parametrize("state", ["resized", "rescued"])
def test_a_host_that_cannot_stop_it_leaves_a_resized_or_rescued_server_so(cloud: Cloud, state: str) -> None:
    uuid, context = cloud.boot()[0], cloud.context()
    cloud.wait_state(uuid, "active")
    if state == "resized":
        cloud.operations.resize(context, uuid, BIG)
    else:
        cloud.operations.rescue(context, uuid)
    host = cloud.wait_state(uuid, state)["host"]
    cloud.hosts[host].manager.driver.knobs.fail("power_off", times=1)
    cloud.operations.delete(context, uuid)
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert cloud.server(uuid)["vm_state"] == state  # type: ignore[index]
    if state == "resized":
        cloud.operations.revert_resize(context, uuid)
    else:
        cloud.operations.unrescue(context, uuid)
    cloud.wait_state(uuid, "active")
