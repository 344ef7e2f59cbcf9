# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot, what refuses them, and guests that stop or vanish by themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import errors
from tests.functional import truth
from tests.functional.cloud import Cloud


def boots(cloud: Cloud, uuid: str) -> int:
    host = cloud.server(uuid)["host"]  # type: ignore[index]
    return len(cloud.hosts[host].manager.driver.guests.get(uuid).boots)


def conflict(work: Callable[[], object]) -> str:
    with pytest.raises(errors.Conflict) as caught:
        work()
    return caught.value.message


def test_stop_and_start(cloud: Cloud) -> None:
    context = cloud.context()
    uuid = cloud.boot()[0]
    assert "not ready" in conflict(lambda: cloud.operations.stop(context, uuid)) or \
        cloud.server(uuid)["vm_state"] == "building"  # type: ignore[index]
    cloud.wait_state(uuid, "active")
    cloud.operations.stop(context, uuid)
    assert cloud.wait_state(uuid, "stopped")["power_state"] == 4
    assert conflict(lambda: cloud.operations.stop(context, uuid)) == \
        f"Cannot 'stop' instance {uuid} while it is in vm_state stopped"
    assert conflict(lambda: cloud.operations.reboot(context, uuid, "SOFT")) == \
        f"Cannot 'reboot' instance {uuid} while it is in vm_state stopped"
    cloud.operations.start(context, uuid)
    assert cloud.wait_state(uuid, "active")["power_state"] == 1
    assert conflict(lambda: cloud.operations.start(context, uuid)) == \
        f"Cannot 'start' instance {uuid} while it is in vm_state active"
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid) == [("create", "done"), ("stop", "done"), ("start", "done")]
    assert truth.events(cloud, uuid, "stop")[0]["event"] == "compute_stop_instance"


def test_reboots(cloud: Cloud) -> None:
    context = cloud.context()
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    before = boots(cloud, uuid)
    cloud.operations.reboot(context, uuid, "SOFT")
    cloud.wait_state(uuid, "active")
    cloud.operations.reboot(context, uuid, "HARD")
    cloud.wait_state(uuid, "active")
    assert boots(cloud, uuid) == before + 2
    cloud.operations.stop(context, uuid)
    cloud.wait_state(uuid, "stopped")
    cloud.operations.reboot(context, uuid, "HARD")  # a stopped server comes up by it
    assert cloud.wait_state(uuid, "active")["power_state"] == 1


def test_only_a_hard_reboot_may_overtake_a_reboot(cloud: Cloud) -> None:
    context = cloud.context()
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("reboot")
    try:
        cloud.operations.reboot(context, uuid, "SOFT")
        for refused in (lambda: cloud.operations.reboot(context, uuid, "SOFT"),
                        lambda: cloud.operations.stop(context, uuid)):
            assert conflict(refused).endswith("while it is in task_state rebooting")
        cloud.operations.reboot(context, uuid, "HARD")
        assert cloud.server(uuid)["task_state"] == "rebooting_hard"  # type: ignore[index]
        cloud.operations.reboot(context, uuid, "HARD")
    finally:
        knobs.release("reboot")
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid) == [("create", "done"), ("reboot", "superseded"), ("reboot", "superseded"),
                                          ("reboot", "done")]


def test_hard_reboots_of_one_server_do_not_stop_the_others_on_its_host(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=1, conf_options={"workers": 4})
    context = cloud.context()
    stuck, other = cloud.boot(count=2)
    for uuid in (stuck, other):
        cloud.wait_state(uuid, "active")
    knobs = cloud.hosts["host1"].manager.driver.knobs
    knobs.hang("reboot")
    try:
        cloud.operations.reboot(context, stuck, "SOFT")
        for _ in range(8):
            cloud.operations.reboot(context, stuck, "HARD")
            cloud.wait(lambda: truth.operation(cloud, stuck, "reboot")["owner"], what="the host has taken it")
        cloud.operations.stop(context, other)
        cloud.wait_state(other, "stopped")
    finally:
        knobs.release("reboot")
    cloud.wait_state(stuck, "active")


def test_a_reboot_happens_once_though_its_host_was_busy(make_cloud: Callable[..., Cloud]) -> None:
    """Rows that wait for a worker are not taken a second time by the next scan."""
    cloud = make_cloud(hosts_count=1, conf_options={"workers": 2})
    context = cloud.context()
    uuids = cloud.boot(count=5)
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    knobs = cloud.hosts["host1"].manager.driver.knobs
    cloud.sender._drop = lambda label: True
    knobs.slow("reboot", 2.5)
    before = [boots(cloud, uuid) for uuid in uuids]
    for uuid in uuids:
        cloud.operations.reboot(context, uuid, "HARD")
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    cloud.hosts["host1"].manager._pool.drain(120)
    assert [boots(cloud, uuid) for uuid in uuids] == [n + 1 for n in before]


def test_a_failure_tells_its_reason_and_leaves_what_is_true(cloud: Cloud) -> None:
    context = cloud.context()
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.hosts[host].manager.driver.knobs.fail("power_off", times=1, message="The guest does not let go.")
    cloud.operations.stop(context, uuid)
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.operation(cloud, uuid, "stop")["state"] == "failed"
    assert truth.operation(cloud, uuid, "stop")["fault"]["message"] == "The guest does not let go."
    cloud.operations.stop(context, uuid)
    cloud.wait_state(uuid, "stopped")


def test_a_guest_that_stops_by_itself_makes_its_server_stopped(cloud: Cloud) -> None:
    first, second = cloud.boot(count=2)
    for uuid, crashed, power in ((first, False, 4), (second, True, 6)):
        host = cloud.wait_state(uuid, "active")["host"]
        truth.out_of_hand(cloud, uuid)
        cloud.hosts[host].manager.driver.guest_stops(uuid, crashed=crashed)
        assert cloud.wait_state(uuid, "stopped")["power_state"] == power


def test_a_stop_that_nobody_reported_is_found_by_the_sync(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    manager = cloud.hosts[host].manager
    manager.driver.listeners.clear()
    manager.driver.guest_stops(uuid)
    manager._reconciler.sync_power_states()
    assert cloud.wait_state(uuid, "stopped")["power_state"] == 4
    cloud.operations.start(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")


def test_a_server_whose_guest_is_gone_is_stopped_and_cannot_be_started(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.hosts[host].manager.driver.destroy(uuid, "")
    assert cloud.wait_state(uuid, "stopped")["power_state"] == 0
    cloud.operations.start(cloud.context(), uuid)
    cloud.wait_state(uuid, "error")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert "is not on host" in truth.operation(cloud, uuid, "start")["fault"]["message"]


def test_a_host_that_is_down_is_told_of(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.stop_host(host)
    cell = cloud.cells_of_hosts[host]
    truth.silence(cloud, host, 60)
    assert _down(cloud, cell, host)
    assert "is down" in conflict(lambda: cloud.operations.stop(cloud.context(), uuid))
    cloud.start_host(host, cell)
    cloud.wait(lambda: not _down(cloud, cell, host))
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, "stopped")


def _down(cloud: Cloud, cell: str, host: str) -> bool:
    from nova.operations.acceptance import host_is_down

    with next(c for c in cloud.cells.all() if c.name == cell).database.read() as conn:
        return host_is_down(conn, host, float(cloud.conf.lease))
