# SPDX-License-Identifier: Apache-2.0
"""What neither ends nor dies is ended by its deadline; and silence of many at once is not taken for their death."""

from __future__ import annotations

from nova.db.api.tables import operations as api_operations
from nova.db.cell.tables import operations as cell_operations
from tests.functional import truth
from tests.functional.cloud import Cloud


def let_it_be_late(cloud: Cloud, uuid: str, action: str) -> None:
    """The operation's deadline passes now, and nobody is too young to say so."""
    truth.let_pass(cloud, 100)
    o = cell_operations.operations
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            conn.execute(o.update().where(o.c.instance_uuid == uuid, o.c.action == action).values(deadline=1.0))


def test_a_build_that_hangs_is_given_up_and_its_guest_goes(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    uuid = cloud.boot()[0]
    host = cloud.wait(lambda: truth.guests(cloud).get(uuid))
    let_it_be_late(cloud, uuid, "create")
    row = cloud.wait_state(uuid, "error")
    assert row["fault"]["message"] == f"Host {host} did not finish before the operation's deadline."
    assert truth.claim_of(cloud, uuid) == {} and truth.ports_of(cloud, uuid) == 0
    manager = cloud.hosts[host].manager
    for service in cloud.hosts.values():
        service.manager.driver.knobs.release("spawn")
    manager._pool.drain(120)
    assert cloud.server(uuid)["vm_state"] == "error"  # type: ignore[index]
    manager.check()
    manager.check()
    assert truth.guests(cloud) == {}
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_stop_that_hangs_fails_with_its_reason(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("power_off")
    try:
        cloud.operations.stop(cloud.context(), uuid)
        let_it_be_late(cloud, uuid, "stop")
        row = cloud.wait_state(uuid, "error")
    finally:
        knobs.release("power_off")
    assert "did not finish" in row["fault"]["message"]
    assert truth.operation(cloud, uuid, "stop")["state"] == "failed"
    cloud.operations.reboot(cloud.context(), uuid, "HARD")
    cloud.wait_state(uuid, "active")


def test_a_create_that_finds_no_scheduler_ends_with_its_reason(cloud: Cloud) -> None:
    cloud.stop_service(cloud.scheduler)
    uuid = cloud.boot()[0]
    cloud.wait(lambda: cloud.orchestrator.orchestrator.running)
    o = api_operations.operations
    with cloud.api.write() as conn:
        conn.execute(o.update().where(o.c.instance_uuid == uuid).values(deadline=1.0))
    row = cloud.wait_state(uuid, "error")
    assert row["fault"]["message"] == "The server was not scheduled before the operation's deadline."
    cloud.start_scheduler()
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
