# SPDX-License-Identifier: Apache-2.0
"""Image records over HTTP: create, show, list, patch, delete, tags."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.api.image.conftest import Cloud, make, make_active

V21 = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
V20 = {"Content-Type": "application/openstack-images-v2.0-json-patch"}


def patch(client: httpx.Client, image_id: str, *operations: dict[str, Any],
          headers: dict[str, str] = V21) -> httpx.Response:
    return client.patch(f"/v2/images/{image_id}", headers=headers, json=list(operations))


def test_a_new_image_is_queued_and_its_owner_s(alice: httpx.Client) -> None:
    answer = alice.post("/v2/images", json={"name": "debian", "tags": ["b", "a", "a"], "os_distro": "debian"})
    assert answer.status_code == 201
    image = answer.json()
    assert answer.headers["Location"].endswith(f"/image/v2/images/{image['id']}")
    assert answer.headers["OpenStack-image-import-methods"] == "glance-direct"
    assert {k: image[k] for k in ("status", "visibility", "owner", "tags", "os_distro", "protected", "os_hidden")} == {
        "status": "queued", "visibility": "shared", "owner": "p-alice", "tags": ["a", "b"], "os_distro": "debian",
        "protected": False, "os_hidden": False}
    assert image["self"] == f"/v2/images/{image['id']}" and image["file"] == f"/v2/images/{image['id']}/file"
    assert image["size"] is None and image["checksum"] is None
    assert image["created_at"].endswith("Z") and len(image["created_at"]) == 20
    assert alice.get(f"/v2/images/{image['id']}").json() == image


def test_a_chosen_id_is_kept_and_never_used_twice(alice: httpx.Client) -> None:
    wanted = str(uuid.uuid4())
    assert make(alice, id=wanted)["id"] == wanted
    assert alice.post("/v2/images", json={"id": wanted}).status_code == 409
    assert alice.delete(f"/v2/images/{wanted}").status_code == 204
    assert alice.post("/v2/images", json={"id": wanted}).status_code == 409


@pytest.mark.parametrize(("body", "status"), [
    ({"name": "x" * 256}, 400), ({"name": 5}, 400), ({"id": "nope"}, 400), ({"disk_format": "floppy"}, 400),
    ({"container_format": ["bare"]}, 400), ({"visibility": "everyone"}, 400), ({"min_disk": -1}, 400),
    ({"min_ram": 2**31}, 400), ({"min_ram": True}, 400), ({"protected": "yes"}, 400), ({"tags": ["x" * 256]}, 400),
    ({"tags": [""]}, 400), ({"tags": "a"}, 400), ({"depth": {"a": 1}}, 400), ({"long": "x" * 65536}, 400),
    ({"": "nameless"}, 400), ({"n" * 256: "x"}, 400), ({"disk_format": "ami", "container_format": "bare"}, 400),
    ({"status": "active"}, 403), ({"size": 5}, 403), ({"checksum": "0" * 32}, 403), ({"locations": []}, 403),
    ({"os_glance_foo": "x"}, 403),
    ({"owner": "p-bob"}, 403), ({"visibility": "public"}, 403),
    ({f"p{i}": "x" for i in range(129)}, 413), ({"tags": [str(i) for i in range(129)]}, 413),
])
def test_a_bad_create_is_refused_and_leaves_nothing(cloud: Cloud, alice: httpx.Client, body: dict[str, Any],
                                                    status: int) -> None:
    answer = alice.post("/v2/images", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"] and answer.headers["x-openstack-request-id"].startswith("req-")
    assert alice.get("/v2/images").json()["images"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"name": "a\\u0000b"}', b'{"name": "\xff"}'])
def test_a_malformed_body_is_refused(alice: httpx.Client, body: bytes) -> None:
    assert alice.post("/v2/images", content=body, headers={"Content-Type": "application/json"}).status_code == 400


def test_nothing_without_a_token(cloud: Cloud) -> None:
    stranger = cloud.as_user("")
    for path in ("/v2/images", "/v2/images/x", "/v2/images/x/file", "/v2/schemas/image", "/v2/info/import"):
        assert stranger.get(path).status_code == 401, path


def test_a_reader_reads_and_changes_nothing(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make_active(alice)
    reader = cloud.as_user("reader")
    assert reader.get(f"/v2/images/{image_id}").status_code == 200
    assert reader.get(f"/v2/images/{image_id}/file").status_code == 200
    assert reader.post("/v2/images", json={}).status_code == 403
    assert reader.delete(f"/v2/images/{image_id}").status_code == 403
    assert patch(reader, image_id, {"op": "replace", "path": "/name", "value": "x"}).status_code == 403
    assert reader.put(f"/v2/images/{image_id}/tags/x").status_code == 403


def test_a_foreign_image_does_not_exist(alice: httpx.Client, bob: httpx.Client, root: httpx.Client) -> None:
    image_id = make_active(alice, visibility="private")
    for path in (f"/v2/images/{image_id}", f"/v2/images/{image_id}/file", f"/v2/images/{image_id}/members"):
        assert bob.get(path).status_code == 404, path
    assert bob.delete(f"/v2/images/{image_id}").status_code == 404
    assert patch(bob, image_id, {"op": "replace", "path": "/name", "value": "x"}).status_code == 404
    assert bob.put(f"/v2/images/{image_id}/tags/x").status_code == 404
    assert bob.get("/v2/images").json()["images"] == []
    assert [i["id"] for i in root.get("/v2/images").json()["images"]] == [image_id]
    assert root.get(f"/v2/images/{image_id}").status_code == 200


def test_a_public_image_is_read_by_all_and_changed_by_none_but_administrators(
        bob: httpx.Client, root: httpx.Client) -> None:
    image_id = make_active(root, visibility="public")
    assert bob.get(f"/v2/images/{image_id}").status_code == 200
    assert [i["id"] for i in bob.get("/v2/images").json()["images"]] == [image_id]
    assert bob.delete(f"/v2/images/{image_id}").status_code == 403
    assert patch(bob, image_id, {"op": "replace", "path": "/name", "value": "x"}).status_code == 403


def test_a_community_image_is_listed_only_when_asked_for(alice: httpx.Client, bob: httpx.Client) -> None:
    image_id = make_active(alice, visibility="community")
    assert bob.get("/v2/images").json()["images"] == []
    assert bob.get(f"/v2/images/{image_id}").status_code == 200
    for visibility in ("community", "all"):
        found = bob.get("/v2/images", params={"visibility": visibility}).json()["images"]
        assert [i["id"] for i in found] == [image_id]


@pytest.mark.parametrize("image_id", ["nope", "0" * 36, "%00", "a" * 5000, "..%2f..",
                                      "74E75C3D-FD20-4389-9CAE-E30112799C63"])
def test_unknown_ids_are_not_found(alice: httpx.Client, image_id: str) -> None:
    assert alice.get(f"/v2/images/{image_id}").status_code == 404
    assert alice.delete(f"/v2/images/{image_id}").status_code == 404


def test_nothing_is_behind_a_trailing_slash(alice: httpx.Client) -> None:
    assert [alice.request(method, "/v2/images/").status_code for method in ("GET", "DELETE", "POST")] == [404, 404, 404]


def test_an_image_with_data_says_where_it_is_stored(alice: httpx.Client) -> None:
    stored, empty = make_active(alice), make(alice)["id"]
    [store] = alice.get("/v2/info/stores").json()["stores"]
    assert alice.get(f"/v2/images/{stored}").json()["stores"] == store["id"]
    assert "stores" not in alice.get(f"/v2/images/{empty}").json()
    assert alice.get("/v2/schemas/image").json()["properties"]["stores"]["readOnly"] is True


def test_patch_changes_attributes_properties_and_tags(alice: httpx.Client) -> None:
    image_id = make(alice, os_type="linux", drop="me", tags=["old"])["id"]
    answer = patch(
        alice, image_id, {"op": "replace", "path": "/name", "value": "renamed"},
        {"op": "add", "path": "/a~1b~0c", "value": "odd"}, {"op": "replace", "path": "/os_type", "value": "bsd"},
        {"op": "remove", "path": "/drop"}, {"op": "replace", "path": "/tags", "value": ["x", "y"]},
        {"op": "add", "path": "/tags/-", "value": "z"}, {"op": "add", "path": "/min_disk", "value": 3},
        {"op": "replace", "path": "/disk_format", "value": "qcow2"},
        {"op": "replace", "path": "/protected", "value": True})
    assert answer.status_code == 200, answer.text
    image = answer.json()
    assert alice.get(f"/v2/images/{image_id}").json() == image
    assert "drop" not in image
    assert {k: image[k] for k in ("name", "a/b~c", "os_type", "tags", "min_disk", "disk_format", "protected")} == {
        "name": "renamed", "a/b~c": "odd", "os_type": "bsd", "tags": ["x", "y", "z"], "min_disk": 3,
        "disk_format": "qcow2", "protected": True}


def test_patch_in_the_old_form(alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    answer = patch(alice, image_id, {"replace": "/name", "value": "n"}, {"add": "/p", "value": "v"}, headers=V20)
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["p"]) == ("n", "v")


@pytest.mark.parametrize(("operation", "status"), [
    ({"op": "replace", "path": "/status", "value": "active"}, 403), ({"op": "remove", "path": "/name"}, 403),
    ({"op": "replace", "path": "/id", "value": str(uuid.uuid4())}, 403),
    ({"op": "replace", "path": "/owner", "value": "p-bob"}, 403),
    ({"op": "add", "path": "/locations/-", "value": {"url": "file:///etc/passwd"}}, 400),
    ({"op": "replace", "path": "/locations", "value": []}, 403),
    ({"op": "add", "path": "/os_glance_foo", "value": "x"}, 403),
    ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
    ({"op": "remove", "path": "/tags"}, 403), ({"op": "remove", "path": "/tags/7"}, 409),
    ({"op": "replace", "path": "/missing", "value": "x"}, 409), ({"op": "remove", "path": "/missing"}, 409),
    ({"op": "test", "path": "/name", "value": "tiny"}, 400), ({"op": "move", "path": "/a", "from": "/b"}, 400),
    ({"op": "add", "path": "/a/b", "value": "x"}, 400), ({"op": "add", "path": "", "value": {}}, 400),
    ({"op": "add", "path": "a", "value": "x"}, 400), ({"op": "add", "path": "/a~2", "value": "x"}, 400),
    ({"op": "add", "path": "/a"}, 400), ({"path": "/a", "value": "x"}, 400), ({"op": ["add"], "path": "/a"}, 400),
    ({"op": "add", "path": "/a", "value": 5}, 400), ({"op": "add", "path": "/" + "n" * 256, "value": "x"}, 400),
    ({"op": "replace", "path": "/name", "value": "x" * 256}, 400),
    ({"op": "replace", "path": "/min_disk", "value": "3"}, 400),
    ({"op": "replace", "path": "/tags", "value": "x"}, 400), ({"op": "replace", "path": "/tags", "value": [1]}, 400),
    ({"op": "replace", "path": "/tags", "value": [str(n) for n in range(129)]}, 413),
])
def test_a_bad_patch_is_refused_and_changes_nothing(alice: httpx.Client, operation: dict[str, Any],
                                                    status: int) -> None:
    before = make(alice, tags=["a"])
    answer = patch(alice, before["id"], {"op": "add", "path": "/also", "value": "this"}, operation)
    assert answer.status_code == status, answer.text
    assert alice.get(f"/v2/images/{before['id']}").json() == before


def test_patches_have_their_own_media_types(alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    operation = {"op": "replace", "path": "/name", "value": "x"}
    for media_type in ("application/json", "text/plain", "application/json-patch+json"):
        assert patch(alice, image_id, operation, headers={"Content-Type": media_type}).status_code == 415
    bad = alice.patch(f"/v2/images/{image_id}", content=b'{"op": "add"}', headers=V21)
    assert bad.status_code == 400


def test_formats_are_fixed_once_there_is_data(alice: httpx.Client) -> None:
    image_id = make_active(alice)
    assert patch(alice, image_id, {"op": "replace", "path": "/disk_format", "value": "qcow2"}).status_code == 403
    assert patch(alice, image_id, {"op": "replace", "path": "/disk_format", "value": "raw"}).status_code == 200


def test_an_administrator_gives_an_image_to_another_project(
        alice: httpx.Client, bob: httpx.Client, root: httpx.Client) -> None:
    image_id = make_active(alice, visibility="private")
    assert patch(root, image_id, {"op": "replace", "path": "/owner", "value": "p-bob"}).status_code == 200
    assert alice.get(f"/v2/images/{image_id}").status_code == 404
    assert bob.get(f"/v2/images/{image_id}").json()["owner"] == "p-bob"


def test_delete_takes_record_and_bytes(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make_active(alice)
    assert len(cloud.files()) == 1
    assert alice.delete(f"/v2/images/{image_id}").status_code == 204
    assert cloud.files() == []
    for path in ("", "/file", "/members"):
        assert alice.get(f"/v2/images/{image_id}{path}").status_code == 404
    assert alice.delete(f"/v2/images/{image_id}").status_code == 404


def test_a_protected_image_stays(alice: httpx.Client) -> None:
    image_id = make(alice, protected=True)["id"]
    answer = alice.delete(f"/v2/images/{image_id}")
    assert answer.status_code == 403 and "protected" in answer.json()["error"]["message"]
    assert alice.get(f"/v2/images/{image_id}").status_code == 200


def test_tags_are_added_and_removed_one_by_one(alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    for tag in ("one", "two%20words", "one", "%E2%9C%93"):
        assert alice.put(f"/v2/images/{image_id}/tags/{tag}").status_code == 204
    assert alice.get(f"/v2/images/{image_id}").json()["tags"] == ["one", "two words", "✓"]
    assert alice.delete(f"/v2/images/{image_id}/tags/one").status_code == 204
    assert alice.delete(f"/v2/images/{image_id}/tags/one").status_code == 404
    assert alice.put(f"/v2/images/{image_id}/tags/{'x' * 256}").status_code == 400
    assert alice.get(f"/v2/images/{image_id}").json()["tags"] == ["two words", "✓"]
