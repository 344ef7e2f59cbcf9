# SPDX-License-Identifier: Apache-2.0
"""Users, projects, domains, groups, roles, credentials and the catalogue over HTTP, with what each refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.identity.conftest import Api, make_api


def _make(api: Api, key: str, **values: Any) -> dict[str, Any]:
    status, body = api.call("POST", f"/v3/{key}s", {key: values})
    assert status == 201, body
    made: dict[str, Any] = body[key]
    return made


def test_versions(api: Api) -> None:
    status, body = api.call("GET", "/", who=None)
    assert status == 300 and api.last.headers["Location"] == "http://cloud.example.org:8774/identity/v3/"
    [version] = body["versions"]["values"]
    assert version["id"] == "v3.14" and version["status"] == "stable"
    for path in ("/v3", "/v3/"):
        assert api.call("GET", path, who=None) == (200, {"version": version})


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("user", {"name": "u", "email": "u@x.org", "password": "secret"}, {"name": "v", "description": "d", "email": "w"}),
    ("project", {"name": "p", "description": "<&\">", "tags": ["a"]}, {"name": "q", "enabled": False, "color": "red"}),
    ("domain", {"name": "d"}, {"name": "e", "description": "é"}),
    ("group", {"name": "g"}, {"description": "d"}),
    ("role", {"name": "r"}, {"name": "s", "description": "d"}),
    ("service", {"type": "t", "name": "n"}, {"enabled": False}),
    ("region", {"id": "R2"}, {"description": "d"}),
]


@pytest.mark.parametrize("key,values,changes", CASES, ids=[c[0] for c in CASES])
def test_make_show_list_change_delete(api: Api, key: str, values: dict[str, Any], changes: dict[str, Any]) -> None:
    made = _make(api, key, **values)
    path = f"/v3/{key}s/{made['id']}"
    assert {k: v for k, v in values.items() if k != "password"}.items() <= made.items()
    assert "password" not in made and "password_hash" not in made and "generation" not in made
    assert made["links"] == {"self": f"http://cloud.example.org:8774/identity{path}"}
    assert api.call("GET", path) == (200, {key: made})
    status, listed = api.call("GET", f"/v3/{key}s")
    assert made in listed[f"{key}s"]
    here = f"http://cloud.example.org:8774/identity/v3/{key}s"
    assert listed["links"] == {"next": None, "self": here, "previous": None}
    status, body = api.call("PATCH", path, {key: changes})
    assert status == 200 and body[key] == made | changes
    assert api.call("PATCH", path, {key: {"id": "other"}})[0] == 400
    if key == "domain":
        assert api.call("DELETE", path)[0] == 403
        api.call("PATCH", path, {key: {"enabled": False}})
    assert api.call("DELETE", path) == (204, None)
    for method in ("GET", "DELETE"):
        status, body = api.call(method, path)
        assert status == 404 and made["id"] in body["error"]["message"]


@pytest.mark.parametrize("key,values", [
    ("user", {}), ("user", {"name": ""}), ("user", {"name": None}), ("user", {"name": 1}),
    ("user", {"name": "x" * 256}), ("user", {"name": " "}), ("user", {"name": "x", "enabled": "yes"}),
    ("user", {"name": "x", "password": 7}),
    ("user", {"name": "x", "domain_id": "a b"}), ("user", {"name": "x", "options": []}),
    ("user", {"name": "x", "default_project_id": "a/b"}), ("project", {"name": "x" * 65}),
    ("project", {"name": "x", "tags": ["a,b"]}), ("project", {"name": "x", "tags": "a"}),
    ("project", {"name": "x", "tags": ["a", "a"]}), ("project", {"name": "x", "is_domain": True}),
    ("project", {"name": "x", "description": {}}), ("domain", {"name": "x", "explicit_domain_id": "../.."}),
    ("group", {"description": "x"}), ("role", {"name": []}), ("service", {"name": "x"}), ("region", {"id": "a/b"}),
    ("endpoint", {"service_id": "none", "interface": "public", "url": "http://x"}),
    ("endpoint", {"service_id": "none", "interface": "secret", "url": "http://x"}),
    ("endpoint", {"service_id": "none", "interface": "public", "url": "x"}),
])
def test_bad_values_are_refused(api: Api, key: str, values: dict[str, Any]) -> None:
    bodies: list[Any] = [{key: values}, {"other": values}, [], None]
    for body in bodies:
        status, answer = api.call("POST", f"/v3/{key}s", body)
        assert status == 400 and answer["error"]["message"], answer


@pytest.mark.parametrize("key,values", [("user", {"name": "admin"}), ("project", {"name": "demo"}),
                                        ("domain", {"name": "Default"}), ("role", {"name": "reader"})])
def test_a_name_that_is_taken_is_a_conflict(api: Api, key: str, values: dict[str, Any]) -> None:
    status, body = api.call("POST", f"/v3/{key}s", {key: values})
    assert status == 409 and body["error"]["title"] == "Conflict"


@pytest.mark.parametrize("key", ["user", "project", "domain", "group", "role", "service", "region"])
def test_attributes_named_like_our_arguments_are_only_attributes(api: Api, key: str) -> None:
    odd = {"self": 1, "user_id": "x", "record_id": "x", "project_id": "x", "extra": {"a": 1}, "generation": 5,
           "password_hash": "x", "changes": 1, "attributes": 2, "table": 3, "links": {}}
    needed = {"region": {"id": "R9"}, "service": {"type": "t"}}.get(key, {"name": "odd"})
    made = _make(api, key, **needed, **odd)
    status, body = api.call("PATCH", f"/v3/{key}s/{made['id']}", {key: odd | {"role_id": "y", "domain": "z"}})
    assert status == 200, body
    assert body[key]["self"] == 1 and body[key]["domain"] == "z" and "extra" not in body[key]
    assert key != "user" or not {"password_hash", "generation"} & body[key].keys()


def test_lists_are_filtered(api: Api) -> None:
    _make(api, "user", name="anna", enabled=False)
    _make(api, "user", name="annika")
    for query, names in (("name=anna", ["anna"]), ("enabled=false", ["anna"]),
                         ("name__startswith=ann", ["anna", "annika"]), ("name__icontains=NIK", ["annika"]),
                         ("name=anna&enabled=1", []), ("domain_id=x", []),
                         ("unknown=1&name=annika", ["annika"])):
        assert [u["name"] for u in api.call("GET", f"/v3/users?{query}")[1]["users"]] == names, query


def test_project_tags(api: Api) -> None:
    project = _make(api, "project", name="p", tags=["a"])
    _make(api, "project", name="q", tags=["a", "b"])
    tags = f"/v3/projects/{project['id']}/tags"
    assert api.call("PUT", f"{tags}/c") == (201, None)
    assert api.call("GET", f"{tags}/c")[0] == 204
    assert api.call("HEAD", f"{tags}/nothing")[0] == 404
    assert api.call("DELETE", f"{tags}/a")[0] == 204 and api.call("DELETE", f"{tags}/a")[0] == 404
    assert api.call("GET", tags)[1]["tags"] == ["c"]
    for query, names in (("tags=a,b", ["q"]), ("tags-any=b,c", ["p", "q"]), ("not-tags=a,b&tags-any=c", ["p"]),
                         ("not-tags-any=c&tags-any=a", ["q"])):
        assert [p["name"] for p in api.call("GET", f"/v3/projects?{query}")[1]["projects"]] == names, query
    assert api.call("PUT", tags, {"tags": ["x", "y"]})[1]["tags"] == ["x", "y"]
    assert api.call("PUT", tags, {"tags": ["x,y"]})[0] == 400
    assert api.call("DELETE", tags)[0] == 204 and api.call("GET", tags)[1]["tags"] == []


def test_users_see_what_is_theirs(api: Api) -> None:
    ids = api.cloud.ids
    demo = f"/v3/users/{ids.users['demo']}"
    for path in (demo, f"{demo}/projects", f"{demo}/groups", f"{demo}/application_credentials",
                 f"/v3/projects/{ids.projects['demo']}", "/v3/domains/default",
                 f"/v3/role_assignments?user.id={ids.users['demo']}"):
        assert api.call("GET", path, who="demo")[0] == 200, path
    for path in (f"/v3/users/{ids.users['admin']}", f"/v3/users/{ids.users['admin']}/projects",
                 f"/v3/projects/{ids.projects['admin']}", "/v3/users", "/v3/projects", "/v3/role_assignments"):
        assert api.call("GET", path, who="demo")[0] == 403, path
    assert api.call("PATCH", demo, {"user": {"enabled": True}}, who="demo")[0] == 403


def test_a_user_changes_its_own_password(api: Api) -> None:
    path = f"/v3/users/{api.cloud.ids.users['demo']}/password"
    token = api.token("demo")
    wrong = {"user": {"original_password": "x", "password": "new-secret"}}
    assert api.call("POST", path, wrong, who=None)[0] == 401
    assert api.call("POST", path, {"user": {"password": "x"}}, who=None)[0] == 400
    assert api.call("POST", path, {"user": {"original_password": "demo-secret", "password": "new-secret"}},
                    who=token) == (204, None)
    assert api.call("GET", "/v3/auth/projects", who=token)[0] == 401
    api.cloud.login("demo", "new-secret")


def test_groups_have_members(api: Api) -> None:
    group, demo = _make(api, "group", name="g"), api.cloud.ids.users["demo"]
    member = f"/v3/groups/{group['id']}/users/{demo}"
    assert api.call("HEAD", member)[0] == 404
    assert api.call("PUT", member) == (204, None)
    assert api.call("HEAD", member)[0] == 204
    assert [u["id"] for u in api.call("GET", f"/v3/groups/{group['id']}/users")[1]["users"]] == [demo]
    assert [g["id"] for g in api.call("GET", f"/v3/users/{demo}/groups")[1]["groups"]] == [group["id"]]
    assert api.call("DELETE", member)[0] == 204 and api.call("DELETE", member)[0] == 404
    assert api.call("PUT", f"/v3/groups/{group['id']}/users/nobody")[0] == 404


def _places(api: Api) -> Iterator[tuple[str, str]]:
    for target in (f"projects/{api.cloud.ids.projects['admin']}", "domains/default", "system",
                   "OS-INHERIT/domains/default", f"OS-INHERIT/projects/{api.cloud.ids.projects['admin']}"):
        yield target, "/inherited_to_projects" if target.startswith("OS-") else ""


def test_roles_are_given_checked_listed_and_taken(api: Api) -> None:
    ids = api.cloud.ids
    group = _make(api, "group", name="g")
    for target, suffix in _places(api):
        for actor in (f"users/{ids.users['demo']}", f"groups/{group['id']}"):
            path = f"/v3/{target}/{actor}/roles"
            one = f"{path}/{ids.roles['reader']}{suffix}"
            assert api.call("HEAD", one)[0] == 404
            assert api.call("PUT", one) == (204, None)
            assert api.call("PUT", one)[0] == 204
            assert api.call("HEAD", one)[0] == 204
            assert [r["name"] for r in api.call("GET", path + suffix)[1]["roles"]] == ["reader"]
            assert api.call("DELETE", one)[0] == 204
            assert api.call("DELETE", one)[0] == 404
            assert api.call("PUT", f"{path}/nothing{suffix}")[0] == 404


def test_role_assignments_by_names(api: Api) -> None:
    ids = api.cloud.ids
    listed = api.call("GET", f"/v3/role_assignments?user.id={ids.users['demo']}&include_names")[1]["role_assignments"]
    default = {"id": "default", "name": "Default"}
    assert listed == [{
        "role": {"id": ids.roles["member"], "name": "member"},
        "user": {"id": ids.users["demo"], "name": "demo", "domain": default},
        "scope": {"project": {"id": ids.projects["demo"], "name": "demo", "domain": default}},
        "links": {"assignment": f"http://cloud.example.org:8774/identity/v3/projects/{ids.projects['demo']}"
                                f"/users/{ids.users['demo']}/roles/{ids.roles['member']}"}}]
    query: Callable[[str], list[Any]] = lambda q: api.call("GET", f"/v3/role_assignments?{q}")[1]["role_assignments"]  # noqa: E731
    assert len(query(f"user.id={ids.users['demo']}&effective")) == 2
    assert query("scope.system=all")[0]["scope"] == {"system": {"all": True}}
    assert len(query(f"role.id={ids.roles['admin']}&scope.project.id={ids.projects['admin']}")) == 1
    assert query("group.id=x") == []
    api.call("PUT", f"/v3/OS-INHERIT/domains/default/users/{ids.users['demo']}/roles/{ids.roles['reader']}"
                    "/inherited_to_projects")
    [inherited] = query("scope.OS-INHERIT:inherited_to=projects")
    assert inherited["scope"] == {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}
    assert len(query("scope.OS-INHERIT:inherited_to=projects&effective")) == 3


def test_implied_roles(api: Api) -> None:
    ids, role = api.cloud.ids, _make(api, "role", name="r")
    path = f"/v3/roles/{role['id']}/implies/{ids.roles['reader']}"
    assert api.call("HEAD", path)[0] == 404
    status, body = api.call("PUT", path)
    assert status == 201 and body["role_inference"]["implies"]["name"] == "reader"
    assert api.call("GET", path)[0] == 200 and api.call("HEAD", path)[0] == 204
    inference = api.call("GET", f"/v3/roles/{role['id']}/implies")[1]["role_inference"]
    assert [r["name"] for r in inference["implies"]] == ["reader"]
    assert len(api.call("GET", "/v3/role_inferences")[1]["role_inferences"]) == 4
    assert api.call("PUT", f"/v3/roles/{ids.roles['reader']}/implies/{role['id']}")[0] == 400
    assert api.call("DELETE", path)[0] == 204 and api.call("DELETE", path)[0] == 404


def test_the_role_of_a_domain_works_by_what_it_implies(api: Api) -> None:
    ids, local = api.cloud.ids, _make(api, "role", name="local", domain_id="default")
    everywhere = _make(api, "role", name="everywhere")
    assert api.call("PUT", f"/v3/roles/{everywhere['id']}/implies/{local['id']}")[0] == 403
    user, project = _make(api, "user", name="u"), _make(api, "project", name="p")
    assert api.call("PUT", f"/v3/projects/{project['id']}/users/{user['id']}/roles/{local['id']}")[0] == 204

    def effective() -> list[str]:
        query = f"/v3/role_assignments?effective&user.id={user['id']}&scope.project.id={project['id']}"
        return [a["role"]["id"] for a in api.call("GET", query)[1]["role_assignments"]]

    assert effective() == []
    assert api.call("PUT", f"/v3/roles/{local['id']}/implies/{ids.roles['reader']}")[0] == 201
    assert effective() == [ids.roles["reader"]]


def test_application_credentials(api: Api) -> None:
    ids = api.cloud.ids
    path = f"/v3/users/{ids.users['demo']}/application_credentials"

    def make(who: str = "demo", **values: Any) -> tuple[int, Any]:
        return api.call("POST", path, {"application_credential": {"name": "robot", **values}}, who=who)

    status, body = make(roles=[{"name": "reader"}], expires_at="2099-01-01T00:00:00Z", description="d")
    made = body["application_credential"]
    assert status == 201 and made["roles"] == [{"id": ids.roles["reader"], "name": "reader", "domain_id": None}]
    assert made["secret"] and made["project_id"] == ids.projects["demo"] and made["unrestricted"] is False
    assert made["expires_at"] == "2099-01-01T00:00:00.000000"
    shown = api.call("GET", f"{path}/{made['id']}", who="demo")[1]["application_credential"]
    assert shown == {k: v for k, v in made.items() if k != "secret"}
    assert api.call("GET", f"{path}?name=robot", who="demo")[1]["application_credentials"] == [shown]
    assert make()[0] == 409
    for bad in ({"name": "x", "roles": [{"name": "admin"}]}, {"name": "x", "roles": [{"id": ids.roles["admin"]}]},
                {"name": "x", "roles": [{}]}, {"name": "x", "expires_at": "yesterday"}, {"name": ""},
                {"name": "x", "expires_at": "2001-01-01T00:00:00"}, {"name": "x", "access_rules": [{"path": "/"}]}):
        assert make(**bad)[0] == 400, bad
    assert make("admin", name="x")[0] == 403
    assert make(api.cloud.login("demo")[0], name="x")[0] == 400

    login = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": {
        "id": made["id"], "secret": made["secret"]}}}}
    status, body = api.call("POST", "/v3/auth/tokens", login, who=None)
    assert status == 201 and [r["name"] for r in body["token"]["roles"]] == ["reader"]
    assert body["token"]["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}
    robot = api.last.headers["X-Subject-Token"]
    assert make(robot, name="y")[0] == 403
    assert api.call("DELETE", f"{path}/{made['id']}", who=robot)[0] == 403
    assert api.call("GET", f"/v3/users/{ids.users['admin']}/application_credentials", who="demo")[0] == 403
    assert api.call("DELETE", f"{path}/{made['id']}", who="demo") == (204, None)
    assert api.call("GET", f"{path}/{made['id']}", who="demo")[0] == 404
    assert api.call("GET", "/v3/auth/projects", who=robot)[0] == 401


def test_access_rules_are_listed(api: Api) -> None:
    user = f"/v3/users/{api.cloud.ids.users['demo']}"
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    body = {"application_credential": {"name": "r", "access_rules": [rule]}}
    made = api.call("POST", f"{user}/application_credentials", body, who="demo")[1]["application_credential"]
    [shown] = api.call("GET", f"{user}/access_rules", who="demo")[1]["access_rules"]
    assert rule.items() <= shown.items() and made["access_rules"] == [rule | {"id": shown["id"]}]
    assert api.call("GET", f"{user}/access_rules/{shown['id']}", who="demo")[1]["access_rule"] == shown
    assert api.call("GET", f"{user}/access_rules/x", who="demo")[0] == 404


def test_endpoints_of_a_service(api: Api) -> None:
    service = _make(api, "service", type="metering", name="m")
    made = _make(api, "endpoint", service_id=service["id"], interface="public", url="http://m", region="RegionOne")
    assert made["region_id"] == made["region"] == "RegionOne" and made["enabled"] is True
    path = f"/v3/endpoints/{made['id']}"
    assert api.call("GET", f"/v3/endpoints?service_id={service['id']}&interface=public")[1]["endpoints"] == [made]
    assert api.call("PATCH", path, {"endpoint": {"url": "http://n"}})[1]["endpoint"]["url"] == "http://n"
    assert api.call("PATCH", path, {"endpoint": {"region_id": "new"}})[1]["endpoint"]["region"] == "new"
    assert api.call("GET", "/v3/regions/new")[1]["region"]["parent_region_id"] is None
    assert api.call("PATCH", path, {"endpoint": {"region_id": "new"}})[0] == 200
    assert api.call("PATCH", path, {"endpoint": {"service_id": "none"}})[0] == 400
    derived = next(e for e in api.call("GET", "/v3/endpoints")[1]["endpoints"] if e["url"].endswith("/image"))
    assert api.call("GET", f"/v3/endpoints/{derived['id']}")[1]["endpoint"] == derived
    assert api.call("DELETE", f"/v3/endpoints/{derived['id']}")[0] == 403
    assert api.call("DELETE", f"/v3/services/{service['id']}")[0] == 204
    assert api.call("GET", path)[0] == 404
    assert api.call("PUT", "/v3/regions/R7", {"region": {"description": "d"}})[0] == 201
    assert api.call("PUT", "/v3/regions/R8", {"region": {"id": "R9"}})[0] == 400


def test_the_story_of_a_project_on_every_database(tmp_path: Path, database_kind: str,
                                                  make_database: Callable[..., str]) -> None:
    api = make_api(tmp_path, make_database(database_kind, "identity"))
    try:
        project, user = _make(api, "project", name="é<p>", tags=["x"]), _make(api, "user", name="ü", password="geheim")
        member = api.cloud.ids.roles["member"]
        grant = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{member}"
        assert api.call("PUT", grant)[0] == 204 and api.call("PUT", grant)[0] == 204
        assert api.call("POST", "/v3/users", {"user": {"name": "ü"}})[0] == 409
        assert _make(api, "user", name="Ü")["id"] != user["id"]
        proof = {"methods": ["password"], "password": {"user": {"id": user["id"], "password": "geheim"}}}
        body = {"auth": {"identity": proof, "scope": {"project": {"id": project["id"]}}}}
        assert api.call("POST", "/v3/auth/tokens", body, who=None)[0] == 201
        token = api.last.headers["X-Subject-Token"]
        credentials = f"/v3/users/{user['id']}/application_credentials"
        made = {"application_credential": {"name": "c", "roles": [{"name": "reader"}]}}
        assert api.call("POST", credentials, made, who=token)[0] == 201
        assert [p["name"] for p in api.call("GET", "/v3/auth/projects", who=token)[1]["projects"]] == ["é<p>"]
        assert api.call("DELETE", "/v3/auth/tokens", who=token, X_Subject_Token=token)[0] == 204
        assert api.call("GET", "/v3/auth/projects", who=token)[0] == 401
        assert api.call("DELETE", f"/v3/projects/{project['id']}")[0] == 204
        assert api.call("GET", credentials)[1]["application_credentials"] == []
        assert api.call("DELETE", f"/v3/users/{user['id']}")[0] == 204
        left = api.call("GET", f"/v3/role_assignments?role.id={member}")[1]["role_assignments"]
        assert [a["user"]["id"] for a in left] == [api.cloud.ids.users["demo"]]
    finally:
        api.cloud.identity.database.dispose()
