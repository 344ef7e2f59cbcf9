# SPDX-License-Identifier: Apache-2.0
"""The way of a request through a front: every turn off it gives the fault that clients know."""

from __future__ import annotations

import re

import pytest

from tests.unit.web.conftest import Call, caller, make_front

NAMES = {"invalid": (400, "badRequest"), "forbidden": (403, "forbidden"), "quota": (403, "forbidden"),
         "missing": (404, "itemNotFound"), "conflict": (409, "conflictingRequest"), "gone": (410, "computeFault"),
         "unprocessable": (422, "computeFault"), "unsupported": (501, "notImplemented"),
         "unavailable": (503, "serviceUnavailable")}


def test_an_answer_carries_versions_and_request_id(call: Call) -> None:
    answer = call("GET", "/things", version="2.30")
    assert answer.status == 200
    assert answer.body["version"] == "2.30"
    assert answer.headers["openstack-api-version"] == "compute 2.30"
    assert answer.headers["x-openstack-nova-api-version"] == "2.30"
    assert "X-OpenStack-Nova-API-Version" in answer.headers["vary"]
    assert re.fullmatch(r"req-[0-9a-f-]{36}", answer.headers["x-openstack-request-id"])
    assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]


@pytest.mark.parametrize(("kind", "status", "name"), [(k, *v) for k, v in NAMES.items()])
def test_errors_have_their_names(call: Call, kind: str, status: int, name: str) -> None:
    answer = call("GET", f"/fail/{kind}")
    assert answer.status == status
    assert answer.body == {name: {"code": status, "message": "no"}}
    assert answer.headers.get("retry-after") == ("7" if kind == "unavailable" else None)


@pytest.mark.parametrize("kind", ["crash", "internal"])
def test_what_is_unexpected_tells_nothing(call: Call, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = call("GET", f"/fail/{kind}")
    assert answer.status == 500
    assert b"secret" not in answer.raw
    assert answer.headers["x-openstack-request-id"] in caplog.text


def test_without_a_token(call: Call) -> None:
    answer = call("GET", "/things", token=None)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Keystone uri="http://id"'
    assert answer.body == {"error": {"code": 401, "title": "Unauthorized",
                                     "message": "The request you have made requires authentication."}}
    assert "openstack-api-version" not in answer.headers
    assert call("GET", "/nowhere", token=None).status == 401


def test_a_public_route_asks_nobody(call: Call) -> None:
    assert call("GET", "/", token=None).body == {"who": None}


def test_identity_headers_from_outside_are_stripped(call: Call) -> None:
    assert call("GET", "/things", token="user", HTTP_X_ROLES="admin", HTTP_X_USER_ID="root").status == 200


def test_no_such_path_and_no_such_method(call: Call) -> None:
    for method, path in (("GET", "/nowhere"), ("PUT", "/things"), ("GET", "/things/1/2/3"), ("GET", "/things/a%00b")):
        answer = call(method, path.replace("%00", "\0"))
        assert answer.status == 404
        assert answer.body["title"] == "Not Found"
    strict = caller(make_front(strict_methods=True))
    refused = strict("PUT", "/things")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, POST")


def test_literal_paths_win_and_slashes_at_the_end_do_not_matter(call: Call) -> None:
    assert call("GET", "/things/special").body == {"special": True}
    assert call("GET", "/things/").status == 200


def test_the_project_may_stand_in_the_path(call: Call) -> None:
    answer = call("GET", "/p1/things/7")
    assert answer.body == {"id": "7", "links": [
        {"rel": "self", "href": "http://cloud:80/cloud/v2.1/p1/things/7"},
        {"rel": "bookmark", "href": "http://cloud:80/cloud/p1/things/7"}]}
    other = call("GET", "/p2/things/7")
    assert other.status == 400
    assert "p2" in other.body["badRequest"]["message"]


@pytest.mark.parametrize(("asked", "status", "told"), [
    ("2.9999", 406, "2.9999"), ("1.0", 406, "1.0"), ("2.104", 200, "2.104"), ("latest", 200, "2.104"),
    ("banana", 400, None), ("2", 400, None), ("2.01", 400, None)])
def test_microversions(call: Call, asked: str, status: int, told: str | None) -> None:
    answer = call("GET", "/things", version=asked)
    assert answer.status == status
    assert answer.headers.get("x-openstack-nova-api-version") == told
    legacy = call("GET", "/things", HTTP_X_OPENSTACK_NOVA_API_VERSION=asked)
    assert legacy.status == status


def test_the_version_of_another_service_is_not_ours(call: Call) -> None:
    headers = {"HTTP_OPENSTACK_API_VERSION": "volume 3.50, compute 2.7"}
    assert call("GET", "/things", **headers).body["version"] == "2.7"
    assert call("GET", "/things", HTTP_OPENSTACK_API_VERSION="volume 3.50").body["version"] == "2.1"


def test_a_route_outside_its_versions_is_not_there(call: Call) -> None:
    assert call("PUT", "/things/1", {}, version="2.35").status == 200
    gone = call("PUT", "/things/1", {}, version="2.36")
    assert gone.status == 404
    assert gone.body == {"itemNotFound": {"code": 404, "message": "The resource could not be found."}}
    assert gone.headers["x-openstack-nova-api-version"] == "2.36"


def test_policy_is_asked_after_the_schema(call: Call) -> None:
    good = {"thing": {"name": "x"}}
    assert call("POST", "/things", good).status == 201
    refused = call("POST", "/things", good, token="user")
    assert refused.body == {"forbidden": {"code": 403, "message": "Policy doesn't allow thing:create to be performed."}}
    assert call("POST", "/things", {"thing": {}}, token="user").status == 400


@pytest.mark.parametrize(("raw", "message"), [
    (b'{"thing": ', "Malformed request body"),
    (b"", "None is not of type 'object'"),
    (b"null", "None is not of type 'object'"),
    (b"[]", "[] is not of type 'object'"),
    (b'{"thing": {"name": 7}}', "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'"),
    (b'{"thing": {"name": ""}}', "Invalid input for field/attribute name. Value: . '' should be non-empty"),
    (b'{"thing": {}}', "Invalid input for field/attribute thing. Value: {}. 'name' is a required property"),
    (b'{"thing": {"name": "x", "y": 1}}', "Invalid input for field/attribute thing. Value: {'name': 'x', 'y': 1}. "
                                          "Additional properties are not allowed ('y' was unexpected)"),
    (b'{"thing": {"name": "x", "size": 1.0}}', "Invalid input for field/attribute size. Value: 1.0. 1.0 is not of type "
                                               "'integer'"),
    (b'{"thing": {"name": "a", "name" : "b"}}', "Malformed request body: the key 'name' is repeated in one object"),
    (b'{"thing": {"name": "a", "name": "b"}}', "Malformed request body: the key 'name' is repeated in one object"),
    (b'{"thing": {"name": "a\\u0000"}}', "Malformed request body: the NUL character is not allowed"),
    (b"[" * 50 + b"]" * 50, "Malformed request body: nested deeper than 32 levels"),
    (b'{"thing": {"name": "\\ud800"}}', "Malformed request body"),
    (b"\xff\xfe", "Malformed request body"),
])
def test_bad_bodies(call: Call, raw: bytes, message: str) -> None:
    answer = call("POST", "/things", raw=raw)
    assert answer.status == 400
    assert answer.body == {"badRequest": {"code": 400, "message": message}}


def test_schemas_follow_the_version(call: Call) -> None:
    body = {"thing": {"name": "x"}, "more": 1}
    assert call("POST", "/things", body, version="2.9").status == 400
    assert call("POST", "/things", body, version="2.10").status == 201


def test_the_old_front_drops_what_it_does_not_know() -> None:
    lenient = caller(make_front(lenient=True))
    assert lenient("POST", "/things", {"thing": {"name": "x", "y": 1}, "z": 2}).body == {"thing": {"name": "x"}}


def test_content_type_and_size(call: Call) -> None:
    wrong = call("POST", "/things", raw=b"<thing/>", CONTENT_TYPE="application/xml")
    assert wrong.body == {"badMediaType": {"code": 415, "message": "Unsupported Content-Type"}}
    large = call("POST", "/things", raw=b"x" * 2001)
    assert large.status == 413
    assert large.body["title"] == "Request Entity Too Large"
    assert call("PUT", "/raw", raw=b"x" * 5000, CONTENT_TYPE="application/octet-stream").body == {"length": 5000}
    assert call("POST", "/things", CONTENT_LENGTH="-5").status == 400


@pytest.mark.parametrize(("body", "status", "message"), [
    ({"stop": None}, 202, None), ({"banana": None}, 400, "There is no such action: banana"),
    ({"stop": None, "crash": None}, 400, "Malformed request body"), ({}, 400, "Malformed request body"),
    ([], 400, "Malformed request body"), ({"crash": None}, 404, "The resource could not be found.")])
def test_actions(call: Call, body: object, status: int, message: str | None) -> None:
    answer = call("POST", "/things/1/action", body)
    assert answer.status == status
    assert message is None or message == next(iter(answer.body.values()))["message"]
    assert call("POST", "/things/1/action", {"crash": None}, version="2.17").status == 202


def test_queries(call: Call) -> None:
    assert call("GET", "/things?limit=3&limit=4&other=1").body["args"] == {"limit": ["3", "4"]}
    bad = call("GET", "/things?limit=x")
    assert bad.body["badRequest"]["message"] == ("Invalid input for query parameters limit. Value: x. "
                                                 "'x' does not match '^[0-9]*$'")
    assert call("GET", "/things?other=1", version="2.75").status == 400
    assert call("GET", "/things?limit=%00").status == 400
    assert call("GET", "/things?limit=%ff").status == 400
    assert call("GET", "/things?" + "&".join("a=1" for _ in range(600))).status == 400


def test_bodies_of_answers(call: Call) -> None:
    empty = call("DELETE", "/things/1")
    assert (empty.status, empty.raw) == (204, b"")
    assert "content-type" not in empty.headers
    accepted = call("POST", "/things/1/action", {"stop": None})
    assert (accepted.raw, accepted.headers["content-length"]) == (b"", "0")
    streamed = call("GET", "/stream")
    assert (streamed.raw, streamed.headers["x-more"]) == (b"onetwo", "yes")
    assert streamed.headers["content-type"] == "text/plain"
    head = call("HEAD", "/things")
    assert (head.status, head.raw) == (200, b"")
    assert int(head.headers["content-length"]) > 0


def test_links_follow_a_trusted_proxy_only(call: Call) -> None:
    forwarded = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "api.example.com"}
    assert call("GET", "/things/7", **forwarded).body["links"][0]["href"].startswith("http://cloud:80/")
    trusting = caller(make_front(proxy_headers=True))
    assert trusting("GET", "/things/7", **forwarded).body["links"][0]["href"] == \
        "https://api.example.com/cloud/v2.1/things/7"


def test_a_rule_needs_a_policy() -> None:
    from nova.web.front import Front
    from nova.web.routing import Resource
    from tests.unit.web.conftest import ROUTES, Things, authenticate

    with pytest.raises(ValueError, match="needs a policy"):
        Front("x", [Resource(ROUTES, Things())], authenticator=authenticate, policy=None)
