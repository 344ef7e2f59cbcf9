# SPDX-License-Identifier: Apache-2.0
"""A served Placement API over an empty SQLite database, with tokens that stand for a few well-known users."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nova import errors
from nova.api.placement.app import make_app
from nova.context import RequestContext
from nova.db import api as api_db
from nova.db.engine import Database
from nova.policy import Policy
from nova.policy import placement as rules
from nova.web.server import Server
from nova.web.urlmap import URLMap
from tests.functional.cloud import make_tables

USERS = {
    "root": RequestContext(user_id="u-root", project_id="p-root", roles=("admin",), is_admin=True),
    "service": RequestContext(user_id="u-nova", project_id="p-service", roles=("service",)),
    "alice": RequestContext(user_id="u-alice", project_id="p-alice", roles=("member", "reader")),
}
P1, P2, P3 = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in "123")
C1, C2 = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in "cd")
A1, A2 = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in "ab")
OWNER = {"project_id": "p-alice", "user_id": "u-alice"}
LATEST = "1.24"


def authenticate(environ: dict[str, Any]) -> RequestContext:
    who = USERS.get(environ.get("HTTP_X_AUTH_TOKEN", ""))
    if who is None:
        raise errors.Unauthorized()
    return dataclasses.replace(who)


class Client:
    """Requests as one user at one microversion."""

    def __init__(self, http: httpx.Client, version: str | None) -> None:
        self._http = http
        self._headers = {"OpenStack-API-Version": f"placement {version}"} if version else {}

    def __call__(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        answer = self.raw(method, path, body)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def raw(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._http.request(method, path, json=body, headers=self._headers)


Connect = Callable[..., Client]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'api.sqlite'}", synchronous="OFF")
    make_tables(db, api_db)
    yield db
    db.dispose()


@pytest.fixture
def connect(database: Database) -> Iterator[Connect]:
    """``connect("root", "1.20")`` gives a client."""
    front = make_app(database, authenticator=authenticate, policy=Policy(rules=rules.RULES))
    server = Server(URLMap({"/placement": front}), "127.0.0.1:0", threads=4)
    server.start()
    clients: list[httpx.Client] = []

    @functools.cache
    def http(user: str) -> httpx.Client:
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{server.port}/placement", timeout=120,
                                    headers={"X-Auth-Token": user} if user else {}))
        return clients[-1]

    yield lambda user="root", version=LATEST: Client(http(user), version)
    for client in clients:
        client.close()
    server.stop()


@pytest.fixture
def api(connect: Connect) -> Client:
    """An administrator at the newest version."""
    return connect()


def make_provider(api: Client, uuid: str = P1, name: str | None = None, **inventories: dict[str, Any]) -> int:
    """A provider with these inventories; returns its generation."""
    made: dict[str, Any] = api("POST", "/resource_providers", {"name": name or f"host-{uuid[0]}", "uuid": uuid})
    generation: int = made["generation"]
    if inventories:
        set_to = api("PUT", f"/resource_providers/{uuid}/inventories",
                     {"resource_provider_generation": generation, "inventories": inventories})
        generation = set_to["resource_provider_generation"]
    return generation


def allocate(api: Client, consumer: str, resources: dict[str, int], provider: str = P1, expect: int = 204) -> Any:
    return api("PUT", f"/allocations/{consumer}",
               {"allocations": {provider: {"resources": resources}}, **OWNER}, expect=expect)
