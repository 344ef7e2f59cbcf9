# SPDX-License-Identifier: Apache-2.0
"""Every route refuses strangers and nonsense, at the oldest and the newest microversion, and never with a 500."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from nova.api.compute import application
from nova.policy import Policy, compute
from nova.web.routing import ANYONE, Route
from tests.api.compute.conftest import PROJECTS, Api

NAUGHTY: list[Any] = [None, [], "text", 7, {}, {"server": None}, {"x": {"y": [1, {"z": "ä" * 300}]}}, True]


def routes(api: Api) -> list[Route]:
    return [route for resource in application.resources(api.deps) for route in resource.routes]


def path_of(route: Route) -> str:
    return re.sub(r"{[^}]+}", str(uuid.UUID(int=7, version=4)), route.path)


def test_strangers_are_refused_everywhere(api: Api) -> None:
    for route in routes(api):
        for who in (None, "forged"):
            answer = api(route.method, path_of(route), who=who)
            assert answer.status == 401, route.template


def test_every_rule_exists_and_every_route_says_what_it_does(api: Api) -> None:
    known = set(Policy(rules=compute.RULES).defaults)
    for route in routes(api):
        assert route.rule == ANYONE or route.rule in known, route.template
        assert route.doc, route.template


def test_readers_write_nothing(api: Api) -> None:
    """A reader who sends a body that makes sense is told 403, or 404 for what is not his; nothing is ever done."""
    own_keys = {"/os-keypairs", "/os-keypairs/{id}"}
    for route in routes(api):
        if route.method == "GET" or route.path in own_keys or route.handler == "gone":
            continue
        answer = api(route.method, path_of(route), {route.action: None} if route.action else None, who="reader")
        assert answer.status in (400, 403, 404), (route.template, answer)


@pytest.mark.parametrize("version", ["2.1", "2.104"])
@pytest.mark.parametrize("who", ["admin", "demo"])
def test_nonsense_is_never_an_internal_error(api: Api, version: str, who: str) -> None:
    """``Api`` itself asserts that no answer is a 500."""
    queries = "?limit=x&marker=%27&sort_key=;&all_tenants=maybe&changes-since=no&name=(&status=&tags=,"
    for route in routes(api):
        path = path_of(route)
        if route.method == "GET":
            for query in ("", queries, "?limit=-1", "?marker=nope", "?name=%28", "?%00=1", "?a=%ff", "?_x=1"):
                api("GET", path + query, who=who, version=version)
            continue
        for body in NAUGHTY:
            api(route.method, path, {route.action: body} if route.action else body, who=who, version=version)
        for raw in (b"", b"{", b"[" * 2000, b"\xff", b'{"a": 1, "a": 2}', b'"\\u0000"'):
            answer = api(route.method, path, raw=raw, who=who, version=version)
            assert route.method == "DELETE" or answer.status >= 400 or not raw, (route.template, raw, answer)


@pytest.mark.parametrize("identifier", ["%2e%2e", "a" * 3000, "ä\u2028", "' OR 1=1 --", "-1", "0", "9" * 20])
def test_odd_identifiers_are_not_found(api: Api, identifier: str) -> None:
    for route in routes(api):
        if "{" in route.path and route.method in ("GET", "DELETE"):
            path = re.sub(r"{[^}]+}", identifier, route.path).encode().decode("latin-1")
            for version in ("2.1", "2.104"):
                answer = api(route.method, path, who="admin", version=version)
                of_anything = (route.path.startswith(("/os-quota-class-sets", "/os-simple-tenant-usage"))
                               or route.template == "DELETE /os-quota-sets/{id}")
                assert answer.status in (400, 404, 409, 410) or of_anything, (route.template, answer)


def test_the_legacy_front_ignores_versions_and_unknown_members(api: Api) -> None:
    answer = api("GET", "/flavors/1", prefix="/v2", version="2.104")
    assert answer.status == 200
    assert "openstack-api-version" not in answer.headers
    assert answer.body["flavor"]["swap"] == ""
    made = api("POST", "/os-keypairs", {"keypair": {"name": "k", "colour": "blue"}}, prefix="/v2")
    assert made.status == 200
    assert made.body["keypair"]["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_the_legacy_front_takes_names_with_blanks_around_them(api: Api) -> None:
    body = {"aggregate": {"name": " west "}}
    assert api("POST", "/os-aggregates", body, who="admin").status == 400
    made = api("POST", "/os-aggregates", body, who="admin", prefix="/v2")
    assert made.body["aggregate"]["name"] == "west"
    server = api.server()
    renamed = api("PUT", f"/servers/{server}", {"server": {"name": " one two "}}, prefix="/v2")
    assert renamed.body["server"]["name"] == "one two"
    assert api("PUT", f"/servers/{server}", {"server": {"name": "  "}}, prefix="/v2").status == 400


def test_version_documents(api: Api) -> None:
    listed = api("GET", "/", prefix="", who=None).body["versions"]
    assert [(v["id"], v["status"], v["version"], v["min_version"]) for v in listed] == [
        ("v2.0", "DEPRECATED", "", ""), ("v2.1", "CURRENT", "2.104", "2.1")]
    assert listed[1]["links"] == [{"rel": "self", "href": "http://cloud/compute/v2.1/"}]
    for path in ("", "/"):
        document = api("GET", path, who=None).body["version"]
        assert document["id"] == "v2.1"
        assert document["media-types"][0]["type"] == "application/vnd.openstack.compute+json;version=2.1"
    assert api("GET", "/", prefix="/v2", who=None).body["version"]["id"] == "v2.0"
    assert api("GET", "/versions/v2.1").body["version"]["id"] == "v2.1"
    assert api("GET", "/versions/v9").status == 404


def test_the_project_in_the_path(api: Api) -> None:
    assert api("GET", f"/{PROJECTS['demo']}/servers").status == 200
    assert api("GET", f"/{PROJECTS['other']}/servers").status == 400


def test_what_is_gone_says_so(api: Api) -> None:
    for method, path, body in (("GET", "/os-agents", None), ("GET", "/os-fixed-ips/1.2.3.4", None),
                               ("POST", "/servers/x/action", {"resetNetwork": None})):
        for version in ("2.1", "2.104"):
            answer = api(method, path, body, version=version)
            assert answer.status == 410
            assert answer.body == {"computeFault": {"code": 410, "message": "This resource is no longer available. No "
                                                                           "forwarding address is given."}}


def test_nothing_is_behind_a_trailing_slash(api: Api) -> None:
    for path, there in (("/servers", 200), ("/servers/", 404), ("/os-simple-tenant-usage/", 404), ("/flavors/1/", 404),
                        ("/", 200), ("", 200)):
        assert api("GET", path, who="admin").status == there, path
