# SPDX-License-Identifier: Apache-2.0
"""What an operator sees and does with operations: list, show, retry, cancel; and what ``why`` says of a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import errors
from nova.cmd.manage.operations import described
from nova.conductor import intervene
from nova.conductor.why import Patience, explain
from nova.db.api import host_fences
from nova.db.api.tables import operations as api_operations
from nova.db.cell.tables import operations as cell_operations
from nova.operations import drains
from nova.store.operation_search import STATES, OperationSearch, Wanted
from tests import edges
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud
from tests.functional.pauses import Pauses

PATIENCE = Patience(lease=1.5, down_after=60.0, look=0.3)


def search(cloud: Cloud) -> OperationSearch:
    return OperationSearch(cloud.api, cloud.cells)


def told(cloud: Cloud, uuid: str) -> str:
    return "\n".join(explain(cloud.api, cloud.cells, uuid, PATIENCE).told)


@pytest.fixture
def hanging(cloud: Cloud) -> Any:
    """A server whose stop hangs on its host: (server, operation, knobs)."""
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("power_off")
    cloud.operations.stop(cloud.context(), uuid)
    [found] = cloud.wait(lambda: search(cloud).find(Wanted(server=uuid)))
    yield uuid, found, knobs
    knobs.release("power_off")


def test_what_is_under_way_is_found_by_each_filter(cloud: Cloud, hanging: Any) -> None:
    uuid, found, knobs = hanging
    row = found.row
    assert (row["action"], row["state"], row["level"], found.place) == ("stop", "open", "host", "cell1")
    assert found.owner is not None
    assert (found.owner.host, found.owner.lives(60)) == (row["host"], True)
    for wanted in (Wanted(host=row["host"]), Wanted(action="stop"), Wanted(states=("open",)), Wanted(older_than=0)):
        assert [f.row["uuid"] for f in search(cloud).find(wanted)] == [row["uuid"]]
    for wanted in (Wanted(host="elsewhere"), Wanted(action="create"), Wanted(states=("undoing",)),
                   Wanted(older_than=3600)):
        assert search(cloud).find(wanted) == []
    every = search(cloud).find(Wanted(states=STATES, server=uuid))
    assert [f.row["action"] for f in every] == ["create", "stop"]
    knobs.release("power_off")
    cloud.wait_state(uuid, "stopped")
    assert search(cloud).get(row["uuid"]).row["state"] == "done"


def test_a_document_shows_steps_events_owner_and_times(cloud: Cloud, hanging: Any) -> None:
    uuid, found, knobs = hanging
    shown = described(found, search(cloud).events(found), lease=1.5)
    assert [(s["name"], s["stands"]) for s in shown["steps"]] == [("power_off", "here")]
    assert shown["owner"]["lives"] and shown["owner"]["lease_seconds"] == 1.5
    assert shown["deadline_in_seconds"] > 0 and shown["due"] is None
    create = search(cloud).find(Wanted(states=("done",), server=uuid))[0]
    names = [e["event"] for e in described(create, search(cloud).events(create), lease=1.5)["events"]]
    assert names[0] == "conductor_schedule" and "compute__do_build_and_run_instance" in names


def test_a_silent_cell_is_named_and_the_rest_is_told(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=2)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cell = next(c for c in cloud.cells.all() if c.name == truth.cell_of(cloud, uuid))
    with edges.unreachable(cell.database):
        asked = search(cloud)
        assert asked.find(Wanted(states=("done",))) == []
        assert list(asked.silent) == [cell.name]
        with pytest.raises(errors.Unavailable, match=cell.name):
            asked.get("00000000-0000-4000-8000-000000000000")
        assert "does not answer now" in told(cloud, uuid)
    with pytest.raises(errors.NotFound):
        search(cloud).get("00000000-0000-4000-8000-000000000000")


def test_retry_is_refused_while_somebody_has_it(cloud: Cloud, hanging: Any) -> None:
    _, found, _ = hanging
    with pytest.raises(errors.Conflict, match="is being moved"):
        intervene.retry(cloud.api, found, lease=60)


def test_retry_makes_a_sleeping_row_due(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cell = next(c for c in cloud.cells.all() if c.name == "cell1")
    truth.write_heartbeats(cloud)
    cloud.lines[host].cut = True
    cloud.hosts[host].server.stop()
    cloud.operations.stop(cloud.context(), uuid)
    found = search(cloud).find(Wanted(server=uuid))[0]
    with cell.database.write() as conn:  # as if its owner had put it to sleep for an hour and were gone
        assert cell_operations.advance(conn, found.row["uuid"], found.row["epoch"], owner=None, due_in=3600.0)
    cloud.lines[host].cut = False
    asleep = search(cloud).get(found.row["uuid"])
    assert asleep.row["due_at"] - asleep.now > 3000
    assert intervene.retry(cloud.api, asleep, lease=1.5) == "due at once"
    cloud.wait_state(uuid, "stopped")
    with pytest.raises(errors.Conflict, match="has ended: it is done"):
        intervene.retry(cloud.api, search(cloud).get(found.row["uuid"]), lease=1.5)


def test_a_cancelled_stop_is_undone_when_the_host_lets_go(cloud: Cloud, hanging: Any) -> None:
    uuid, found, knobs = hanging
    said = intervene.cancel(cloud.api, found, by="the night shift")
    assert "undone from step power_off" in said and found.row["host"] in said
    with pytest.raises(errors.Conflict, match="being undone already"):
        intervene.cancel(cloud.api, search(cloud).get(found.row["uuid"]), by="me")
    knobs.release("power_off")
    truth.settled(cloud, uuid)
    assert truth.actions(cloud, uuid)[-1] == ("stop", "failed")
    assert "the night shift" in truth.operation(cloud, uuid, "stop")["fault"]["message"]
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_cancelled_build_is_given_up_and_holds_nothing(cloud: Cloud, pauses: Pauses) -> None:
    for host in cloud.hosts.values():
        host.manager.driver.knobs.hang("spawn")
    with pauses.at("fake.spawn") as hold:
        uuid = cloud.boot()[0]
        hold.reached()
    found = cloud.wait(lambda: [f for f in search(cloud).find(Wanted(server=uuid)) if f.row["level"] == "host"] or None,
                       what="the API level has let go of it")[0]
    assert "abandon" in intervene.cancel(cloud.api, found, by="an operator")
    cloud.wait_state(uuid, "error")
    for host in cloud.hosts.values():
        host.manager.driver.knobs.release("spawn")
    assert truth.claim_of(cloud, uuid) == {}
    assert truth.ports_of(cloud, uuid) == 0
    assert "cancelled by an operator" in told(cloud, uuid)
    cloud.wait(lambda: truth.guests(cloud) == {}, what="the overtaken guest is removed")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_create_that_waits_for_a_scheduler_is_buried(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(start=False)
    cloud.setup()
    cloud.start_api()
    uuid = cloud.boot()[0]
    [found] = search(cloud).find(Wanted(server=uuid))
    assert (found.place, found.row["step"]) == ("api", "schedule")
    text = told(cloud, uuid)
    assert "no cell has it yet" in text and "step schedule on the API level" in text
    assert "bury" in intervene.cancel(cloud.api, found, by="an operator")
    cloud.start_orchestrator()
    cloud.wait_state(uuid, "error")
    assert "never got a host" in told(cloud, uuid)
    with cloud.api.read() as conn:
        assert [r["state"] for r in api_operations.of_instance(conn, uuid)] == ["failed"]


def test_a_delete_is_not_cancelled(cloud: Cloud, hanging: Any) -> None:
    uuid, _, knobs = hanging
    for host in cloud.hosts.values():
        host.manager.driver.knobs.hang("destroy")
    cloud.operations.delete(cloud.context(), uuid)
    found = next(f for f in search(cloud).find(Wanted(server=uuid)) if f.row["action"] == "delete")
    with pytest.raises(errors.Conflict, match="a delete can not be undone"):
        intervene.cancel(cloud.api, found, by="an operator")
    for host in cloud.hosts.values():
        host.manager.driver.knobs.release("destroy")
    knobs.release("power_off")
    cloud.wait_gone(uuid)
    assert "deleted" in told(cloud, uuid)


def test_why_says_what_the_filters_refused(cloud: Cloud) -> None:
    uuid = cloud.boot(flavor=FLAVOR | {"root_gb": 5_000})[0]
    cloud.wait_state(uuid, "error")
    text = told(cloud, uuid)
    assert "never got a host" in text
    assert "No valid host" in text
    assert "refused 2 hosts" in text and "host1: " in text
    facts = explain(cloud.api, cloud.cells, uuid, PATIENCE).facts
    assert facts["cell"] == "cell0" and facts["fault"]["code"] == 500


def test_why_says_which_host_does_not_answer(cloud: Cloud, hanging: Any) -> None:
    uuid, found, _ = hanging
    host = found.row["host"]
    text = told(cloud, uuid)
    assert f"in the hands of nova-compute on {host}" in text
    assert "Ask the guest to stop" in text and "Its deadline is in" in text
    truth.write_heartbeats(cloud)
    cloud.lines[host].cut = True
    cloud.wait(lambda: "does not answer" in told(cloud, uuid), what="the host falls silent")
    assert "asks for its work when it starts" in told(cloud, uuid)
    assert explain(cloud.api, cloud.cells, uuid, PATIENCE).facts["host_state"] == "silent"


def test_why_tells_what_becomes_of_the_host(cloud: Cloud, hanging: Any) -> None:
    uuid, found, _ = hanging
    host, cell = found.row["host"], found.cell.uuid
    drains.accept(cloud.api, cloud.context(admin=True), drains.Wanted(host))
    with cloud.api.write() as conn:
        host_fences.confirm(conn, host, cell, None, "Seen by the night shift.")
    cloud.wait(lambda: "this server is waiting there" in told(cloud, uuid))
    assert "its fence is confirmed: Seen by the night shift." in told(cloud, uuid)


def test_why_of_a_server_at_rest_and_of_none(cloud: Cloud) -> None:
    uuid = cloud.boot(name="calm")[0]
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: "waits for nothing" in told(cloud, uuid))
    assert "Server 'calm' is ACTIVE" in told(cloud, uuid)
    with pytest.raises(errors.NotFound, match="there is no server"):
        told(cloud, "00000000-0000-4000-8000-000000000000")


def test_a_cancelled_move_goes_back_to_where_it_was(cloud: Cloud, pauses: Pauses) -> None:
    """The source is just putting the disks aside: it ends that, then everything is taken back."""
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("set_aside")
    with pauses.at("fake.set_aside") as hold:
        cloud.operations.migrate(cloud.context(admin=True), uuid)
        hold.reached()
    [found] = search(cloud).find(Wanted(server=uuid))
    assert "undone from step leave" in intervene.cancel(cloud.api, found, by="the night shift")
    assert "is being undone at step leave" in told(cloud, uuid)
    knobs.release("set_aside")
    row = truth.settled(cloud, uuid)
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert (row["host"], truth.settled(cloud, uuid)["vm_state"]) == (host, "active")
    assert truth.guests(cloud) == {uuid: host}
    assert truth.actions(cloud, uuid)[-1] == ("migrate", "failed")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_what_makes_good_is_not_cancelled(cloud: Cloud) -> None:
    """A confirm has passed the point of return."""
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.operations.migrate(cloud.context(admin=True), uuid)
    cloud.wait_state(uuid, "resized")
    knobs = cloud.hosts[host].manager.driver.knobs
    knobs.hang("drop_aside")
    cloud.operations.confirm_resize(cloud.context(), uuid)
    [found] = cloud.wait(lambda: search(cloud).find(Wanted(server=uuid)))
    with pytest.raises(errors.Conflict, match="confirmResize can not be undone"):
        intervene.cancel(cloud.api, found, by="me")
    knobs.release("drop_aside")
    cloud.wait_state(uuid, "active")


def test_an_operation_that_waits_for_another_is_left_alone(cloud: Cloud) -> None:
    """They share the server's epoch: the first would never end if a later one were moved before it."""
    uuid = cloud.boot()[0]
    knobs = cloud.hosts[cloud.wait_state(uuid, "active")["host"]].manager.driver.knobs
    [vif] = cloud.servers.show(cloud.context(), uuid)["network_info"]
    knobs.hang("attach_interface")
    try:
        cloud.operations.attach_interface(cloud.context(), uuid)
        cloud.operations.detach_interface(cloud.context(), uuid, vif["id"])
        first, waits = search(cloud).find(Wanted(server=uuid))
        for ask in (lambda: intervene.retry(cloud.api, waits, lease=1.5),
                    lambda: intervene.cancel(cloud.api, waits, by="me")):
            with pytest.raises(errors.Conflict, match=f"waits for operation {first.row['uuid']}"):
                ask()
    finally:
        knobs.release("attach_interface")
    cloud.wait(lambda: not search(cloud).find(Wanted(server=uuid)))
    assert [state for _, state in truth.actions(cloud, uuid)] == ["done"] * 3
