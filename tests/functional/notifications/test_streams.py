# SPDX-License-Identifier: Apache-2.0
"""GET /servers/events over a whole cloud: who hears what, and where a client goes on that was away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency, states
from nova.db.cell.outbox import outbox as cell_outbox
from tests.functional.cloud import Cloud
from tests.functional.notifications.streams import Client, Event, Fronted

Serve = Callable[..., Fronted]


@pytest.fixture
def serve() -> Iterator[Serve]:
    made: list[Fronted] = []

    def make(cloud: Cloud, **options: Any) -> Fronted:
        made.append(Fronted(cloud, node=f"front{len(made)}", **options))
        return made[-1]

    yield make
    for front in made:
        front.close()


def states_of(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(e.data["server"]["vm_state"], e.data["server"]["task_state"]) for e in events if e.event == "server.state"]


def test_the_life_of_a_server_is_heard(cloud: Cloud, serve: Serve) -> None:
    client = serve(cloud).listen().ready()
    assert "content-type: text/event-stream" in client.head.lower()
    uuid = cloud.boot(name="vm")[0]
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, states.STOPPED)
    cloud.operations.update(cloud.context(), uuid, {"display_name": "renamed"})
    cloud.operations.delete(cloud.context(), uuid)
    events = client.until("server.deleted")
    assert events[0].event == "server.created" and events[0].data["server"]["status"] == "BUILD"
    assert states_of(events) == [("building", "spawning"), ("active", None), ("active", "powering-off"),
                                 ("stopped", None), ("stopped", "deleting")]
    assert {e.data["server"]["id"] for e in events} == {uuid}
    assert len({e.data["id"] for e in events}) == len(events)
    renamed = next(e for e in events if e.event == "server.updated")
    assert renamed.data["changed"] == ["display_name"] and renamed.data["server"]["name"] == "renamed"
    built = next(e for e in events if e.data["server"]["vm_state"] == "active")
    assert built.data["operation"]["action"] == "create" and built.data["operation"]["state"] == "done"
    assert built.data["before"] == {"status": "BUILD", "vm_state": "building", "task_state": "spawning",
                                    "power_state": 0}


def test_a_failure_tells_its_reason_and_nothing_of_the_hosts(cloud: Cloud, serve: Serve) -> None:
    client = serve(cloud).listen().ready()
    for host in cloud.hosts.values():
        host.manager.driver.knobs.fail("spawn", times=10)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ERROR)
    event = client.next()
    seen = [event]
    while event.data["server"]["status"] != "ERROR":
        event = client.next()
        seen.append(event)
    assert event.data["operation"]["error"]
    assert not any("host1" in str(e.data) or "Traceback" in str(e.data) for e in seen)


def test_projects_hear_their_own_and_administrators_all(cloud: Cloud, serve: Serve) -> None:
    front = serve(cloud)
    mine, other = front.listen().ready(), front.listen(token="p2:reader").ready()
    everything = front.listen("?all_tenants=1", token="adm:admin").ready()
    uuid = cloud.boot()[0]
    assert mine.next().data["server"]["id"] == uuid
    assert everything.next().data["server"]["id"] == uuid
    assert other.silent()
    refused = front.listen("?all_tenants=1", token="p1:member")
    assert refused.status == 403
    assert front.listen(token="nobody").status == 401
    assert front.listen(token="p1:stranger").status == 403


def test_filters(cloud: Cloud, serve: Serve) -> None:
    front = serve(cloud)
    front.listen().ready()
    first, second = cloud.boot(count=2)
    only = front.listen(f"?server={second}&event=server.state&event=server.deleted").ready()
    active = front.listen("?status=ACTIVE").ready()
    for uuid in (first, second):
        cloud.wait_state(uuid, states.ACTIVE)
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait_gone(uuid)
    events = only.until("server.deleted")
    assert {e.data["server"]["id"] for e in events} == {second}
    assert {e.event for e in events} <= {"server.state", "server.deleted"}
    assert active.next().data["server"]["status"] == "ACTIVE"
    assert front.listen("?event=nothing").status == 400
    assert front.listen("?status=nothing").status == 400
    assert front.listen("?server=x").status == 400
    assert front.listen("?page=2").status == 400
    assert front.listen(last="nonsense").status == 400


def test_a_client_goes_on_where_it_was(cloud: Cloud, serve: Serve) -> None:
    """Also with another process, for the position is the databases'."""
    front = serve(cloud)
    client = front.listen().ready()
    uuid = cloud.boot()[0]
    heard = [client.next()]
    client.close()
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    witness = serve(cloud).listen(last=heard[0].id)
    missed = [e for e in witness.until("server.deleted") if e.event != "ready"]
    assert {e.event for e in missed}.isdisjoint({"reset", "server.created"})
    again = front.listen(last=heard[0].id).until("server.deleted")
    told = [e for e in again if e.event != "ready"]  # a front may hear the last of them only after it is ready
    assert [e.data["id"] for e in told] == [e.data["id"] for e in missed]


def test_the_id_of_each_event_is_a_place_to_go_on(cloud: Cloud, serve: Serve) -> None:
    front = serve(cloud)
    client = front.listen().ready()
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.delete(cloud.context(), uuid)
    events = client.until("server.deleted")
    for i, event in enumerate(events):
        rest = [e.data["id"] for e in front.listen(last=event.id).until("ready")[:-1]]
        assert rest == sorted(rest, key=[e.data["id"] for e in events].index), rest
        assert set(rest) >= {e.data["id"] for e in events[i + 1:]} and event.data["id"] not in rest


def test_what_is_no_longer_there_is_said(cloud: Cloud, serve: Serve) -> None:
    front = serve(cloud)
    client = front.listen().ready()
    uuid = cloud.boot()[0]
    first = client.next()
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.delete(cloud.context(), uuid)
    client.until("server.deleted")
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            cell_outbox.forget_events(conn, -10.0)
    again = front.listen(last=first.id).until("ready")
    assert "reset" in [e.event for e in again]


def test_a_pause_in_the_recording_is_said(cloud: Cloud, serve: Serve) -> None:
    """Nobody listened for so long that nobody wrote."""
    front = serve(cloud)
    client = front.listen().ready()
    client.close()
    cloud.wait(lambda: len(front.hub.loop) == 0, what="the client is gone")
    for cell in cloud.cells.all():
        with cell.database.write() as conn:
            conn.execute(sa.update(cell_outbox.listeners).values(until=0.0))
    cloud.wait(lambda: not front.hub.feed.positions(), what="the feed rests")
    again = front.listen(last=client.last_id).until("ready")
    assert "reset" in [e.event for e in again]


def test_a_token_that_ends_takes_its_stream_along(cloud: Cloud, serve: Serve) -> None:
    front = serve(cloud, check=0.1)
    client, other = front.listen().ready(), front.listen(token="p1:member").ready()
    front.tokens.revoked.add("p1:reader")
    assert client.until("end")[-1].data == {"reason": "unauthorized"}
    with pytest.raises(EOFError):
        client.next()
    assert other.silent()


def test_a_stream_ends_when_its_token_does(make_cloud: Callable[..., Cloud], serve: Serve) -> None:
    cloud = make_cloud(conf_options={"notifications__stream_keepalive": 0.2})
    front = serve(cloud)
    other = front.listen().ready()
    front.tokens.expire_at = concurrency.time() + 0.5
    client = front.listen()
    ended = client.until("end")
    assert ended[-1].data == {"reason": "expired"} and concurrency.time() >= front.tokens.expire_at
    assert client.last_id is not None and other.silent()


def test_a_stop_of_the_process_ends_streams_where_they_can_go_on(cloud: Cloud, serve: Serve) -> None:
    front = serve(cloud)
    client = front.listen().ready()
    front.hub.stop()
    assert client.until("end")[-1].data == {"reason": "shutdown"}
    again = serve(cloud).listen(last=client.last_id).until("ready")
    assert [e.event for e in again] == ["ready"]


def test_too_many_streams_are_refused(make_cloud: Callable[..., Cloud], serve: Serve) -> None:
    cloud = make_cloud(conf_options={"notifications__stream_limit": 2})
    front = serve(cloud)
    clients = [front.listen(), front.listen(), front.listen()]
    assert [c.status for c in clients] == [200, 200, 503]
    assert "retry-after: " in clients[2].head.lower()


def test_two_cells_and_two_processes(make_cloud: Callable[..., Cloud], serve: Serve) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=4)
    clients: list[Client] = [serve(cloud).listen().ready() for _ in range(2)]
    uuids = cloud.boot(count=4)
    for uuid in uuids:
        cloud.wait_state(uuid, states.ACTIVE)
        cloud.operations.delete(cloud.context(), uuid)
    for client in clients:
        gone: set[str] = set()
        while gone != set(uuids):
            event = client.next()
            if event.event == "server.deleted":
                gone.add(event.data["server"]["id"])


def test_silence_keeps_the_position_fresh(make_cloud: Callable[..., Cloud], serve: Serve) -> None:
    """What others do moves the position of a client that hears nothing of it."""
    cloud = make_cloud(conf_options={"notifications__stream_keepalive": 0.2})
    front = serve(cloud)
    stranger, mine = front.listen(token="p2:reader").ready(), front.listen().ready()
    cloud.boot()
    before = stranger.last_id
    mine.next()
    cloud.wait(lambda: stranger.silent(0.3) and stranger.last_id != before, what="another position")
