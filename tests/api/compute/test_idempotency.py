# SPDX-License-Identifier: Apache-2.0
"""A POST with an Idempotency-Key is carried out once: a client that lost the connection may simply ask again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api import idempotency as keys
from nova.db.cell import idempotency as marks
from nova.db.cell import instances
from nova.db.cell.tables import operations
from nova.db.schema import db_now
from nova.networks import floating_ips
from nova.operations import Operations
from nova.store import idempotency
from nova.web.request import Request
from tests.api.compute import networked
from tests.api.compute.conftest import CELL1, IMAGE, PROJECTS, Answer, Api

SERVER = {"server": {"name": "vm", "flavorRef": "1", "imageRef": IMAGE}}


class Dies(BaseException):
    """The process ends here: no handler runs."""


def die(*args: Any) -> None:
    raise Dies


def post(api: Api, path: str, body: Any, key: str = "k1", **options: Any) -> Answer:
    return api("POST", path, body, HTTP_IDEMPOTENCY_KEY=key, **options)


def count(api: Api, table: sa.Table, *, cell: bool = False) -> int:
    with (api.cell if cell else api.database).read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def let_holds_end(api: Api) -> None:
    """The time passes after which requests that have not come to an end are believed to have died."""
    with api.database.write() as conn:
        conn.execute(keys.idempotency_keys.update().values(lease_until=db_now() - 1))


def state(api: Api) -> str:
    with api.database.read() as conn:
        return str(conn.execute(sa.select(keys.T.state)).scalar_one())


def test_the_same_key_gives_the_same_answer(api: Api) -> None:
    first, again = post(api, "/servers", SERVER), post(api, "/servers", SERVER)
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body and again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-openstack-request-id"] != first.headers["x-openstack-request-id"]
    assert again.headers["openstack-api-version"] == "compute 2.1"
    assert count(api, mappings.instance_mappings) == 1


def test_a_reservation_is_told_again(api: Api) -> None:
    body = {"server": SERVER["server"] | {"min_count": 2, "return_reservation_id": True}}
    assert post(api, "/servers", body).body == post(api, "/servers", body).body
    assert count(api, mappings.instance_mappings) == 2


@pytest.mark.parametrize(("path", "body", "version"), [
    ("/servers", {"server": SERVER["server"] | {"name": "other"}}, None),
    ("/servers", SERVER, "2.20"),
    ("/servers?x=1", SERVER, None),
    ("/os-keypairs", {"keypair": {"name": "k"}}, None),
])
def test_the_same_key_with_another_request_is_refused(api: Api, path: str, body: Any, version: str | None) -> None:
    post(api, "/servers", SERVER)
    answer = post(api, path, body, version=version)
    assert answer.status == 422
    assert answer.body["computeFault"]["message"] == "This Idempotency-Key was used with another request."


def test_the_order_of_members_does_not_matter(api: Api) -> None:
    first = post(api, "/servers", None, raw=b'{"server": {"name": "vm", "flavorRef": "1", "imageRef": "%s"}}'
                 % IMAGE.encode())
    again = post(api, "/servers", None, raw=b'{"server":{"imageRef": "%s", "flavorRef": "1", "name": "vm"}}'
                 % IMAGE.encode())
    assert first.status == 202 and again.body == first.body


def test_keys_belong_to_a_user_in_a_project(api: Api) -> None:
    ids = {post(api, "/servers", SERVER, who=who).body["server"]["id"] for who in ("demo", "other", "manager")}
    assert len(ids) == 3


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_keys_have_bounds(api: Api, key: str) -> None:
    assert post(api, "/servers", SERVER, key).status == 400
    assert count(api, keys.idempotency_keys) == 0


def test_keys_of_other_methods_are_not_looked_at(api: Api) -> None:
    uuid = api.server()
    for name in ("one", "two"):
        answer = api("PUT", f"/servers/{uuid}", {"server": {"name": name}}, HTTP_IDEMPOTENCY_KEY="k1")
        assert answer.body["server"]["name"] == name


def test_what_was_refused_may_be_tried_again(api: Api) -> None:
    uuid = api.server(vm_state="stopped")
    assert post(api, f"/servers/{uuid}/action", {"os-stop": None}).status == 409
    assert post(api, "/servers", {"server": {"name": "vm"}}).status == 400
    assert post(api, "/os-keypairs", {"keypair": {"name": "k", "public_key": "nonsense"}}).status == 400
    assert count(api, keys.idempotency_keys) == 0
    assert post(api, f"/servers/{uuid}/action", {"os-start": None}).status == 202


def test_policy_comes_before_the_first_answer(api: Api) -> None:
    body = {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}
    assert post(api, "/flavors", body, who="admin").status == 200
    assert post(api, "/flavors", body, who="demo").status == 403


POSTS = pytest.mark.parametrize(("path", "body", "who"), [
    ("/flavors", {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}, "admin"),
    ("/flavors/1/os-extra_specs", {"extra_specs": {"a": "b"}}, "admin"),
    ("/flavors/1/action", {"addTenantAccess": {"tenant": PROJECTS["demo"]}}, "admin"),
    ("/os-keypairs", {"keypair": {"name": "k"}}, "demo"),
    ("/os-aggregates", {"aggregate": {"name": "a"}}, "admin"),
    ("/os-server-groups", {"server_group": {"name": "g", "policies": ["affinity"]}}, "demo"),
    ("/servers", SERVER, "demo"),
    ("/servers/{uuid}/metadata", {"metadata": {"a": "b"}}, "demo"),
    ("/servers/{uuid}/action", {"os-stop": None}, "demo"),
    ("/servers/{uuid}/action", {"lock": None}, "demo"),
    ("/servers/{uuid}/action", {"reboot": {"type": "SOFT"}}, "demo"),
    ("/os-security-groups", {"security_group": {"name": "g", "description": ""}}, "demo"),
    ("/os-security-group-rules", {"security_group_rule": {
        "parent_group_id": "{group}", "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "::/0"}}, "demo"),
    ("/os-floating-ips", {"pool": "public"}, "demo"),
    ("/images/{image}/metadata", {"metadata": {"a": "b"}}, "demo"),
])


def prepared(api: Api, path: str, body: Any) -> tuple[str, Any]:
    """With ids of a server, a group and an image that are there; and a pool of addresses is."""
    with api.database.write() as conn:
        floating_ips.add_range(conn, floating_ips.create_pool(conn, "public"), "192.0.2.0/29")
    group = api("POST", "/os-security-groups", {"security_group": {"name": "there", "description": ""}}).body
    owner = RequestContext(user_id="u-demo", project_id=PROJECTS["demo"], roles=("member",))
    names = {"{uuid}": api.server(), "{group}": group["security_group"]["id"],
             "{image}": api.deps.images.create(owner, {"name": "image"}).id}
    text = orjson.dumps([path, body]).decode()
    for name, value in names.items():
        text = text.replace(name, value)
    path, body = orjson.loads(text)
    return path, body


@POSTS
def test_every_post_can_be_repeated(api: Api, path: str, body: Any, who: str) -> None:
    path, body = prepared(api, path, body)
    first, again = post(api, path, body, who=who), post(api, path, body, who=who)
    assert first.status < 300 and (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"


@POSTS
def test_every_post_survives_a_crash_right_after_its_commit(api: Api, monkeypatch: pytest.MonkeyPatch, path: str,
                                                            body: Any, who: str) -> None:
    path, body = prepared(api, path, body)
    with monkeypatch.context() as patched:
        patched.setattr(idempotency.KeyClaim, "after_commit", die)
        with pytest.raises(Dies):
            post(api, path, body, who=who)
    let_holds_end(api)
    answer = post(api, path, body, who=who)
    assert answer.status < 300 and answer.headers["idempotent-replayed"] == "true"
    assert (answer.body is None) == path.endswith("/action") or who == "admin"
    assert post(api, path, body, who=who).body == answer.body


@pytest.mark.parametrize(("action", "version"), [
    ({"createImage": {"name": "i"}}, "2.44"), ({"createImage": {"name": "i"}}, "2.45"),
    ({"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}, "2.45")])
def test_the_image_that_is_made_is_told_again(api: Api, monkeypatch: pytest.MonkeyPatch, action: Any,
                                              version: str) -> None:
    path = f"/servers/{api.server()}/action"
    with monkeypatch.context() as patched:
        patched.setattr(idempotency.KeyClaim, "after_commit", die)
        with pytest.raises(Dies):
            post(api, path, action, version=version)
    let_holds_end(api)
    answer = post(api, path, action, version=version)
    assert answer.status == 202 and answer.headers["idempotent-replayed"] == "true"
    with api.cell.read() as conn:
        made = conn.execute(sa.select(operations.operations.c.inputs)).scalar_one()["image"]["id"]
    assert made in (answer.body["image_id"] if version == "2.45" else answer.headers["location"])


def crash_after_the_commit(api: Api, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, **options: Any) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(idempotency.KeyClaim, "after_commit", die)
        with pytest.raises(Dies):
            post(api, path, body, **options)
    let_holds_end(api)


@pytest.mark.parametrize("works", [True, False])
def test_an_interface_whose_attach_was_accepted_is_waited_for_again(api: Api, monkeypatch: pytest.MonkeyPatch,
                                                                    works: bool) -> None:
    """The end of the operation is the answer, however often it is asked for; nothing is attached twice."""
    net = networked.network(api)
    server = networked.server(api)
    path, body = f"/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": net}}
    crash_after_the_commit(api, monkeypatch, path, body)
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


def test_what_is_not_at_its_end_yet_is_gone_on_with(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its host has begun and does not end in time: 503. The same key asks for the end again, not for 503."""
    net = networked.network(api)
    server = networked.server(api)
    path, body = f"/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": net}}
    new = networked.row(api, server)["network_info"][0] | {"id": concurrency.uuid4()}
    with monkeypatch.context() as patched:
        patched.setattr(Operations, "withdraw", lambda *args: False)
        first = post(api, path, body)
    assert first.status == 503 and "idempotent-replayed" not in first.headers
    with api.cell.write() as conn:
        [row] = operations.open_of(conn, server)
        operations.advance(conn, row["uuid"], row["epoch"], state="done", step_data={"vif": new})
    for _ in range(2):
        answer = post(api, path, body)
        assert (answer.status, answer.body["interfaceAttachment"]["port_id"]) == (200, new["id"])


def test_events_that_were_not_acted_on_are_when_they_are_told_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    networked.network(api)
    servers = [networked.server(api) for _ in range(2)]
    known = [networked.row(api, server)["network_info"] for server in servers]
    with api.cell.write() as conn:
        conn.execute(instances.instances.update().values(network_info=[]))
    body = {"events": [{"name": "network-changed", "server_uuid": uuid} for uuid in (*servers, CELL1)]}
    crash_after_the_commit(api, monkeypatch, "/os-server-external-events", body, who="service")
    assert networked.row(api, servers[1])["network_info"] == []
    for _ in range(2):
        answer = post(api, "/os-server-external-events", body, who="service")
        assert answer.status == 207 and answer.headers["idempotent-replayed"] == "true"
        assert [event["code"] for event in answer.body["events"]] == [200, 200, 404]
    assert [networked.row(api, server)["network_info"] for server in servers] == known


def test_an_answer_that_was_lost_is_not_made_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an answer says more than that it was accepted, and the handler has promised none."""
    with monkeypatch.context() as patched:
        patched.setattr(Request, "promise", lambda self, result: result)
        patched.setattr(idempotency.KeyClaim, "after_commit", die)
        with pytest.raises(Dies):
            post(api, "/os-keypairs", {"keypair": {"name": "k"}})
    assert post(api, "/os-keypairs", {"keypair": {"name": "k"}}).status == 409
    let_holds_end(api)
    answer = post(api, "/os-keypairs", {"keypair": {"name": "k"}})
    assert answer.status == 409 and "its answer was lost" in answer.body["conflictingRequest"]["message"]


def test_secrets_are_not_readable_in_the_database(api: Api) -> None:
    made = post(api, "/os-keypairs", {"keypair": {"name": "k"}}).body["keypair"]
    server = post(api, "/servers", SERVER, "a key of mine").body["server"]
    with api.database.read() as conn:
        stored = " ".join(str(row) for row in conn.execute(sa.select(keys.idempotency_keys)))
    assert made["private_key"] and server["adminPass"]
    for secret in (made["private_key"][40:80], server["adminPass"], "a key of mine"):
        assert secret not in stored
    assert post(api, "/os-keypairs", {"keypair": {"name": "k"}}).body["keypair"] == made


def test_while_the_first_one_runs(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go = concurrency.Event(), concurrency.Event()
    start, seen = Operations.start, []

    def slow(self: Operations, *args: Any) -> None:
        began.set()
        assert go.wait(120)
        start(self, *args)

    monkeypatch.setattr(Operations, "start", slow)
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    task = concurrency.spawn(lambda: seen.append(post(api, path, {"os-start": None})))
    assert began.wait(120)
    second = post(api, path, {"os-start": None})
    go.set()
    assert task.join(120)
    assert second.status == 409 and int(second.headers["retry-after"]) >= 1
    assert seen[0].status == 202 and post(api, path, {"os-start": None}).status == 202
    assert count(api, operations.operations, cell=True) == 1


def test_a_crash_before_anything_was_committed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Operations, "start", die)
        path = f"/servers/{api.server(vm_state='stopped')}/action"
        with pytest.raises(Dies):
            post(api, path, {"os-start": None})
    assert post(api, path, {"os-start": None}).status == 409
    let_holds_end(api)
    answer = post(api, path, {"os-start": None})
    assert answer.status == 202 and "idempotent-replayed" not in answer.headers


def test_a_crash_between_acceptance_and_answer_in_the_api_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _die_when(patched, "nudge_api")
        with pytest.raises(Dies):
            post(api, "/servers", SERVER)
    assert state(api) == keys.ACCEPTED
    answer = post(api, "/servers", SERVER)
    with api.database.read() as conn:
        made = conn.execute(sa.select(mappings.instance_mappings.c.instance_uuid)).scalars().all()
    assert answer.status == 202 and [answer.body["server"]["id"]] == made
    assert answer.headers["location"].endswith(made[0])


def test_a_crash_between_acceptance_and_answer_in_a_cell(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with monkeypatch.context() as patched:
        _die_when(patched, "nudge_row")
        with pytest.raises(Dies):
            post(api, path, {"os-start": None})
    assert state(api) == keys.RUNNING and count(api, marks.idempotency_marks, cell=True) == 1
    assert post(api, path, {"os-start": None}).status == 409  # it might yet be at work
    let_holds_end(api)
    answer = post(api, path, {"os-start": None})
    assert (answer.status, answer.body) == (202, None) and answer.headers["idempotent-replayed"] == "true"
    assert count(api, operations.operations, cell=True) == 1 and state(api) == keys.DONE


def test_a_request_that_was_believed_dead_changes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is slower than its hold; another takes over and is done before it."""
    inside, go = concurrency.Event(), concurrency.Event()
    start, seen, calls = Operations.start, [], []

    def slow(self: Operations, *args: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            inside.set()
            assert go.wait(120)
        start(self, *args)

    monkeypatch.setattr(Operations, "start", slow)
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    task = concurrency.spawn(lambda: seen.append(post(api, path, {"os-start": None})))
    assert inside.wait(120)
    let_holds_end(api)
    assert post(api, path, {"os-start": None}).status == 202
    with api.cell.write() as conn:  # so that its state lets it try
        conn.execute(sa.text("update instances set task_state = null"))
    go.set()
    assert task.join(120)
    assert seen[0].status == 202 and seen[0].headers["idempotent-replayed"] == "true"
    assert count(api, operations.operations, cell=True) == 1


def test_an_error_after_a_change_is_the_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise errors.Unavailable("The broker is away.", retry_after=3)

    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with monkeypatch.context() as patched:
        patched.setattr("nova.operations.acceptance.Deps.nudge_row", fail)
        first = post(api, path, {"os-start": None})
    again = post(api, path, {"os-start": None})
    assert (first.status, again.status) == (503, 503) and again.headers["retry-after"] == "3"


def test_keys_end_after_a_day(api: Api) -> None:
    first = post(api, "/servers", SERVER)
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    post(api, path, {"os-start": None}, "k2")
    with api.database.write() as conn:
        conn.execute(keys.idempotency_keys.update().values(created_at=keys.T.created_at - idempotency.LIFETIME - 1))
    with api.cell.write() as conn:
        conn.execute(marks.idempotency_marks.update().values(created_at=marks.T.created_at - idempotency.LIFETIME - 1))
    assert post(api, "/servers", SERVER).body["server"]["id"] != first.body["server"]["id"]
    assert idempotency.purge_keys(api.database, batch=1) == 1 and count(api, keys.idempotency_keys) == 1
    assert idempotency.purge_marks(api.cell, batch=1) == 1 and count(api, marks.idempotency_marks, cell=True) == 0


def test_without_the_keys_database_nothing_is_done(api: Api) -> None:
    """A key that cannot be noted would be a promise that is not kept."""
    with api.database.write() as conn:
        conn.execute(sa.text("drop table idempotency_keys"))
    uuid = api.server(vm_state="stopped")
    assert post(api, f"/servers/{uuid}/action", {"os-start": None}).status == 503
    assert count(api, operations.operations, cell=True) == 0


def _die_when(patched: pytest.MonkeyPatch, name: str) -> None:
    patched.setattr(f"nova.operations.acceptance.Deps.{name}", die)
