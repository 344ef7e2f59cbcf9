# SPDX-License-Identifier: Apache-2.0
"""A POST with an Idempotency-Key is carried out once: a client that lost the connection may simply ask again."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import cells as mappings
from nova.db.api import idempotency as keys
from nova.db.cell import idempotency as marks
from nova.db.cell.tables import operations
from nova.store import idempotency
from tests.api.compute.conftest import IMAGE, Api
from tests.api.compute.keyed import (
    POSTS,
    SERVER,
    count,
    let_holds_end,
    meeting,
    post,
    prepared,
)
from tests.functional.pauses import Pauses


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


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


@POSTS
def test_every_post_can_be_repeated(api: Api, path: str, body: Any, who: str) -> None:
    path, body = prepared(api, path, body)
    first, again = post(api, path, body, who=who), post(api, path, body, who=who)
    assert first.status < 300 and (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"


def test_secrets_are_not_readable_in_the_database(api: Api) -> None:
    made = post(api, "/os-keypairs", {"keypair": {"name": "k"}}).body["keypair"]
    server = post(api, "/servers", SERVER, "a key of mine").body["server"]
    with api.database.read() as conn:
        stored = " ".join(str(row) for row in conn.execute(sa.select(keys.idempotency_keys)))
    assert made["private_key"] and server["adminPass"]
    for secret in (made["private_key"][40:80], server["adminPass"], "a key of mine"):
        assert secret not in stored
    assert post(api, "/os-keypairs", {"keypair": {"name": "k"}}).body["keypair"] == made


def test_while_the_first_one_runs(api: Api, pauses: Pauses) -> None:
    seen: list[Any] = []
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with pauses.at("write:cell1") as hold:
        task = concurrency.spawn(lambda: seen.append(post(api, path, {"os-start": None})))
        hold.reached()
        second = post(api, path, {"os-start": None})
    assert task.join(120)
    assert second.status == 409 and int(second.headers["retry-after"]) >= 1
    assert seen[0].status == 202 and post(api, path, {"os-start": None}).status == 202
    assert count(api, operations.operations, cell=True) == 1


def test_a_request_that_was_believed_dead_changes_nothing(api: Api, pauses: Pauses) -> None:
    """It is slower than its hold; another takes over and is done before it."""
    seen: list[Any] = []
    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with pauses.at("write:cell1") as hold:
        task = concurrency.spawn(lambda: seen.append(post(api, path, {"os-start": None})))
        hold.reached()
        let_holds_end(api)
        assert post(api, path, {"os-start": None}).status == 202
        with api.cell.write() as conn:  # so that its state lets it try
            conn.execute(sa.text("update instances set task_state = null"))
    assert task.join(120)
    assert seen[0].status == 202 and seen[0].headers["idempotent-replayed"] == "true"
    assert count(api, operations.operations, cell=True) == 1


def test_an_error_after_a_change_is_the_answer(api: Api) -> None:
    def fail() -> None:
        raise errors.Unavailable("The broker is away.", retry_after=3)

    path = f"/servers/{api.server(vm_state='stopped')}/action"
    with meeting("key:committed:cell1", "committed:cell1", act=fail):
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
