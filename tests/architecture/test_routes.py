# SPDX-License-Identifier: Apache-2.0
"""Walks every route of every front: its rule exists, and a stranger gets no further than 401."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from oslo_config import cfg

from nova import conf
from nova.clients.nudges import Sender
from nova.cmd.wiring import fronts
from nova.cmd.wiring.control import ControlPlane
from nova.db import migrate
from nova.db.engine import Database
from nova.identity.authentication import Name, PasswordProof, ScopeWish
from nova.identity.bootstrap import bootstrap
from nova.web.front import Front
from nova.web.routing import ANYONE, Route
from nova.web.urlmap import URLMap


class NoBus:
    """Fronts refuse strangers before they would use it."""

    name = "none"

    def check(self, timeout: float = 2.0) -> None:
        return None


class NoCells:
    def all(self) -> list[Any]:
        return []

    with_hosts = all


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[URLMap, fronts.Libraries]]:
    path = tmp_path_factory.mktemp("routes")
    file = path / "nova.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {path}\n[image]\npublic_endpoint = http://127.0.0.1:1/image\n")
    loaded = conf.load("nova-test", [], [file], conf=cfg.ConfigOpts())
    api = Database(f"sqlite:///{path}/api.sqlite", synchronous="NORMAL")
    migrate.upgrade(api, "api")
    plane: Any = ControlPlane(loaded, api, NoCells(), NoBus())  # type: ignore[arg-type]
    libraries = fronts.Libraries.of(plane)
    yield fronts.application_of(libraries, Sender()), libraries
    api.dispose()


def _fronts(app: Any, prefix: str = "") -> Iterator[tuple[str, Front]]:
    if isinstance(app, Front):
        yield prefix, app
    elif isinstance(app, URLMap):
        for mount, inner in app._mounts:
            yield from _fronts(inner, prefix + mount)


def walk(app: Any) -> Iterator[tuple[str, Front, Route]]:
    for prefix, front in _fronts(app):
        for route in front.routes:
            yield prefix, front, route


def test_every_rule_of_a_route_exists(application: tuple[URLMap, fronts.Libraries]) -> None:
    app, libraries = application
    unknown = {(front.name, route.method, route.template, route.rule) for _, front, route in walk(app)
               if route.rule not in (None, ANYONE) and route.rule not in libraries.policy.defaults}
    assert unknown == set()


def test_every_front_is_walked(application: tuple[URLMap, fronts.Libraries]) -> None:
    assert {front.name for _, front, _ in walk(application[0])} == {
        "compute", "identity", "image", "network", "placement"}
    assert len(list(walk(application[0]))) > 200


def ask(app: Any, method: str, path: str, **more: str) -> int:
    status: list[int] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
               "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
               "wsgi.url_scheme": "http", "wsgi.input": _Empty(), "CONTENT_LENGTH": "0", **more}
    for _ in app(environ, lambda line, headers, exc_info=None: status.append(int(line.split()[0]))):
        pass
    return status[0]


class _Empty:
    def read(self, size: int = -1) -> bytes:
        return b""


def test_quotas_are_of_projects_that_are_there(application: tuple[URLMap, fronts.Libraries]) -> None:
    """The Compute API asks the auth manager of the same process."""
    app, libraries = application
    made = bootstrap(libraries.plane.api, "s3cret-admin", "s3cret-demo", hash_cost=4)
    token, _ = libraries.identity.authentication.authenticate(
        [PasswordProof(Name(id=made.users["admin"]), "s3cret-admin")],
        ScopeWish("project", Name(id=made.projects["admin"])))
    path = "/compute/v2.1/os-quota-sets/"
    assert ask(app, "GET", path + made.projects["demo"], HTTP_X_AUTH_TOKEN=token) == 200
    assert ask(app, "GET", path + "nobody", HTTP_X_AUTH_TOKEN=token) == 400


def test_a_stranger_is_refused_everywhere(application: tuple[URLMap, fronts.Libraries]) -> None:
    app, _ = application
    let_in = []
    for prefix, _front, route in walk(app):
        if route.rule is None:
            continue
        path = prefix + re.sub(r"\{[^}]+\}", "00000000-0000-4000-8000-000000000000", route.path)
        status = ask(app, route.method, path)
        if status != 401:
            let_in.append((route.method, path, status))
    assert let_in == []
