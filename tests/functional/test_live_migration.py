# SPDX-License-Identifier: Apache-2.0
"""A running server goes to another host; whatever goes wrong before it is there leaves it where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import errors
from nova.conductor import intervene, why
from nova.store.moves import LIVE, Move, Moves
from nova.store.operation_search import OperationSearch
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud
from tests.functional.pauses import Pauses

RUNNING = frozenset({"running"})
STEPS = {"prepare_arrival": "prepare", "copy": "migrate", "welcome": "arrive", "see_off": "leave"}
ANY_TIME = RUNNING | {"queued", "preparing"}


@pytest.fixture
def three(make_cloud: Callable[..., Cloud]) -> Cloud:
    """One cell, three hosts."""
    return make_cloud(hosts_count=3)


def boot(cloud: Cloud, host: str = "host1", **values: Any) -> str:
    """A server that runs on that host."""
    uuid = cloud.boot(force_host=host, **values)[0]
    assert cloud.wait_state(uuid, "active")["host"] == host
    return uuid


def knobs(cloud: Cloud, host: str) -> Any:
    return cloud.hosts[host].manager.driver.knobs


def moves(cloud: Cloud, uuid: str) -> list[Move]:
    cell = cloud.cells.get(truth.mapping(cloud, uuid)["cell_uuid"])
    return [move for move in Moves(cloud.cells).of_server(cell, uuid) if move.type == LIVE]


def migrate(cloud: Cloud, uuid: str, host: str | None = None, **values: Any) -> None:
    cloud.operations.live_migrate(cloud.context(admin=True), uuid, host, **values)


def say(cloud: Cloud, uuid: str, kind: str, allowed: frozenset[str] = ANY_TIME) -> None:
    """To the migration that is under way."""
    number = moves(cloud, uuid)[-1].id
    cloud.operations.signal_live_migration(cloud.context(admin=True), uuid, number, kind, allowed)


def under_way(cloud: Cloud, uuid: str, status: str = "running") -> Move:
    cloud.wait(lambda: moves(cloud, uuid)[-1].status == status, what=f"the migration is {status}")
    return moves(cloud, uuid)[-1]


def ended(cloud: Cloud, uuid: str, status: str, host: str) -> Move:
    """The last migration has ended like that, the server is active on that host and holds nothing elsewhere."""
    row = truth.settled(cloud, uuid)
    cloud.wait(lambda: not truth.open_rows(cloud), what="every operation has ended")
    move = moves(cloud, uuid)[-1]
    assert (row["vm_state"], row["host"], move.status, move.open) == ("active", host, status, False), row["fault"]
    assert truth.guests(cloud) == {uuid: host}
    assert list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, host)]
    assert truth.claim_of(cloud, move.uuid) == {}
    assert truth.port_hosts(cloud, uuid) == {host}
    return move


def test_it_goes_to_another_host_and_back(cloud: Cloud) -> None:
    uuid = boot(cloud)
    boots = cloud.hosts["host1"].manager.driver.guests.get(uuid).boots
    addresses = cloud.server(uuid)["addresses"]
    migrate(cloud, uuid)
    assert cloud.server(uuid)["task_state"] == "migrating"
    move = ended(cloud, uuid, "completed", "host2")
    assert (move.places["source_compute"], move.places["dest_compute"]) == ("host1", "host2")
    assert cloud.server(uuid)["addresses"] == addresses
    assert cloud.hosts["host2"].manager.driver.guests.get(uuid).boots == boots  # it was not booted anew
    migrate(cloud, uuid, "host1")
    ended(cloud, uuid, "completed", "host1")
    assert truth.actions(cloud, uuid) == [("create", "done"), (LIVE, "done"), (LIVE, "done")]
    found = [e["event"] for e in truth.events(cloud, uuid, LIVE)]
    assert found[:5] == ["conductor_live_migrate_instance", "compute_check_can_live_migrate_source",
                         "compute_pre_live_migration", "compute_live_migration", "conductor_live_migration_switch"]
    assert sorted(found[5:]) == ["compute_post_live_migration", "compute_post_live_migration_at_destination"]
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_its_counters_tell_how_far_it_is(cloud: Cloud) -> None:
    uuid = boot(cloud)
    knobs(cloud, "host1").hang("copy")
    migrate(cloud, uuid)
    cloud.wait(lambda: moves(cloud, uuid)[-1].progress, what="it tells how far it is")
    told = moves(cloud, uuid)[-1].progress
    assert told["memory_total_bytes"] == 512 << 20 and told["disk_total_bytes"] == 1 << 30
    assert 0 < told["memory_remaining_bytes"] < told["memory_total_bytes"]
    assert told["memory_processed_bytes"] + told["memory_remaining_bytes"] == told["memory_total_bytes"]
    assert truth.operation(cloud, uuid, LIVE)["progress"] in (94, 95)
    say(cloud, uuid, "force_complete")
    ended(cloud, uuid, "completed", "host2")
    assert ("live_migration_force_complete", "done") in truth.actions(cloud, uuid)


def test_a_destination_that_refuses_is_passed_over(three: Cloud) -> None:
    uuid = boot(three)
    for host in ("host2", "host3"):
        knobs(three, host).fail("prepare_arrival", times=1, message="Another processor.")
    knobs(three, "host3").reset()
    migrate(three, uuid)
    ended(three, uuid, "completed", "host3")
    assert truth.operation(three, uuid, LIVE)["state"] == "done"


def test_when_all_refuse_it_stays(three: Cloud) -> None:
    uuid = boot(three)
    for host in ("host2", "host3"):
        knobs(three, host).fail("prepare_arrival", message="Another processor.")
    migrate(three, uuid)
    ended(three, uuid, "error", "host1")
    assert truth.operation(three, uuid, LIVE)["fault"]["message"] == "Another processor. (2 hosts tried)"


@pytest.mark.parametrize(("where", "method"), [
    ("host1", "examine"), ("host2", "prepare_arrival"), ("host1", "migrate")])
def test_a_failure_before_it_has_left_leaves_it_where_it_was(cloud: Cloud, where: str, method: str) -> None:
    uuid = boot(cloud)
    times = 2 if method == "examine" else 1  # it is asked for once more, as a step
    knobs(cloud, where).fail(method, times=times, message="Out of order.")
    migrate(cloud, uuid)
    ended(cloud, uuid, "failed" if method == "migrate" else "error", "host1")
    assert truth.operation(cloud, uuid, LIVE)["fault"]["message"] == "Out of order."
    migrate(cloud, uuid)
    ended(cloud, uuid, "completed", "host2")


@pytest.mark.parametrize(("where", "method"), [("host2", "welcome"), ("host1", "see_off")])
def test_once_it_has_left_there_is_only_forward(cloud: Cloud, where: str, method: str) -> None:
    uuid = boot(cloud)
    knobs(cloud, where).fail(method, times=2)
    migrate(cloud, uuid)
    cloud.wait(lambda: truth.wake(cloud) or moves(cloud, uuid)[-1].status == "completed", what="it goes on")
    ended(cloud, uuid, "completed", "host2")


def test_aborted_while_it_runs(cloud: Cloud) -> None:
    uuid = boot(cloud)
    knobs(cloud, "host1").hang("copy")
    migrate(cloud, uuid)
    under_way(cloud, uuid)
    say(cloud, uuid, "abort")
    say(cloud, uuid, "abort")
    ended(cloud, uuid, "cancelled", "host1")
    assert truth.actions(cloud, uuid)[1:] == [(LIVE, "failed"), ("live_migration_cancel", "done")]


def test_aborted_while_it_is_prepared(cloud: Cloud) -> None:
    uuid = boot(cloud)
    knobs(cloud, "host2").hang("prepare_arrival")
    migrate(cloud, uuid)
    under_way(cloud, uuid, "preparing")
    with pytest.raises(errors.Invalid, match="is preparing"):
        say(cloud, uuid, "abort", RUNNING)
    say(cloud, uuid, "abort")
    knobs(cloud, "host2").release("prepare_arrival")
    ended(cloud, uuid, "cancelled", "host1")


def test_one_at_a_time_leaves_a_host_and_one_that_waits_can_be_aborted(cloud: Cloud) -> None:
    first, second, third = (boot(cloud, name=name) for name in ("one", "two", "three"))
    knobs(cloud, "host1").hang("copy")
    migrate(cloud, first)
    under_way(cloud, first)
    migrate(cloud, second)
    migrate(cloud, third)
    under_way(cloud, second, "queued")
    say(cloud, second, "abort")
    say(cloud, first, "force_complete")
    knobs(cloud, "host1").release("copy")
    states = {uuid: (truth.settled(cloud, uuid)["host"], moves(cloud, uuid)[-1].status)
              for uuid in (first, second, third)}
    assert states == {first: ("host2", "completed"), second: ("host1", "cancelled"), third: ("host2", "completed")}


def test_an_operator_aborts_it_rather_than_cancelling_it(cloud: Cloud) -> None:
    """Where the guest is by now, only its hosts know."""
    uuid = boot(cloud)
    knobs(cloud, "host1").hang("copy")
    migrate(cloud, uuid)
    under_way(cloud, uuid)
    found = OperationSearch(cloud.api, cloud.cells).get(moves(cloud, uuid)[-1].uuid)
    with pytest.raises(errors.Conflict, match="abort the live migration instead"):
        intervene.cancel(cloud.api, found, by="an operator")
    say(cloud, uuid, "abort")
    ended(cloud, uuid, "cancelled", "host1")


def test_of_two_at_once_exactly_one_wins(cloud: Cloud) -> None:
    uuid = boot(cloud)
    knobs(cloud, "host1").hang("copy")
    migrate(cloud, uuid)
    for attempt in (lambda: migrate(cloud, uuid), lambda: cloud.operations.stop(cloud.context(), uuid)):
        with pytest.raises(errors.Conflict, match="task_state migrating"):
            attempt()
    knobs(cloud, "host1").release("copy")
    ended(cloud, uuid, "completed", "host2")


def test_hosts_that_will_not_do(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=4)  # host1 and host3 are in the first cell
    uuid = boot(cloud)
    for host, told in (("nowhere", "could not be found"), ("host2", "could not be found in the cell")):
        with pytest.raises(errors.Invalid, match=told):
            migrate(cloud, uuid, host)
    with pytest.raises(errors.Invalid, match="to current host"):
        migrate(cloud, uuid, "host1", checked=True)
    assert truth.settled(cloud, uuid)["vm_state"] == "active"
    migrate(cloud, uuid, "host1")
    ended(cloud, uuid, "error", "host1")
    cloud.stop_host("host3")
    truth.silence(cloud, "host3", 100)
    with pytest.raises(errors.Invalid, match="unavailable"):
        migrate(cloud, uuid, "host3", checked=True)
    migrate(cloud, uuid, "host3")
    ended(cloud, uuid, "error", "host1")
    told = truth.operation(cloud, uuid, LIVE)["fault"]["message"]
    assert told.startswith("No valid host was found.") or told == "Host host3 does not answer."


def test_a_destination_that_is_too_small(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"fake__memory_mb": 1024, "reserved_host_memory_mb": 0})
    uuid = boot(cloud, flavor=FLAVOR | {"memory_mb": 1024})
    other = boot(cloud, "host2")
    migrate(cloud, uuid, "host2", force=True)
    truth.settled(cloud, uuid)
    assert moves(cloud, uuid)[-1].status == "error"
    assert truth.guests(cloud) == {uuid: "host1", other: "host2"}


@pytest.mark.parametrize(("where", "method"), [
    ("host1", "examine"), ("host2", "prepare_arrival"), ("host1", "copy"), ("host2", "welcome"), ("host1", "see_off")])
def test_deleted_in_every_phase(cloud: Cloud, where: str, method: str) -> None:
    uuid = boot(cloud)
    knobs(cloud, where).hang(method)
    migrate(cloud, uuid)
    step = STEPS.get(method, method)
    cloud.wait(lambda: [r["step"] for r in truth.open_rows(cloud)] == [step])
    cloud.operations.delete(cloud.context(), uuid)
    knobs(cloud, where).release(method)
    cloud.wait_gone(uuid)
    for _ in range(2):
        for service in cloud.hosts.values():
            service.manager.check()
    truth.nothing_left(cloud)


def test_a_destination_that_dies_while_it_prepares_is_passed_over(three: Cloud) -> None:
    uuid = boot(three)
    knobs(three, "host2").hang("prepare_arrival")
    migrate(three, uuid, "host2")
    under_way(three, uuid, "preparing")
    three.lines["host2"].cut = True
    truth.silence(three, "host2", 100)
    row = truth.settled(three, uuid)
    assert (row["host"], row["vm_state"], moves(three, uuid)[-1].status) == ("host1", "active", "error")
    assert truth.operation(three, uuid, LIVE)["fault"]["message"] == "Host host2 does not answer."
    three.lines["host2"].cut = False
    knobs(three, "host2").release("prepare_arrival")
    three.wait(lambda: three.hosts["host2"].manager.driver.list() and not three.hosts["host2"].manager.check()
               or not three.hosts["host2"].manager.driver.list(), what="host2 keeps nothing of it")
    migrate(three, uuid)
    truth.settled(three, uuid)
    assert moves(three, uuid)[-1].status == "completed"


def test_a_source_that_dies_after_it_has_left_leaves_it_to_the_destination(cloud: Cloud) -> None:
    """The guest is there; its former host cannot say so any more."""
    uuid = boot(cloud)
    source = cloud.hosts["host1"].manager
    source.driver.knobs.hang("copy")
    migrate(cloud, uuid)
    under_way(cloud, uuid)
    cloud.lines["host1"].cut = True
    source.driver.knobs.release("copy")
    cloud.wait(lambda: uuid not in source.driver.list(), what="the guest has left")
    truth.silence(cloud, "host1", 100)
    row = truth.settled(cloud, uuid)
    assert (row["host"], row["vm_state"], moves(cloud, uuid)[-1].status) == ("host2", "active", "completed")
    assert cloud.hosts["host2"].manager.driver.arrived(uuid)
    cloud.lines["host1"].cut = False
    ended(cloud, uuid, "completed", "host2")


def test_one_that_is_undone_after_the_guest_has_left_goes_on(cloud: Cloud) -> None:
    """The hypervisor reports a failure although the guest has arrived."""
    uuid = boot(cloud)
    knobs(cloud, "host1").fail("migrated", times=1, message="Lost the connection to the hypervisor.")
    migrate(cloud, uuid)
    ended(cloud, uuid, "completed", "host2")


def test_a_guest_that_is_nowhere_ends_its_migration(cloud: Cloud, pauses: Pauses) -> None:
    uuid = boot(cloud)
    driver = cloud.hosts["host1"].manager.driver
    with pauses.at("fake.migrate") as hold:
        migrate(cloud, uuid)
        hold.reached()
        driver.guests.remove(uuid)
        driver.knobs.fail("migrate", times=1, message="Lost the connection to the hypervisor.")
    cloud.wait(lambda: not truth.open_rows(cloud), what="the migration has ended")
    fault = truth.operation(cloud, uuid, "live-migration")["fault"]
    assert (moves(cloud, uuid)[-1].status, fault["message"]) == (
        "failed", "The guest has left its host and has not arrived.")
    assert list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, "host1")]
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_source_that_dies_before_it_has_left_keeps_it(cloud: Cloud) -> None:
    uuid = boot(cloud)
    source = cloud.hosts["host1"].manager
    source.driver.knobs.hang("copy")
    migrate(cloud, uuid)
    under_way(cloud, uuid)
    cloud.lines["host1"].cut = True
    truth.silence(cloud, "host1", 100)
    row = truth.settled(cloud, uuid)
    assert (row["host"], row["vm_state"], moves(cloud, uuid)[-1].status) == ("host1", "active", "failed")
    assert truth.operation(cloud, uuid, LIVE)["fault"]["message"].startswith("The source host went down")
    assert cloud.hosts["host2"].manager.driver.list() == []
    cloud.lines["host1"].cut = False
    ended(cloud, uuid, "failed", "host1")


def test_a_source_that_dies_once_it_has_left_is_not_waited_for(cloud: Cloud) -> None:
    uuid = boot(cloud)
    knobs(cloud, "host1").hang("see_off")
    migrate(cloud, uuid)
    under_way(cloud, uuid, "post-migrating")
    cloud.wait(lambda: [r["step"] for r in truth.open_rows(cloud)] == ["leave"])
    cloud.lines["host1"].cut = True
    truth.silence(cloud, "host1", 100)
    assert truth.settled(cloud, uuid)["host"] == "host2"
    cloud.lines["host1"].cut = False
    knobs(cloud, "host1").release("see_off")
    ended(cloud, uuid, "completed", "host2")


def test_a_guest_that_is_lost_on_its_way_is_an_error_where_its_disks_are(cloud: Cloud) -> None:
    """Its post-copy broke: part of its memory is nowhere."""
    uuid = boot(cloud)
    knobs(cloud, "host2").hang("memory")
    migrate(cloud, uuid)
    row = truth.settled(cloud, uuid)
    cloud.wait(lambda: not truth.open_rows(cloud), what="the migration has ended")
    assert (row["vm_state"], row["host"], row["power_state"]) == ("error", "host2", 0)
    assert row["fault"]["message"].startswith("The guest had begun to run here when")
    move, operation = moves(cloud, uuid)[-1], truth.operation(cloud, uuid, LIVE)
    assert (move.status, operation["state"]) == ("failed", "failed")
    assert operation["fault"]["message"] == row["fault"]["message"]
    assert truth.guests(cloud) == {uuid: "host2"} and truth.port_hosts(cloud, uuid) == {"host2"}
    assert list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, "host2")]
    assert truth.claim_of(cloud, move.uuid) == {}
    told = why.explain(cloud.api, cloud.cells, uuid, why.Patience()).told
    assert any("a hard reboot boots it anew" in sentence for sentence in told)
    knobs(cloud, "host2").reset()
    cloud.operations.reboot(cloud.context(), uuid, "HARD")
    assert cloud.wait_state(uuid, "active")["power_state"] == 1
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_guest_that_ends_while_it_is_moved_is_off_where_it_was(cloud: Cloud) -> None:
    uuid = boot(cloud)
    driver = cloud.hosts["host1"].manager.driver
    driver.knobs.hang("copy")
    migrate(cloud, uuid)
    under_way(cloud, uuid)
    driver.power_off(uuid)
    driver.knobs.release("copy")
    row = truth.settled(cloud, uuid)
    cloud.wait(lambda: not truth.open_rows(cloud), what="the migration has ended")
    assert (row["vm_state"], row["power_state"], row["host"], moves(cloud, uuid)[-1].status) == (
        "stopped", 4, "host1", "failed")
    assert truth.operation(cloud, uuid, LIVE)["fault"]["message"] == "The guest ended while it was moved."
    assert truth.guests(cloud) == {uuid: "host1"}
    assert list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, "host1")]
    cloud.operations.start(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")


def test_a_host_that_does_not_do_it_when_asked_does_it_as_a_step_of_its_own(cloud: Cloud) -> None:
    uuid = boot(cloud)
    for host, method in (("host1", "examine"), ("host2", "welcome"), ("host1", "see_off")):
        knobs(cloud, host).fail(method, times=1)
    migrate(cloud, uuid)
    ended(cloud, uuid, "completed", "host2")
    assert [e["result"] for e in truth.events(cloud, uuid, LIVE)] == ["Success"] * 7
    knobs(cloud, "host2").fail("see_off", times=1)
    migrate(cloud, uuid, "host1")
    ended(cloud, uuid, "completed", "host1")
