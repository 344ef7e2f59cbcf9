# SPDX-License-Identifier: Apache-2.0
"""The Store as hosts use it: leases, takes that race, fences, whose rows are whose, and what a host may change."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency, errors
from nova.db.cell import signals
from nova.objects.compute_node import ComputeNode
from nova.objects.service import Service
from nova.objects.work import Work
from nova.store.cell import CellStore
from tests.contract.stores.conftest import LEASE, Bench
from tests.functional.cloud import Cloud


def register(store: Any, host: str = "h1") -> str:
    """A start of nova-compute; returns its incarnation."""
    incarnation = concurrency.uuid4()
    store.service_register(Service.new(uuid=concurrency.uuid4(), host=host, binary="nova-compute", topic="compute",
                                       version=1, incarnation=incarnation))
    return incarnation


def finished(**values: Any) -> dict[str, Any]:
    return {"kind": "finish", "state": "done", "data": {}, "changes": {}} | values


def test_a_row_is_taken_once_and_under_a_new_epoch(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    server = bench.server()
    operation = bench.operation(server)
    work = store.operation_take(operation, 1, me)
    assert (work.operation.uuid, work.operation.epoch, work.operation.owner) == (operation, 2, me)
    assert (work.instance.uuid, work.instance.epoch, work.image) == (server, 2, {"id": "i"})
    assert work.operation.inputs == {"a": 1} and work.operation.attempt == 1
    assert bench.instance(server)["epoch"] == 2
    assert store.operation_take(operation, 1, me) is None
    assert store.operation_take(operation, 2, me) is None  # its owner lives
    assert store.operation_take(concurrency.uuid4(), 1, me) is None


def test_of_many_takers_exactly_one_wins(bench: Bench) -> None:
    store = bench.store("h1")
    owners = [register(store, "h1") for _ in range(1)] + [concurrency.uuid4() for _ in range(7)]
    won: list[str] = []
    operation = bench.operation(bench.server())

    def take(owner: str) -> None:
        if store.operation_take(operation, 1, owner) is not None:
            won.append(owner)

    tasks = [concurrency.spawn(take, o) for o in owners]
    assert all(t.join(120) for t in tasks)
    assert len(won) == 1
    assert (bench.row(operation)["owner"], bench.row(operation)["epoch"]) == (won[0], 2)


def test_a_lease_that_is_over_lets_another_start_of_the_host_in(bench: Bench) -> None:
    store = bench.store("h1")
    old = register(store)
    operation = bench.operation(bench.server())
    assert store.operation_take(operation, 1, old) is not None
    assert store.operations_due("h1", old, [operation]) == []
    new = register(store)  # the former incarnation's lease ends with it
    [work] = store.operations_due("h1", new, [])
    assert (work.operation.uuid, work.operation.epoch, work.operation.owner) == (operation, 3, new)
    with pytest.raises(errors.Stale):
        store.operation_record(operation, 2, finished())
    store.operation_record(operation, 3, finished())
    assert bench.row(operation)["state"] == "done"


def test_heartbeats_keep_a_lease_and_silence_ends_it(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    operation = bench.operation(bench.server())
    assert store.operation_take(operation, 1, me) is not None
    for _ in range(2):
        bench.silence(LEASE * 0.7)
        assert store.operation_take(operation, 2, concurrency.uuid4()) is None
        store.service_heartbeat("", me)
        Cloud.wait(lambda: bench.age() < LEASE * 0.3, what="the heartbeat is written")
    other = concurrency.uuid4()
    bench.silence()
    assert store.operation_take(operation, 2, other) is not None
    assert bench.row(operation)["owner"] == other


def test_a_host_can_not_keep_the_lease_of_another_alive(bench: Bench) -> None:
    store, stranger = bench.store("h1"), bench.store("h2")
    me = register(store)
    operation = bench.operation(bench.server())
    assert store.operation_take(operation, 1, me) is not None
    other = concurrency.uuid4()

    bench.silence()
    stranger.service_heartbeat("", me)
    concurrency.sleep(0.3)  # if it counted, it would be written by now
    assert store.operation_take(operation, 2, other) is not None


def test_due_rows_are_found_and_those_that_run_are_not(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    due, later, elsewhere = bench.server(), bench.server(), bench.server(host="h2")
    first = bench.operation(due)
    bench.operation(later, due_in=60.0)
    bench.operation(elsewhere, host="h2")
    assert [w.operation.uuid for w in store.operations_due("h1", me, [])] == [first]
    assert store.operations_due("h1", me, []) == []


def test_rows_that_the_owner_lost_track_of_come_back_under_the_same_epoch(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    operation = bench.operation(bench.server())
    assert store.operation_take(operation, 1, me) is not None

    def again() -> Any:
        store.service_heartbeat("", me)
        return store.operations_due("h1", me, [])

    [work] = Cloud.wait(again, what="it is given back")
    assert (work.operation.uuid, work.operation.epoch) == (operation, 2)
    assert store.operations_due("h1", me, [operation]) == []


def test_a_level_takes_only_its_own_rows(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    operation = bench.operation(bench.server(), level="api")
    assert store.operation_take(operation, 1, me) is None
    assert store.operations_due("h1", me, []) == []
    assert bench.row(operation)["owner"] is None and bench.row(operation)["epoch"] == 1


def test_a_server_that_was_taken_over_refuses(bench: Bench) -> None:
    """The row's epoch and the server's rise together; a row whose server went on without it is not taken."""
    store = bench.store("h1")
    me = register(store)
    operation = bench.operation(bench.server(epoch=5))
    assert store.operation_take(operation, 1, me) is None
    assert bench.row(operation)["owner"] is None


def test_records_move_the_row_and_change_the_server(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    server = bench.server()
    operation = bench.operation(server)
    store.operation_take(operation, 1, me)
    store.operation_progress(operation, 2, 150)
    assert bench.row(operation)["progress"] == 100
    event = {"event": "compute_x", "started_at": 1.0, "finished_at": 2.0, "result": "Success", "host": "h1"}
    store.operation_record(operation, 2, {"kind": "advance", "step": "next", "data": {"x": 1}, "event": event,
                                          "changes": {"power_state": 1}})
    assert (bench.row(operation)["step"], bench.row(operation)["owner"]) == ("next", me)
    assert bench.instance(server)["power_state"] == 1
    store.operation_record(operation, 2, finished(changes={"vm_state": "active", "task_state": None}))
    row = bench.row(operation)
    assert (row["state"], row["owner"]) == ("done", None) and row["finished_at"]
    assert (bench.instance(server)["vm_state"], bench.instance(server)["task_state"]) == ("active", None)
    with pytest.raises(errors.Stale):
        store.operation_record(operation, 2, finished())


def test_handing_up_and_letting_go(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    operation = bench.operation(bench.server())
    store.operation_take(operation, 1, me)
    store.operation_record(operation, 2, {"kind": "release", "delay": 0.0})
    assert bench.row(operation)["owner"] is None
    assert store.operation_take(operation, 2, me) is not None
    store.operation_record(operation, 3, {"kind": "hand", "level": "api", "step": "reschedule",
                                          "data": {"fault": {"message": "x"}}})
    row = bench.row(operation)
    assert (row["level"], row["step"], row["owner"]) == ("api", "reschedule", None) and row["due_at"]
    assert row["step_data"] == {"selected": {"host": "h1"}, "image": {"id": "i"}, "fault": {"message": "x"}}


def test_a_failure_leaves_its_fault_with_the_server(bench: Bench) -> None:
    from nova.db.cell import instances

    store = bench.store("h1")
    me = register(store)
    server = bench.server()
    operation = bench.operation(server)
    store.operation_take(operation, 1, me)
    store.operation_record(operation, 2, finished(state="failed", fault={"code": 500, "message": "broken"}))
    with bench.database.read() as conn:
        assert instances.latest_faults(conn, [server])[server]["message"] == "broken"


# -- whose is whose ------------------------------------------------------------------------------------------------


def test_a_host_cannot_act_for_another(bench: Bench) -> None:
    store = bench.store("h2")
    server = bench.server(host="h1", vm_state="active", task_state=None)
    for forbidden in (lambda: store.instances_on_host("h1"), lambda: register(store, "h1"),
                      lambda: store.instance_power_states("h1", {server: 4}),
                      lambda: store.network_documents("h1", 0),
                      lambda: store.compute_node_report(node("h1"))):
        with pytest.raises(errors.Forbidden):
            forbidden()
    with pytest.raises(errors.NotFound):
        store.instance_get(server)
    with pytest.raises(errors.NotFound):
        store.instance_save(server, {"vm_state": "error"})
    store.instance_power_states("h2", {server: 4})
    assert bench.instance(server)["power_state"] == 0


def test_a_host_cannot_take_or_record_what_is_another_s(bench: Bench) -> None:
    store, rogue = bench.store("h1"), bench.store("h2")
    me, other = register(store), register(rogue, "h2")
    operation = bench.operation(bench.server())
    assert rogue.operation_take(operation, 1, other) is None
    assert (bench.row(operation)["owner"], bench.row(operation)["epoch"]) == (None, 1)
    assert store.operation_take(operation, 1, me) is not None
    with pytest.raises(errors.Stale):
        rogue.operation_record(operation, 2, finished())
    with pytest.raises(errors.Stale):
        rogue.operation_progress(operation, 2, 50)
    assert bench.row(operation)["state"] == "open" and bench.row(operation)["progress"] == 0


def test_a_host_cannot_rewrite_what_was_decided(bench: Bench) -> None:
    store = bench.store("h1")
    me = register(store)
    operation = bench.operation(bench.server())
    store.operation_take(operation, 1, me)
    store.operation_record(operation, 2, {"kind": "advance", "step": "build",
                                          "data": {"selected": {"host": "h9"}, "mine": 1}})
    assert bench.row(operation)["step_data"] == {"selected": {"host": "h1"}, "image": {"id": "i"}, "mine": 1}
    with pytest.raises(errors.Forbidden):
        store.operation_record(operation, 2, {"kind": "hand", "level": "host", "step": "build", "data": {}})


def test_a_host_hands_a_move_to_the_other_host_of_it_and_to_no_third(bench: Bench) -> None:
    store, other = bench.store("h1"), bench.store("h2")
    me, it = register(store), register(other, "h2")
    server = bench.server(host="h1")
    operation = bench.operation(server, action="migrate", step="leave",
                                step_data={"source_compute": "h1", "dest_compute": "h2"})
    store.operation_take(operation, 1, me)
    assert other.servers_moving("h2") == [server] and store.servers_moving("h1") == [server]
    assert [found["instance_uuid"] for found in other.network_documents("h2", 0)] == [server]
    move = {"kind": "hand", "level": "host", "step": "arrive", "data": {"dest_compute": "h3"}}
    for third in ("h3", None):
        with pytest.raises(errors.Forbidden):
            store.operation_record(operation, 2, move | {"host": third})
    store.operation_record(operation, 2, move | {"host": "h2"})
    row = bench.row(operation)
    assert (row["level"], row["host"], row["step"], row["owner"]) == ("host", "h2", "arrive", None) and row["due_at"]
    assert other.operation_take(operation, 2, it) is not None
    other.operation_record(operation, 3, finished())
    assert other.servers_moving("h2") == [] == other.network_documents("h2", 0)
    with pytest.raises(errors.Forbidden):
        other.servers_moving("h1")


def test_what_is_handed_to_a_living_host_is_its_own_at_once(bench: Bench) -> None:
    told: list[tuple[str, str, Work]] = []
    trusted = CellStore(bench.database, lease=LEASE, begin=lambda *words: told.append(words))
    store, other = trusted.on_behalf_of("h1"), trusted.on_behalf_of("h2")
    me, it = register(store), register(other, "h2")
    server = bench.server(host="h1", network_info=[{"id": "x"}])
    operation = bench.operation(server, action="migrate", step="leave",
                                step_data={"source_compute": "h1", "dest_compute": "h2"})
    store.operation_take(operation, 1, me)
    move = {"kind": "hand", "level": "host", "step": "arrive", "data": {"made": 1}, "host": "h2"}
    store.operation_record(operation, 2, move)
    row = bench.row(operation)
    assert (row["host"], row["step"], row["owner"], row["epoch"]) == ("h2", "arrive", it, 3)
    assert bench.instance(server)["epoch"] == 3
    [(host, incarnation, work)] = told
    assert (host, incarnation) == ("h2", it)
    assert (work.operation.epoch, work.operation.step, work.instance.uuid) == (3, "arrive", server)
    assert work.operation.step_data["made"] == 1 and work.instance.network_info == [{"id": "x"}]
    with pytest.raises(errors.Stale):  # said again
        store.operation_record(operation, 2, move)
    bench.silence()
    other.operation_record(operation, 3, move | {"host": "h1", "step": "back"})
    assert len(told) == 1 and (bench.row(operation)["owner"], bench.row(operation)["epoch"]) == (None, 3)
    assert bench.row(operation)["due_at"]


@pytest.mark.parametrize("column", ["host", "epoch", "project_id", "deleted", "uuid", "flavor", "locked_by"])
def test_a_host_cannot_change_what_is_not_its_business(bench: Bench, column: str) -> None:
    store = bench.store("h1")
    server = bench.server()
    before = bench.instance(server)
    with pytest.raises(errors.Forbidden, match=column):
        store.instance_save(server, {column: "x"})
    assert bench.instance(server) == before


def test_saves_are_fenced(bench: Bench) -> None:
    store = bench.store("h1")
    server = bench.server()
    assert store.instance_save(server, {"power_state": 4}, 1).power_state == 4
    with pytest.raises(errors.Stale):
        store.instance_save(server, {"power_state": 1}, 0)
    assert bench.instance(server)["power_state"] == 4


def test_servers_of_a_host(bench: Bench) -> None:
    store = bench.store("h1")
    mine, gone = bench.server(), bench.server(deleted=True)
    bench.server(host="h2")
    [server] = store.instances_on_host("h1")
    assert server.uuid == mine and server.name == f"instance-{bench.instance(mine)['id']:08x}"
    assert store.instance_get(mine).flavor == {"name": "f"}
    with pytest.raises(errors.NotFound):
        store.instance_get(gone)


def test_signals_of_a_running_operation(bench: Bench) -> None:
    store, other = bench.store("h1"), bench.store("h2")
    operation = bench.operation(bench.server(), action="live-migration", step="migrate")
    store.operation_take(operation, 1, register(store))
    assert store.operation_signals(operation, 2) == []
    for kind in ("abort", "abort", "force_complete"):
        with bench.database.write() as conn:
            signals.send(conn, operation, kind)
    for _ in range(2):
        assert store.operation_signals(operation, 2) == ["abort", "force_complete"]
    counted = {"memory_total_bytes": 7, "disk_total_bytes": 8, "other": 9}
    store.operation_progress(operation, 2, 40, counted)
    row = bench.row(operation)
    assert row["progress"] == 40
    assert row["step_data"]["progress"] == {"memory_total_bytes": 7, "disk_total_bytes": 8}
    for late in (lambda: store.operation_signals(operation, 1), lambda: other.operation_signals(operation, 2),
                 lambda: store.operation_progress(operation, 1, 50, counted)):
        with pytest.raises(errors.Stale):
            late()


def test_network_documents_since_a_version(bench: Bench) -> None:
    store = bench.store("h1")
    server = bench.server()
    bench.server(host="h2")
    [document] = store.network_documents("h1", 0)
    assert (document["instance_uuid"], document["vifs"], document["deleted"]) == (server, [{"id": "port"}], False)
    assert store.network_documents("h1", document["version"]) == []
    store.instance_save(server, {"power_state": 1})
    [fresh] = store.network_documents("h1", document["version"])
    assert fresh["version"] > document["version"]


def node(host: str) -> ComputeNode:
    return ComputeNode.new(uuid="0c0c0c0c-0000-4000-8000-000000000001", host=host, hypervisor_hostname=host,
                           hypervisor_type="fake", hypervisor_version=1, vcpus=4, memory_mb=1024, local_gb=10,
                           vcpus_used=0, memory_mb_used=0, local_gb_used=0, running_vms=0, cpu_info={}, host_ip=None,
                           inventory={"VCPU": {"total": 4}}, traits=[], supported_instances=[], uptime="", digest="d")
