# SPDX-License-Identifier: Apache-2.0
"""A process that ends in the middle of a POST with a key: who asks again gets the answer, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency
from nova.db.api import cells as mappings
from nova.db.api import idempotency as keys
from nova.db.cell import idempotency as marks
from nova.db.cell import instances
from nova.db.cell.tables import operations
from tests.api.compute import networked
from tests.api.compute.conftest import CELL1, Api
from tests.api.compute.keyed import (
    POSTS,
    SERVER,
    count,
    crash_after_the_commit,
    dying_at,
    let_holds_end,
    meeting,
    post,
    prepared,
    state,
)


@POSTS
def test_every_post_survives_a_crash_right_after_its_commit(api: Api, path: str, body: Any, who: str) -> None:
    path, body = prepared(api, path, body)
    crash_after_the_commit(api, path, body, who=who)
    answer = post(api, path, body, who=who)
    assert answer.status < 300 and answer.headers["idempotent-replayed"] == "true"
    assert (answer.body is None) == path.endswith("/action") or who == "admin"
    assert post(api, path, body, who=who).body == answer.body


@pytest.mark.parametrize(("action", "version"), [
    ({"createImage": {"name": "i"}}, "2.44"), ({"createImage": {"name": "i"}}, "2.45"),
    ({"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}, "2.45")])
def test_the_image_that_is_made_is_told_again(api: Api, action: Any, version: str) -> None:
    path = f"/servers/{api.server()}/action"
    crash_after_the_commit(api, path, action, version=version)
    answer = post(api, path, action, version=version)
    assert answer.status == 202 and answer.headers["idempotent-replayed"] == "true"
    with api.cell.read() as conn:
        made = conn.execute(sa.select(operations.operations.c.inputs)).scalar_one()["image"]["id"]
    assert made in (answer.body["image_id"] if version == "2.45" else answer.headers["location"])


@pytest.mark.parametrize("works", [True, False])
def test_an_interface_whose_attach_was_accepted_is_waited_for_again(api: Api, works: bool) -> None:
    """The end of the operation is the answer, however often it is asked for; nothing is attached twice."""
    net = networked.network(api)
    server = networked.server(api)
    path, body = f"/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": net}}
    crash_after_the_commit(api, path, body)
    new = networked.row(api, server)["network_info"][0] | {"id": concurrency.uuid4()}
    with api.cell.write() as conn:
        [row] = operations.open_of(conn, server)
        operations.advance(conn, row["uuid"], row["epoch"], **(
            {"state": "done", "step_data": {"vif": new}} if works else
            {"state": "failed", "fault": {"code": 409, "message": "The port went."}}))
    answers = [post(api, path, body) for _ in range(3)]
    for answer in answers:
        assert answer.headers["idempotent-replayed"] == "true"
        assert (answer.status, answer.body) == (answers[0].status, answers[0].body)
    assert answers[0].status == (200 if works else 409)
    if works:
        assert answers[0].body["interfaceAttachment"]["port_id"] == new["id"]
    assert count(api, operations.operations, cell=True) == 1


def test_events_that_were_not_acted_on_are_when_they_are_told_again(api: Api) -> None:
    networked.network(api)
    servers = [networked.server(api) for _ in range(2)]
    known = [networked.row(api, server)["network_info"] for server in servers]
    with api.cell.write() as conn:
        conn.execute(instances.instances.update().values(network_info=[]))
    body = {"events": [{"name": "network-changed", "server_uuid": uuid} for uuid in (*servers, CELL1)]}
    crash_after_the_commit(api, "/os-server-external-events", body, who="service")
    assert networked.row(api, servers[1])["network_info"] == []
    for _ in range(2):
        answer = post(api, "/os-server-external-events", body, who="service")
        assert answer.status == 207 and answer.headers["idempotent-replayed"] == "true"
        assert [event["code"] for event in answer.body["events"]] == [200, 200, 404]
    assert [networked.row(api, server)["network_info"] for server in servers] == known


def test_an_answer_that_was_lost_is_not_made_up(api: Api) -> None:
    """Where an answer says more than that it was accepted, and the handler has promised none."""
    with dying_at("key:committed:"):
        post(api, "/os-keypairs", {"keypair": {"name": "k"}})
    with api.database.write() as conn:
        conn.execute(keys.idempotency_keys.update().values(answer=None))
    assert post(api, "/os-keypairs", {"keypair": {"name": "k"}}).status == 409
    let_holds_end(api)
    answer = post(api, "/os-keypairs", {"keypair": {"name": "k"}})
    assert answer.status == 409 and "its answer was lost" in answer.body["conflictingRequest"]["message"]


def test_a_crash_before_anything_was_committed(api: Api) -> None:
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with dying_at("write:cell1"):
        post(api, path, {"os-start": None})
    assert post(api, path, {"os-start": None}).status == 409
    let_holds_end(api)
    answer = post(api, path, {"os-start": None})
    assert answer.status == 202 and "idempotent-replayed" not in answer.headers


def test_a_crash_between_acceptance_and_answer_in_the_api_database(api: Api) -> None:
    with dying_at("key:committed:api", "committed:api"):
        post(api, "/servers", SERVER)
    assert state(api) == keys.ACCEPTED
    answer = post(api, "/servers", SERVER)
    with api.database.read() as conn:
        made = conn.execute(sa.select(mappings.instance_mappings.c.instance_uuid)).scalars().all()
    assert answer.status == 202 and [answer.body["server"]["id"]] == made
    assert answer.headers["location"].endswith(made[0])


def test_a_crash_between_acceptance_and_answer_in_a_cell(api: Api) -> None:
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with dying_at("key:committed:cell1", "committed:cell1"):
        post(api, path, {"os-start": None})
    assert state(api) == keys.RUNNING and count(api, marks.idempotency_marks, cell=True) == 1
    assert post(api, path, {"os-start": None}).status == 409  # it might yet be at work
    let_holds_end(api)
    answer = post(api, path, {"os-start": None})
    assert (answer.status, answer.body) == (202, None) and answer.headers["idempotent-replayed"] == "true"
    assert count(api, operations.operations, cell=True) == 1 and state(api) == keys.DONE


def test_what_is_not_at_its_end_yet_is_gone_on_with(api: Api) -> None:
    """Its host has begun and does not end in time: 503. The same key asks for the end again, not for 503."""
    net = networked.network(api)
    server = networked.server(api)
    path, body = f"/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": net}}
    new = networked.row(api, server)["network_info"][0] | {"id": concurrency.uuid4()}

    def begin() -> None:
        with api.cell.write() as conn:
            conn.execute(operations.operations.update().values(owner=concurrency.uuid4()))

    with meeting("key:committed:cell1", "committed:cell1", act=begin):
        first = post(api, path, body)
    assert first.status == 503 and "idempotent-replayed" not in first.headers
    with api.cell.write() as conn:
        [row] = operations.open_of(conn, server)
        operations.advance(conn, row["uuid"], row["epoch"], state="done", step_data={"vif": new})
    for _ in range(2):
        answer = post(api, path, body)
        assert (answer.status, answer.body["interfaceAttachment"]["port_id"]) == (200, new["id"])
