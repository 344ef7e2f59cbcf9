# SPDX-License-Identifier: Apache-2.0
"""Delete in every phase of a server's life; afterwards nothing is left, anywhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import errors
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud
from tests.functional.pauses import Pauses


def test_an_active_server(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    row = truth.cell_row(cloud, uuid)
    assert row is not None and row["deleted"] and row["vm_state"] == "deleted" and row["terminated_at"]
    assert truth.actions(cloud, uuid) == [("create", "done"), ("delete", "done")]
    assert [e["event"] for e in truth.events(cloud, uuid, "delete")] == ["compute_terminate_instance",
                                                                         "conductor_release"]
    with pytest.raises(errors.NotFound):
        cloud.operations.delete(cloud.context(), uuid)


def test_while_its_guest_is_given_time_to_stop(make_cloud: Callable[..., Cloud], pauses: Pauses) -> None:
    cloud = make_cloud(conf_options={"shutdown_timeout": 100_000})
    uuid = cloud.boot()[0]
    host = str(cloud.wait_state(uuid, "active")["host"])
    cloud.hosts[host].manager.driver.knobs.slow("shutdown", 100_000)
    with pauses.at("fake.power_off") as hold:
        cloud.operations.stop(cloud.context(), uuid)
        hold.reached()
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_before_it_was_scheduled(make_cloud: Callable[..., Cloud]) -> None:
    """No scheduler, no conductor: accepting and reading need neither, and nothing is built afterwards."""
    cloud = make_cloud(start=False)
    cloud.setup()
    cloud.start_api()
    uuid = cloud.boot()[0]
    cloud.operations.delete(cloud.context(), uuid)
    assert cloud.server(uuid) is None
    with pytest.raises(errors.NotFound):
        cloud.operations.delete(cloud.context(), uuid)
    cloud.start_scheduler()
    cloud.start_orchestrator()
    truth.nothing_left(cloud)
    assert truth.cell_row(cloud, uuid) is None
    assert truth.actions(cloud, uuid) == [("create", "superseded"), ("delete_unplaced", "done")]


def test_while_the_scheduler_is_away(cloud: Cloud) -> None:
    cloud.stop_service(cloud.scheduler)
    uuids = cloud.boot(count=2)
    cloud.operations.delete(cloud.context(), uuids[0])
    cloud.wait(lambda: truth.mapping(cloud, uuids[0])["charge"] is None, what="the charge is released")
    assert truth.usage(cloud)["instances"] == 1
    cloud.start_scheduler()
    cloud.wait_state(uuids[1], "active")
    cloud.operations.delete(cloud.context(), uuids[1])
    cloud.wait_gone(uuids[1])
    truth.nothing_left(cloud)


def test_many_waiting_creates_do_not_hold_up_a_delete(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"workers": 4, "quota__instances": -1})
    ready = cloud.boot()[0]
    cloud.wait_state(ready, "active")
    cloud.stop_service(cloud.scheduler)
    waiting = cloud.boot(count=8)
    cloud.operations.delete(cloud.context(), ready)
    cloud.wait_gone(ready)
    cloud.operations.delete(cloud.context(), waiting[0])
    cloud.wait(lambda: truth.mapping(cloud, waiting[0])["charge"] is None)
    cloud.start_scheduler()
    for uuid in waiting[1:]:
        cloud.wait_state(uuid, "active")


@pytest.mark.parametrize("where", ["write:cell1", "committed:cell1"])
def test_between_the_choice_of_a_host_and_the_making_known(cloud: Cloud, where: str, pauses: Pauses) -> None:
    """The delete is accepted around T4: before the copy is written, or between the copy and T5."""
    with pauses.at("step:create.record:before", where) as hold:
        uuid = cloud.boot()[0]
        hold.reached()
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait(lambda: truth.mapping(cloud, uuid)["charge"] is None)
    cloud.wait_gone(uuid)
    cloud.wait(lambda: not cloud.orchestrator.orchestrator.running, what="who was overtaken has found out")
    cloud.wait(lambda: truth.cell_row(cloud, uuid) is None, what="the copy is removed")
    truth.nothing_left(cloud)


@pytest.mark.parametrize("where", ["write:cell0", "committed:cell0"])
def test_while_it_is_buried_in_cell0(cloud: Cloud, where: str, pauses: Pauses) -> None:
    with pauses.at("step:create.bury:before", where) as hold:
        uuid = cloud.boot(flavor=FLAVOR | {"root_gb": 10**6})[0]
        hold.reached()
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait(lambda: truth.mapping(cloud, uuid)["charge"] is None)
    cloud.wait(lambda: not cloud.orchestrator.orchestrator.running, what="who was overtaken has found out")
    cloud.wait(lambda: truth.cell_row(cloud, uuid) is None, what="the copy is removed")
    truth.nothing_left(cloud)


def test_while_its_host_builds_it(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    try:
        uuid = cloud.boot()[0]
        cloud.wait(lambda: truth.guests(cloud), what="a host has begun")
        cloud.operations.delete(cloud.context(), uuid)
        assert cloud.server(uuid)["task_state"] == "deleting"  # type: ignore[index]
    finally:
        for service in cloud.hosts.values():
            service.manager.driver.knobs.release("spawn")
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    assert truth.actions(cloud, uuid) == [("create", "superseded"), ("delete", "done")]


@pytest.mark.parametrize("where", ["write:api", "committed:api"])
def test_while_it_moves_to_the_next_host(cloud: Cloud, where: str, pauses: Pauses) -> None:
    """Before the next host is claimed, or after, when the server's record does not name it yet."""
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", times=1)
    with pauses.at("step:create.reschedule:before", where) as hold:
        uuid = cloud.boot()[0]
        hold.reached()
        cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_in_error_in_cell0_and_in_its_cell(cloud: Cloud) -> None:
    buried = cloud.boot(flavor=FLAVOR | {"root_gb": 10**6})[0]
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn")
    failed = cloud.boot()[0]
    for uuid in (buried, failed):
        cloud.wait_state(uuid, "error")
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_twice_is_the_same_as_once(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("destroy")
    try:
        cloud.operations.delete(cloud.context(), uuid)
        cloud.operations.delete(cloud.context(), uuid)
    finally:
        knobs.release("destroy")
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    assert truth.actions(cloud, uuid) == [("create", "done"), ("delete", "done")]


def test_a_locked_server_is_only_deleted_by_an_administrator(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.operations.lock(cloud.context(), uuid)
    with pytest.raises(errors.Conflict) as caught:
        cloud.operations.delete(cloud.context(), uuid)
    assert caught.value.message == f"Instance {uuid} is locked"
    cloud.operations.delete(cloud.context(admin=True), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_host_that_refuses_leaves_an_error_and_may_be_asked_again(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.hosts[host].manager.driver.knobs.fail("destroy", times=1, message="The disk is busy.")
    cloud.operations.delete(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "error")
    assert row["fault"]["message"] == "The disk is busy."
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_dead_host_does_not_hold_it_up_and_cleans_up_when_it_returns(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.stop_host(host)
    cloud.operations.delete(cloud.context(), uuid)
    truth.silence(cloud, host, 60)
    cloud.wait_gone(uuid)
    cloud.wait(lambda: truth.usage(cloud) == {})
    cloud.start_host(host, cloud.cells_of_hosts[host])
    cloud.wait(lambda: truth.guests(cloud) == {}, what="the returning host removes the guest")
    truth.nothing_left(cloud)


def test_a_delete_goes_on_though_the_state_is_reset(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("destroy")
    try:
        cloud.operations.delete(cloud.context(), uuid)
        cloud.operations.reset_state(cloud.context(admin=True), uuid, "active")
    finally:
        knobs.release("destroy")
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
