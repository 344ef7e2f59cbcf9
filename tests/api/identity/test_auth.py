# SPDX-License-Identifier: Apache-2.0
"""``/v3/auth``: logging in, looking at tokens, revoking them; and every way to get the body of a login wrong."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.identity.conftest import Api

TOKENS = "/v3/auth/tokens"


def login(user: str = "demo", password: str = "demo-secret", scope: Any = None) -> dict[str, Any]:
    identity = {"methods": ["password"], "password": {"user": {
        "name": user, "domain": {"id": "default"}, "password": password}}}
    return {"auth": {"identity": identity, **({} if scope is None else {"scope": scope})}}


def test_a_login_answers_with_a_token_and_what_it_is_for(api: Api) -> None:
    scope = {"project": {"name": "demo", "domain": {"name": "Default"}}}
    status, body = api.call("POST", TOKENS, login(scope=scope), who=None)
    assert status == 201
    assert api.last.headers["Vary"] == "X-Auth-Token"
    token = body["token"]
    ids = api.cloud.ids
    default = {"id": "default", "name": "Default"}
    assert token["user"] == {"id": ids.users["demo"], "name": "demo", "domain": default, "password_expires_at": None}
    assert token["project"] == {"id": ids.projects["demo"], "name": "demo", "domain": default}
    assert token["is_domain"] is False and token["methods"] == ["password"]
    assert token["roles"] == [{"id": ids.roles[r], "name": r} for r in ("member", "reader")]
    assert token["issued_at"].endswith("Z") and token["expires_at"] > token["issued_at"]
    assert len(token["audit_ids"]) == 1
    compute = next(s for s in token["catalog"] if s["type"] == "compute")
    assert compute["name"] == "nova"
    assert {e["interface"] for e in compute["endpoints"]} == {"public", "internal", "admin"}
    assert compute["endpoints"][0] | {"id": "", "interface": ""} == {
        "id": "", "interface": "", "region": "RegionOne", "region_id": "RegionOne",
        "url": "http://cloud.example.org:8774/compute/v2.1"}
    own = api.last.headers["X-Subject-Token"]
    assert api.call("GET", TOKENS, who=own, X_Subject_Token=own) == (200, body)
    assert api.last.headers["X-Subject-Token"] == own
    assert api.call("HEAD", TOKENS, who=own, X_Subject_Token=own) == (200, None)


@pytest.mark.parametrize("scope,key", [
    ("unscoped", None), ({"unscoped": {}}, None), ({"system": {"all": True}}, "system"),
    ({"domain": {"id": "default"}}, "domain")])
def test_other_scopes(api: Api, scope: Any, key: str | None) -> None:
    ids = api.cloud.ids
    assert api.call("PUT", f"/v3/domains/default/users/{ids.users['admin']}/roles/{ids.roles['reader']}")[0] == 204
    status, body = api.call("POST", TOKENS, login("admin", "admin-secret", scope), who=None)
    assert status == 201
    assert {"project", "domain", "system"} & body["token"].keys() == ({key} if key else set())
    assert ("catalog" in body["token"]) == ("roles" in body["token"]) == (key is not None)


def test_the_catalogue_can_be_left_out(api: Api) -> None:
    scope = {"system": {"all": True}}
    _, body = api.call("POST", f"{TOKENS}?nocatalog", login("admin", "admin-secret", scope), who=None)
    assert "catalog" not in body["token"] and body["token"]["system"] == {"all": True}


def test_the_configured_endpoint_is_what_the_catalogue_says(api: Api) -> None:
    api.cloud.conf.set_override("public_endpoint", "https://cloud.example.net", group="identity")
    _, body = api.call("GET", "/v3/auth/catalog", who="demo")
    urls = {e["url"] for s in body["catalog"] for e in s["endpoints"]}
    assert urls == {"https://cloud.example.net" + p for p in ("/identity/v3", "/compute/v2.1", "/image")}


def test_a_token_gets_another_for_another_scope(api: Api) -> None:
    ids = api.cloud.ids
    api.call("PUT", f"/v3/projects/{ids.projects['admin']}/users/{ids.users['demo']}/roles/{ids.roles['reader']}")
    by_token = {"auth": {"identity": {"methods": ["token"], "token": {"id": api.token("demo")}},
                         "scope": {"project": {"id": ids.projects["admin"]}}}}
    status, body = api.call("POST", TOKENS, by_token, who=None)
    assert status == 201
    assert [r["name"] for r in body["token"]["roles"]] == ["reader"]
    assert body["token"]["methods"] == ["password", "token"] and len(body["token"]["audit_ids"]) == 2


def test_who_may_look_at_and_revoke_a_token(api: Api) -> None:
    demo, admin = api.token("demo"), api.token("admin")
    assert api.call("GET", TOKENS, who="demo", X_Subject_Token=admin)[0] == 403
    assert api.call("DELETE", TOKENS, who="demo", X_Subject_Token=admin)[0] == 403
    assert api.call("GET", TOKENS, who="admin", X_Subject_Token=demo)[0] == 200
    for subject in ({"X_Subject_Token": "nonsense"}, {}):
        assert api.call("GET", TOKENS, who="admin", **subject)[0] == 404
        assert api.call("DELETE", TOKENS, who="admin", **subject)[0] == 404
    assert api.call("DELETE", TOKENS, who="demo", X_Subject_Token=demo) == (204, None)
    assert api.call("GET", TOKENS, who="admin", X_Subject_Token=demo)[0] == 404
    status, body = api.call("GET", "/v3/auth/projects", who=demo)
    assert status == 401 and body["error"]["code"] == 401 and body["error"]["title"] == "Unauthorized"
    assert api.last.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_what_a_token_may_reach(api: Api) -> None:
    assert [p["name"] for p in api.call("GET", "/v3/auth/projects", who="demo")[1]["projects"]] == ["demo"]
    assert api.call("GET", "/v3/auth/domains", who="demo")[1]["domains"] == []
    assert api.call("GET", "/v3/auth/system", who="demo")[1]["system"] == []
    assert api.call("GET", "/v3/auth/system", who="admin")[1]["system"] == [{"all": True}]
    assert len(api.call("GET", "/v3/auth/catalog", who="demo")[1]["catalog"]) == 3
    unscoped = api.cloud.login("demo")[0]
    assert api.call("GET", "/v3/auth/catalog", who=unscoped)[0] == 403
    assert api.call("GET", "/v3/auth/projects", who=unscoped)[0] == 200


def _with(path: str, value: Any) -> dict[str, Any]:
    """A good login with one place changed; ``...`` removes it."""
    body = login(scope={"project": {"name": "demo", "domain": {"id": "default"}}})
    at: Any = body
    *parents, last = path.split("/")
    for key in parents:
        at = at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return body


_USER = "auth/identity/password/user"
_CREDENTIAL = {"methods": ["application_credential"]}


@pytest.mark.parametrize("path,value,expected", [
    ("auth", ..., 400), ("auth", None, 400), ("auth", [], 400), ("auth", "x", 400), ("auth/identity", ..., 400),
    ("auth/identity", None, 400), ("auth/identity/methods", ..., 400), ("auth/identity/methods", [], 400),
    ("auth/identity/methods", "password", 400), ("auth/identity/methods", [1], 400),
    ("auth/identity/methods", ["token"], 400), ("auth/identity/methods", ["password", "token"], 400),
    ("auth/identity/methods", ["application_credential"], 400), ("auth/identity/methods", ["totp"], 401),
    ("auth/identity/methods", [["password"]], 400), ("auth/identity/password", ..., 400),
    ("auth/identity/password", None, 400), (_USER, ..., 400), (_USER, "demo", 400), (_USER, [], 400),
    (f"{_USER}/password", ..., 400), (f"{_USER}/password", None, 400), (f"{_USER}/password", 1, 400),
    (f"{_USER}/password", "", 401), (f"{_USER}/password", "x" * 5000, 400), (f"{_USER}/password", {"a": 1}, 400),
    (f"{_USER}/password", "wrong", 401), (f"{_USER}/name", ..., 400), (f"{_USER}/name", None, 400),
    (f"{_USER}/name", "", 400), (f"{_USER}/name", "x" * 256, 400), (f"{_USER}/name", "nobody", 401),
    (f"{_USER}/name", "a\x00b", 400), (f"{_USER}/name", "' OR 1=1 --", 401), (f"{_USER}/id", "nobody", 401),
    (f"{_USER}/id", 7, 400), (f"{_USER}/domain", ..., 400), (f"{_USER}/domain", {}, 400),
    (f"{_USER}/domain", None, 400), (f"{_USER}/domain", {"id": "nowhere"}, 401),
    (f"{_USER}/domain", {"name": "nowhere"}, 401), (f"{_USER}/domain", {"id": {}}, 400),
    ("auth/scope", None, 400), ("auth/scope", [], 400), ("auth/scope", "scoped", 400), ("auth/scope", {}, 400),
    ("auth/scope", {"OS-TRUST:trust": {"id": "x"}}, 400), ("auth/scope/project", None, 400),
    ("auth/scope/project", {}, 400), ("auth/scope/project", {"name": "demo"}, 400),
    ("auth/scope/project", {"name": "demo", "domain": {}}, 400), ("auth/scope/project", {"id": "nowhere"}, 401),
    ("auth/scope/project", {"id": 1}, 400), ("auth/scope", {"domain": {}}, 400), ("auth/scope", {"domain": "x"}, 400),
    ("auth/scope", {"domain": {"id": "default"}}, 401), ("auth/scope", {"system": {}}, 400),
    ("auth/scope", {"system": {"all": False}}, 400), ("auth/scope", {"system": {"all": True}}, 401),
    ("auth/scope/domain", {"id": "default"}, 400),
    ("auth/identity", {"methods": ["token"], "token": {"id": "nonsense"}}, 401),
    ("auth/identity", {"methods": ["token"], "token": {"id": "é"}}, 401),
    ("auth/identity", {"methods": ["token"], "token": {}}, 400),
    ("auth/identity", {"methods": ["token"], "token": {"id": None}}, 400),
    ("auth/identity", _CREDENTIAL | {"application_credential": {"id": "x"}}, 400),
    ("auth/identity", _CREDENTIAL | {"application_credential": {"id": "x", "secret": "y"}}, 401),
    ("auth/identity", _CREDENTIAL | {"application_credential": {"name": "x", "secret": "y"}}, 400),
])
def test_a_bad_login_is_refused_in_words(api: Api, path: str, value: Any, expected: int) -> None:
    status, body = api.call("POST", TOKENS, _with(path, value), who=None)
    assert status == expected, body
    assert body["error"]["code"] == expected and body["error"]["message"]
    assert "X-Subject-Token" not in api.last.headers


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"auth": "\\ud800"}',
                                 b"[" * 5000, b'{"auth": {"identity": {}, "identity": {}}}'])
def test_a_body_that_is_no_login_is_refused(api: Api, raw: bytes) -> None:
    status, body = api.call("POST", TOKENS, raw, who=None)
    assert status == 400 and body["error"]["message"]


def test_a_large_body_is_refused(api: Api) -> None:
    assert api.call("POST", TOKENS, login("x" * 200000), who=None)[0] == 413


_KEYS = st.sampled_from(["id", "name", "domain", "user", "password", "token", "methods", "all"])
_JSON = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
                     max_leaves=8)


def _places(value: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [prefix] if prefix else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _places(inner, (*prefix, key))
    return found


_GOOD = login(scope={"project": {"name": "demo", "domain": {"id": "default"}}})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(_places(_GOOD)), value=_JSON)
def test_no_body_whatever_is_an_error_of_ours(api: Api, place: tuple[str, ...], value: Any) -> None:
    body = copy.deepcopy(_GOOD)
    at: Any = body
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    status, answer = api.call("POST", TOKENS, json.dumps(body).encode(), who=None)
    assert status in (201, 400, 401), answer
