# SPDX-License-Identifier: Apache-2.0
"""Emptying a host: servers leave by live migration or cold, some at a time; it is resumed, called off, and told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.cell import instances
from nova.db.cell.tables import services
from nova.operations import drains
from nova.operations.drains import Wanted
from tests.functional import truth
from tests.functional.cloud import Cloud


def cell_of(cloud: Cloud, host: str) -> Any:
    return next(c for c in cloud.cells.all() if c.name == cloud.cells_of_hosts[host])


def on(cloud: Cloud, host: str) -> list[str]:
    t = instances.instances.c
    with cell_of(cloud, host).database.read() as conn:
        return list(conn.execute(sa.select(t.uuid).where(t.host == host, t.deleted.is_(False))).scalars())


def pin(cloud: Cloud, host: str, *, disabled: bool) -> None:
    """Whether other hosts than ``host`` get servers."""
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            for service in services.list(conn, binary="nova-compute"):
                if service["host"] != host:
                    services.update(conn, service["uuid"], disabled=disabled)


def filled(cloud: Cloud, host: str, count: int) -> list[str]:
    """Servers that all are on one host."""
    pin(cloud, host, disabled=True)
    cloud.scheduler.cache.refresh()
    uuids = cloud.boot(count=count)
    for uuid in uuids:
        assert cloud.wait_state(uuid, "active")["host"] == host
    pin(cloud, host, disabled=False)
    cloud.scheduler.cache.refresh()
    return uuids


def ended(cloud: Cloud, uuid: str, timeout: float = 180.0) -> dict[str, Any]:
    cloud.wait(lambda: drains.show(cloud.api, uuid)["state"] != "open", timeout,
               f"the drain ends: {drains.show(cloud.api, uuid)}")
    return drains.show(cloud.api, uuid)


@pytest.fixture
def three(make_cloud: Callable[..., Cloud]) -> Cloud:
    return make_cloud(hosts_count=3)


def test_running_servers_leave_live_and_others_cold(three: Cloud) -> None:
    uuids = filled(three, "host1", 6)
    three.operations.stop(three.context(), uuids[0])
    three.wait_state(uuids[0], "stopped")
    made = drains.accept(three.api, three.context(admin=True), Wanted("host1", parallel=3, reason="new fans"))
    with pytest.raises(errors.Conflict, match="being emptied already"):
        drains.accept(three.api, three.context(admin=True), Wanted("host1"))
    done = ended(three, made["uuid"])
    assert (done["state"], done["counts"]) == ("done", {"moved": 6})
    assert on(three, "host1") == []
    ways = {row["instance_uuid"]: row["way"] for row in done["servers"]}
    assert ways == {uuid: "cold" if uuid == uuids[0] else "live" for uuid in uuids}
    for uuid in uuids:
        row = truth.settled(three, uuid)
        assert row["vm_state"] == ("stopped" if uuid == uuids[0] else "active")
        assert truth.guests(three)[uuid] == row["host"]
    with cell_of(three, "host1").database.read() as conn:
        service = services.list(conn, host="host1", binary="nova-compute")[0]
    assert (service["disabled"], service["disabled_reason"]) == (True, "new fans")
    for uuid in uuids:
        three.operations.delete(three.context(), uuid)
    for uuid in uuids:
        three.wait_gone(uuid)
    truth.nothing_left(three)


def test_what_does_not_move_live_moves_cold(three: Cloud) -> None:
    uuids = filled(three, "host1", 2)
    three.hosts["host1"].manager.driver.knobs.fail("migrate", times=2)
    made = drains.accept(three.api, three.context(admin=True), Wanted("host1"))
    done = ended(three, made["uuid"])
    assert done["state"] == "done", done
    assert {row["way"] for row in done["servers"]} == {"cold"}
    assert all([t["way"] for t in row["tried"]] == ["live"] for row in done["servers"])
    assert {truth.settled(three, uuid)["vm_state"] for uuid in uuids} == {"active"}


def test_who_may_only_move_live_stays_and_is_named(three: Cloud) -> None:
    [uuid] = filled(three, "host1", 1)
    three.hosts["host1"].manager.driver.knobs.fail("migrate", times=5)
    made = drains.accept(three.api, three.context(admin=True), Wanted("host1", mode="live"))
    done = ended(three, made["uuid"])
    assert (done["state"], done["message"]) == ("failed", "1 of 1 servers could not be moved.")
    assert done["servers"][0]["message"]
    assert on(three, "host1") == [uuid]


def test_shelved_servers_are_offloaded_and_unconfirmed_resizes_named_or_confirmed(
        make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"shelved_offload_time": -1})
    shelved, resized = filled(cloud, "host1", 2)
    cloud.operations.shelve(cloud.context(), shelved)
    cloud.wait_state(shelved, "shelved")
    cloud.operations.migrate(cloud.context(admin=True), resized)
    assert cloud.wait_state(resized, "resized")["host"] == "host2"
    made = drains.accept(cloud.api, cloud.context(admin=True), Wanted("host1"))
    done = ended(cloud, made["uuid"])
    assert (done["state"], done["message"]) == ("failed", "1 of 2 servers could not be moved.")
    told = {row["instance_uuid"]: (row["state"], row["way"], row["message"]) for row in done["servers"]}
    assert told[shelved] == ("moved", "offload", "It is shelved and has no host any more.")
    assert told[resized][:2] == ("failed", None) and "waits for its confirmation" in told[resized][2]
    assert cloud.wait_state(shelved, "shelved_offloaded")["host"] is None
    assert truth.settled(cloud, resized)["vm_state"] == "resized"
    made = drains.accept(cloud.api, cloud.context(admin=True), Wanted("host1", confirm_resizes=True))
    done = ended(cloud, made["uuid"])
    assert (done["state"], [row["way"] for row in done["servers"]]) == ("done", ["confirm"])
    assert truth.settled(cloud, resized)["vm_state"] == "active"
    for uuid in (shelved, resized):
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_another_conductor_goes_on(three: Cloud) -> None:
    uuids = filled(three, "host1", 8)
    made = drains.accept(three.api, three.context(admin=True), Wanted("host1", parallel=1))
    three.wait(lambda: drains.show(three.api, made["uuid"])["counts"].get("moved", 0) >= 1)
    knobs = three.hosts["host1"].manager.driver.knobs
    knobs.hang("copy")
    three.stop_service(three.orchestrator)
    left = drains.show(three.api, made["uuid"])
    assert left["state"] == "open"
    knobs.release("copy")
    three.orchestrator = three.start_orchestrator()
    assert ended(three, made["uuid"])["counts"] == {"moved": 8}
    assert on(three, "host1") == []
    assert {truth.settled(three, uuid)["vm_state"] for uuid in uuids} == {"active"}


def test_called_off_it_moves_nothing_more(three: Cloud) -> None:
    filled(three, "host1", 6)
    made = drains.accept(three.api, three.context(admin=True), Wanted("host1", parallel=1))
    three.wait(lambda: drains.show(three.api, made["uuid"])["counts"].get("moved", 0) >= 1)
    drains.cancel(three.api, made["uuid"])
    three.stop_service(three.orchestrator)  # what it was about to ask for is asked
    three.orchestrator = three.start_orchestrator()
    three.wait(lambda: not truth.open_rows(three))
    stayed = on(three, "host1")
    assert stayed
    concurrency.sleep(1.5)
    assert on(three, "host1") == stayed
    with pytest.raises(errors.Conflict, match="cancelled"):
        drains.cancel(three.api, made["uuid"])
    assert ended(three, drains.accept(three.api, three.context(admin=True), Wanted("host1"))["uuid"])["state"] == "done"


def test_what_cannot_be_asked(cloud: Cloud) -> None:
    context = cloud.context(admin=True)
    with pytest.raises(errors.NotFound, match="nowhere"):
        drains.accept(cloud.api, context, Wanted("nowhere"))
    for wanted in (Wanted("host1", mode="warm"), Wanted("host1", parallel=0), Wanted("host1", parallel=1000)):
        with pytest.raises(errors.Invalid):
            drains.accept(cloud.api, context, wanted)
    with pytest.raises(errors.NotFound):
        drains.show(cloud.api, "none")


def test_an_empty_host_is_done_at_once(cloud: Cloud) -> None:
    made = drains.accept(cloud.api, cloud.context(admin=True), Wanted("host2"))
    assert ended(cloud, made["uuid"])["message"] == "0 servers left."
    assert [d["uuid"] for d in drains.find(cloud.api, "host2")] == [made["uuid"]]
    assert drains.find(cloud.api, "host1") == []
