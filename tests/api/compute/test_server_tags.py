# SPDX-License-Identifier: Apache-2.0
"""Tags of servers: set, read back, refused."""

from __future__ import annotations

import pytest

from tests.api.compute.conftest import Api

AT = {"version": "2.26"}


def test_tags_are_replaced_added_and_removed(api: Api) -> None:
    path = f"/servers/{api.server()}/tags"
    assert api("GET", path, **AT).body == {"tags": []}
    assert api("PUT", path, {"tags": ["one", "two", "one"]}, **AT).body == {"tags": ["one", "two"]}
    added = api("PUT", path + "/three", **AT)
    assert (added.status, added.body) == (201, None)
    assert added.headers["location"] == f"http://cloud/compute/v2.1{path}/three"
    assert api("PUT", path + "/three", **AT).status == 204
    assert api("GET", path + "/three", who="reader", **AT).status == 204
    assert api("DELETE", path + "/two", **AT).status == 204
    assert api("GET", path, **AT).body == {"tags": ["one", "three"]}
    assert api("GET", path[:-5], **AT).body["server"]["tags"] == ["one", "three"]
    assert api("DELETE", path, **AT).status == 204
    assert api("GET", path, **AT).body == {"tags": []}


def test_a_tag_that_is_not_there(api: Api) -> None:
    server = api.server()
    shown = api("GET", f"/servers/{server}/tags/nope", **AT)
    assert shown.body == {"itemNotFound": {"code": 404, "message": f"Server {server} has no tag 'nope'"}}
    removed = api("DELETE", f"/servers/{server}/tags/nope", **AT)
    assert removed.body == {"itemNotFound": {"code": 404, "message": f"Instance {server} has no tag 'nope'"}}


@pytest.mark.parametrize("method, path, body, status", [
    ("PUT", "", {"tags": ["a,b"]}, 400), ("PUT", "", {"tags": ["a/b"]}, 400), ("PUT", "", {"tags": ["a" * 61]}, 400),
    ("PUT", "", {"tags": [f"t{i}" for i in range(51)]}, 400), ("PUT", "", {}, 400), ("PUT", "/a,b", None, 400),
    ("PUT", f"/{'a' * 61}", None, 400), ("PUT", "/one", {"tag": "one"}, 400)])
def test_tags_that_are_refused(api: Api, method: str, path: str, body: object, status: int) -> None:
    tags = f"/servers/{api.server(tags=['kept'])}/tags"
    assert api(method, tags + path, body, **AT).status == status
    assert api("GET", tags, **AT).body == {"tags": ["kept"]}


def test_no_more_than_fifty(api: Api) -> None:
    tags = f"/servers/{api.server(tags=[f't{i}' for i in range(50)])}/tags"
    assert api("PUT", tags + "/t1", **AT).status == 204
    assert api("PUT", tags + "/more", **AT).status == 400


def test_who_may_and_since_when(api: Api) -> None:
    server = api.server(locked_by="owner")
    assert api("GET", f"/servers/{server}/tags", version="2.25").status == 404
    assert api("PUT", f"/servers/{server}/tags", {"tags": []}, who="reader", **AT).status == 403
    assert api("PUT", f"/servers/{server}/tags", {"tags": ["x"]}, who="other", **AT).status == 404
    assert api("PUT", f"/servers/{server}/tags", {"tags": ["x"]}, **AT).status == 200
