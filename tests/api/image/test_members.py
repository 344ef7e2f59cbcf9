# SPDX-License-Identifier: Apache-2.0
"""Sharing images with projects over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.api.image.conftest import make, make_active


def listed(client: httpx.Client, **params: str) -> list[str]:
    return [i["id"] for i in client.get("/v2/images", params=params).json()["images"]]


def test_a_shared_image_is_seen_at_once_and_listed_when_accepted(alice: httpx.Client, bob: httpx.Client) -> None:
    image_id = make_active(alice)
    path = f"/v2/images/{image_id}/members"
    assert bob.get(f"/v2/images/{image_id}").status_code == 404
    added = alice.post(path, json={"member": "p-bob"})
    assert added.status_code == 200
    member = added.json()
    assert (member["member_id"], member["image_id"], member["status"]) == ("p-bob", image_id, "pending")
    assert bob.get(f"/v2/images/{image_id}").status_code == 200
    assert listed(bob) == [] and listed(bob, member_status="pending") == [image_id]
    assert bob.put(f"{path}/p-bob", json={"status": "accepted"}).json()["status"] == "accepted"
    assert listed(bob) == [image_id] and listed(bob, visibility="shared") == [image_id]
    assert listed(bob, owner="p-alice", visibility="shared", member_status="rejected") == []
    assert bob.get(f"/v2/images/{image_id}/file").status_code == 200
    assert bob.delete(f"/v2/images/{image_id}").status_code == 403
    assert alice.delete(f"{path}/p-bob").status_code == 204
    assert alice.delete(f"{path}/p-bob").status_code == 404
    assert bob.get(f"/v2/images/{image_id}").status_code == 404


def test_each_member_sees_only_itself(alice: httpx.Client, bob: httpx.Client) -> None:
    path = f"/v2/images/{make(alice)['id']}/members"
    for member in ("p-bob", "p-carol"):
        assert alice.post(path, json={"member": member}).status_code == 200
    assert [m["member_id"] for m in alice.get(path).json()["members"]] == ["p-bob", "p-carol"]
    assert [m["member_id"] for m in bob.get(path).json()["members"]] == ["p-bob"]
    assert bob.get(f"{path}/p-bob").status_code == 200
    assert bob.get(f"{path}/p-carol").status_code == 404
    assert bob.put(f"{path}/p-carol", json={"status": "accepted"}).status_code == 404
    assert bob.post(path, json={"member": "p-dave"}).status_code == 403
    assert bob.delete(f"{path}/p-bob").status_code == 403


def test_only_the_member_answers(alice: httpx.Client, root: httpx.Client) -> None:
    path = f"/v2/images/{make(alice)['id']}/members"
    alice.post(path, json={"member": "p-bob"})
    assert alice.put(f"{path}/p-bob", json={"status": "accepted"}).status_code == 403
    assert root.put(f"{path}/p-bob", json={"status": "rejected"}).json()["status"] == "rejected"
    assert alice.put(f"{path}/p-nobody", json={"status": "accepted"}).status_code == 404


@pytest.mark.parametrize("visibility", ["private", "community"])
def test_only_shared_images_have_members(alice: httpx.Client, visibility: str) -> None:
    path = f"/v2/images/{make(alice, visibility=visibility)['id']}/members"
    assert alice.post(path, json={"member": "p-bob"}).status_code == 403
    assert alice.get(path).status_code == 403


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": None}, {"member": "x" * 256}, {"member": "a", "b": 1}])
def test_bad_members_are_refused(alice: httpx.Client, body: dict[str, object]) -> None:
    path = f"/v2/images/{make(alice)['id']}/members"
    assert alice.post(path, json=body).status_code == 400
    assert alice.get(path).json()["members"] == []


def test_no_member_twice_and_not_too_many(alice: httpx.Client) -> None:
    path = f"/v2/images/{make(alice)['id']}/members"
    assert alice.post(path, json={"member": "p-0"}).status_code == 200
    assert alice.post(path, json={"member": "p-0"}).status_code == 409
    for number in range(1, 128):
        assert alice.post(path, json={"member": f"p-{number}"}).status_code == 200
    assert alice.post(path, json={"member": "one-more"}).status_code == 413
    assert alice.put(f"{path}/p-0", json={"status": "perhaps"}).status_code == 400
