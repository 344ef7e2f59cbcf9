# SPDX-License-Identifier: Apache-2.0
"""Every route: documented, ruled by a policy that exists, closed to strangers, sure of what is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nova.policy.identity import RULES
from nova.web.routing import ANYONE, Route
from tests.api.identity.conftest import Api, make_api

PUBLIC = {"GET /", "GET /v3", "POST /v3/auth/tokens", "POST /v3/users/{user_id}/password"}
#: What every user may call, about itself; the rest refuses a user without the admin role.
OWN = {"GET /v3/auth/tokens", "DELETE /v3/auth/tokens", "GET /v3/auth/catalog", "GET /v3/auth/projects",
       "GET /v3/auth/domains", "GET /v3/auth/system", "GET /v3/regions", "GET /v3/regions/{id}"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Api:
    return make_api(Path(tmp_path_factory.mktemp("identity")))


def _routes() -> list[Route]:
    from nova.api.identity import (
        application_credentials,
        catalog,
        domains,
        grants,
        groups,
        projects,
        role_assignments,
        roles,
        tokens,
        users,
        versions,
    )
    modules = (application_credentials, domains, grants, groups, projects, role_assignments, roles, tokens, users,
               versions)
    return [*(r for m in modules for r in m.ROUTES), *catalog.SERVICE_ROUTES, *catalog.ENDPOINT_ROUTES,
            *catalog.REGION_ROUTES]


ROUTES = _routes()


def _url(route: Route, name: str = "unknown") -> str:
    return re.sub(r"\{[^}]+\}", name, route.path)


def test_this_walks_all_routes(shared: Api) -> None:
    assert {r.template for r in shared.front.routes} == {r.template for r in ROUTES}
    names = {rule.name for rule in RULES}
    for route in ROUTES:
        assert route.doc, route.template
        assert route.rule in (None, ANYONE) or route.rule in names, route.template
    assert {r.template for r in ROUTES if r.rule is None} == PUBLIC


@pytest.mark.parametrize("route", [r for r in ROUTES if r.rule is not None], ids=lambda r: r.template)
def test_strangers_are_refused(shared: Api, route: Route) -> None:
    for who in (None, "nonsense"):
        status, body = shared.call(route.method, _url(route), {} if route.body else None, who=who)
        assert status == 401
        assert body is None if route.method == "HEAD" else body["error"]["code"] == 401


def _body(route: Route) -> object:
    """The least that meets the route's schema."""
    if not isinstance(route.body, dict):
        return None
    [(key, inner)] = route.body["properties"].items()
    if key == "tags":
        return {"tags": []}
    values = {"name": "n", "type": "t", "service_id": "s", "interface": "public", "url": "http://x",
              "original_password": "a", "password": "b"}
    wanted = inner.get("required") or ["name" if "name" in inner["properties"] else "description"]
    return {key: {name: values.get(name, "d") for name in wanted}} if key != "endpoint" or "required" in inner else {
        key: {"url": "http://x"}}


@pytest.mark.parametrize("route", [r for r in ROUTES if r.rule is not None and r.template not in OWN],
                         ids=lambda r: r.template)
def test_users_are_kept_from_what_is_not_theirs(shared: Api, route: Route) -> None:
    status, body = shared.call(route.method, _url(route), _body(route), who="demo")
    assert status == 403, body


#: These make or list what belongs to a name; the name itself may be new.
OPEN = {"PUT /v3/regions/{id}": {201, 400}, "POST /v3/users/{user_id}/application_credentials": {403, 404}}


@pytest.mark.parametrize("name", ["unknown", "a%00b", "%ff", "x" * 300, "%27%20OR%201=1", "%C3%A9"])
@pytest.mark.parametrize("route", [r for r in ROUTES if "{" in r.path], ids=lambda r: r.template)
def test_what_is_not_there_is_said_so(shared: Api, route: Route, name: str) -> None:
    status, body = shared.call(route.method, _url(route, name), _body(route))
    lists = {200} if route.method == "GET" and route.handler in ("index", "rules") else set()
    assert status in {400, 401, 404} | lists | OPEN.get(route.template, set()), body
    if status == 201:
        shared.call("DELETE", _url(route, name))


def test_methods_that_are_not_there(shared: Api) -> None:
    assert shared.call("PUT", "/v3/users")[0] == 405
    assert shared.last.headers["Allow"] == "GET, POST"
    assert shared.call("GET", "/v3/nothing")[0] == 404


@pytest.mark.parametrize("path", [
    "/v3/users?enabled=maybe&name=%00", "/v3/users?name__contains=%ff", "/v3/projects?tags=,", "/v3/roles?limit=x",
    "/v3/role_assignments?effective&include_names=x&scope.system=all", "/v3/users?name__nonsense=1&marker=x"])
def test_odd_queries_are_no_error_of_ours(shared: Api, path: str) -> None:
    assert shared.call("GET", path)[0] in (200, 400)
