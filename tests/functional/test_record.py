# SPDX-License-Identifier: Apache-2.0
"""Changes of a server's record: names, metadata, lock, forced state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import concurrency, errors
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.pauses import Pauses


@pytest.fixture
def active(cloud: Cloud) -> str:
    uuid = cloud.boot("one")[0]
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    return uuid


def test_update(cloud: Cloud, active: str) -> None:
    shown = cloud.operations.update(cloud.context(), active, {"display_name": "two", "access_ip_v4": "192.0.2.1"})
    assert (shown["display_name"], shown["access_ip_v4"]) == ("two", "192.0.2.1")
    assert cloud.server(active)["updated_at"] is not None  # type: ignore[index]
    with pytest.raises(errors.Invalid, match="host, vm_state"):
        cloud.operations.update(cloud.context(), active, {"host": "x", "vm_state": "error"})
    assert truth.actions(cloud, active) == [("create", "done")]


def test_metadata(cloud: Cloud, active: str) -> None:
    operations, context = cloud.operations, cloud.context()
    assert operations.replace_metadata(context, active, {"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert operations.merge_metadata(context, active, {"b": "3"}) == {"a": "1", "b": "3"}
    operations.delete_metadata(context, active, "a")
    assert cloud.server(active)["metadata"] == {"b": "3"}  # type: ignore[index]
    with pytest.raises(errors.NotFound, match="Metadata item was not found"):
        operations.delete_metadata(context, active, "a")
    with pytest.raises(errors.OverQuota, match="Maximum number of metadata items exceeds 128"):
        operations.replace_metadata(context, active, {str(i): "x" for i in range(129)})
    operations.lock(context, active)
    with pytest.raises(errors.Conflict, match="is locked"):
        operations.merge_metadata(context, active, {"c": "4"})


def test_parallel_changes_of_metadata_are_all_there(cloud: Cloud, active: str) -> None:
    def add(i: int) -> None:
        cloud.operations.merge_metadata(cloud.context(), active, {f"k{i}": str(i)})

    tasks = [concurrency.spawn(add, i) for i in range(8)]
    assert all(t.join(120) for t in tasks)
    assert cloud.server(active)["metadata"] == {f"k{i}": str(i) for i in range(8)}  # type: ignore[index]


def test_lock_and_unlock(cloud: Cloud, active: str) -> None:
    operations, owner, admin = cloud.operations, cloud.context(), cloud.context("p9", admin=True)
    operations.lock(owner, active, "do not touch")
    row = cloud.server(active)
    assert row is not None and (row["locked_by"], row["locked_reason"]) == ("owner", "do not touch")
    with pytest.raises(errors.Conflict, match=f"Instance {active} is locked"):
        operations.stop(owner, active)
    with pytest.raises(errors.Conflict, match=f"Instance {active} is locked"):
        operations.reboot(owner, active, "HARD")
    operations.stop(admin, active)
    cloud.wait_state(active, "stopped")
    operations.unlock(owner, active, may_override=False)
    assert cloud.server(active)["locked_by"] is None  # type: ignore[index]
    operations.lock(admin, active)
    with pytest.raises(errors.Forbidden):
        operations.unlock(owner, active, may_override=False)
    operations.unlock(admin, active, may_override=True)
    operations.start(owner, active)
    cloud.wait_state(active, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert [a for a, _ in truth.actions(cloud, active)] == ["create", "lock", "stop", "unlock", "lock", "unlock",
                                                            "start"]


def test_reset_state_ends_what_hangs(cloud: Cloud, active: str) -> None:
    host = cloud.server(active)["host"]  # type: ignore[index]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("power_off")
    try:
        cloud.operations.stop(cloud.context(), active)
        cloud.wait(lambda: truth.operation(cloud, active, "stop")["owner"], what="the host has taken it")
        cloud.operations.reset_state(cloud.context(admin=True), active, "error")
        row = cloud.server(active)
        assert row is not None and (row["vm_state"], row["task_state"]) == ("error", None)
    finally:
        knobs.release("power_off")
    cloud.hosts[host].manager._pool.drain(120)
    assert cloud.server(active)["vm_state"] == "error"  # type: ignore[index]
    assert [(a, s) for a, s in truth.actions(cloud, active)][1:] == [("stop", "superseded"), ("resetState", "done")]
    cloud.operations.reset_state(cloud.context(admin=True), active, "active")
    cloud.operations.reboot(cloud.context(), active, "HARD")
    cloud.wait_state(active, "active")
    with pytest.raises(errors.Invalid, match="active or error"):
        cloud.operations.reset_state(cloud.context(admin=True), active, "paused")


def test_a_reset_while_the_host_looks_after_another_is_looked_after_too(cloud: Cloud, active: str,
                                                                       pauses: Pauses) -> None:
    driver = cloud.hosts[cloud.server(active)["host"]].manager.driver  # type: ignore[index]
    admin = cloud.context(admin=True)
    driver.listeners.clear()
    driver.guest_stops(active)
    with pauses.at("send:conductor.instance_power_states") as hold:
        cloud.operations.reset_state(admin, active, "error")
        hold.reached()
        cloud.operations.reset_state(admin, active, "active")
    assert cloud.wait_state(active, "stopped")["power_state"] == 4


def test_after_a_reset_the_record_says_what_the_guest_does(cloud: Cloud, active: str) -> None:
    driver = cloud.hosts[cloud.server(active)["host"]].manager.driver  # type: ignore[index]
    admin = cloud.context(admin=True)
    cloud.operations.reset_state(admin, active, "error")
    cloud.wait_state(active, "error")
    driver.listeners.clear()
    driver.guest_stops(active)
    cloud.operations.reset_state(admin, active, "active")
    assert cloud.wait_state(active, "stopped")["power_state"] == 4
    driver.power_on(active)
    cloud.operations.reset_state(admin, active, "active")
    cloud.wait(lambda: (cloud.server(active) or {})["power_state"] == 1)
    assert cloud.wait_state(active, "active")


def test_a_reset_waits_for_what_its_host_is_about(cloud: Cloud, active: str) -> None:
    """The operation that was superseded still runs there; what it does to the guest is seen afterwards."""
    host = cloud.server(active)["host"]  # type: ignore[index]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("pause")
    try:
        cloud.operations.pause(cloud.context(), active)
        cloud.wait(lambda: truth.operation(cloud, active, "pause")["owner"], what="the host has taken it")
        cloud.operations.reset_state(cloud.context(admin=True), active, "active")
    finally:
        knobs.release("pause")
    assert cloud.wait_state(active, "paused")["power_state"] == 3


def test_reset_state_before_the_host_took_it(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.stop_host(host)
    cloud.operations.stop(cloud.context(), uuid)
    cloud.operations.reset_state(cloud.context(admin=True), uuid, "active")
    cloud.start_host(host, cloud.cells_of_hosts[host])
    cloud.wait(lambda: not truth.open_rows(cloud))
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, "stopped")


def test_before_a_cell_has_the_server_it_is_not_ready(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(start=False)
    cloud.setup()
    cloud.start_api()
    uuid = cloud.boot()[0]
    for refused in (lambda: cloud.operations.lock(cloud.context(), uuid),
                    lambda: cloud.operations.stop(cloud.context(), uuid),
                    lambda: cloud.operations.console_output(cloud.context(), uuid)):
        with pytest.raises(errors.Conflict, match=f"Instance {uuid} is not ready"):
            refused()


def test_console_output(cloud: Cloud, active: str) -> None:
    assert "one login: " in cloud.operations.console_output(cloud.context(), active)
    assert len(cloud.operations.console_output(cloud.context(), active, 2).splitlines()) <= 2
