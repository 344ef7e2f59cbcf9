# SPDX-License-Identifier: Apache-2.0
"""A served Image API over an empty SQLite database, with tokens that stand for a few well-known users."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from oslo_config import cfg

from nova import errors
from nova.api.image.front import make_front
from nova.conf import image as image_conf
from nova.context import RequestContext
from nova.db.api import metadata
from nova.db.engine import Database
from nova.images.manager import Images
from nova.policy import Policy
from nova.policy import image as image_rules
from nova.web.server import Server
from nova.web.urlmap import URLMap

USERS = {
    "alice": RequestContext(user_id="u-alice", project_id="p-alice", roles=("member",)),
    "bob": RequestContext(user_id="u-bob", project_id="p-bob", roles=("member",)),
    "reader": RequestContext(user_id="u-reader", project_id="p-alice", roles=("reader",)),
    "root": RequestContext(user_id="u-root", project_id="p-root", roles=("admin",), is_admin=True),
}


def authenticate(environ: dict[str, Any]) -> RequestContext:
    who = USERS.get(environ.get("HTTP_X_AUTH_TOKEN", ""))
    if who is None:
        raise errors.Unauthorized()
    return dataclasses.replace(who)


def identity(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Just enough of an identity service for clients to find the front: a user's name is his token."""
    base = f"http://{environ['HTTP_HOST']}"
    version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{base}/identity/v3/"}]}
    headers = [("Content-Type", "application/json")]
    status = "200 OK"
    document: dict[str, Any] = {"version": version}
    if environ["PATH_INFO"] == "/v3/auth/tokens":
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        name = body["auth"]["identity"]["password"]["user"]["name"]
        endpoint = {"id": "e", "interface": "public", "region": "r", "region_id": "r", "url": f"{base}/image"}
        status, document = "201 Created", {"token": {
            "methods": ["password"], "expires_at": "2100-01-01T00:00:00.000000Z",
            "issued_at": "2020-01-01T00:00:00.000000Z",
            "user": {"id": f"u-{name}", "name": name, "domain": {"id": "default", "name": "Default"}},
            "project": {"id": f"p-{name}", "name": name, "domain": {"id": "default", "name": "Default"}}, "roles": [],
            "catalog": [{"id": "s", "type": "image", "name": "image", "endpoints": [endpoint]}]}}
        headers.append(("X-Subject-Token", name))
    start_response(status, headers)
    return [json.dumps(document).encode()]


@dataclasses.dataclass
class Cloud:
    """The service and how to talk to it."""

    url: str
    images: Images
    database: Database
    root: Path
    as_user: Callable[[str], httpx.Client]

    def files(self) -> list[str]:
        """Names of all files in the store; what an upload leaves."""
        return sorted(p.name for p in self.root.rglob("*") if p.is_file() and p.name != ".clock")


def configuration(directory: Path, **values: Any) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    image_conf.register(conf)
    conf([])
    values = {"filesystem_store_datadir": str(directory / "images"), "signing_keys_dir": str(directory / "keys"),
              "free_space_reserve": 0, "image_size_cap": 32 << 20, **values}
    for name, value in values.items():
        conf.set_override(name, value, "image")
    return conf


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    database = Database(f"sqlite:///{tmp_path / 'api.sqlite'}", synchronous="OFF")
    metadata.create_all(database.engine, tables=[t for n, t in metadata.tables.items() if n.startswith("image")])
    conf = configuration(tmp_path)
    images = Images.from_conf(conf, database)
    front = make_front(conf, images, authenticator=authenticate, policy=Policy(rules=image_rules.RULES))
    server = Server(URLMap({"/image": front, "/identity": identity}), "127.0.0.1:0", threads=4)
    server.start()
    url = f"http://127.0.0.1:{server.port}/image"
    clients: list[httpx.Client] = []

    def as_user(name: str) -> httpx.Client:
        headers = {"X-Auth-Token": name} if name else {}
        clients.append(httpx.Client(base_url=url, headers=headers, timeout=120))
        return clients[-1]

    yield Cloud(url, images, database, tmp_path / "images", as_user)
    for client in clients:
        client.close()
    server.stop()
    database.dispose()


@pytest.fixture
def alice(cloud: Cloud) -> httpx.Client:
    return cloud.as_user("alice")


@pytest.fixture
def bob(cloud: Cloud) -> httpx.Client:
    return cloud.as_user("bob")


@pytest.fixture
def root(cloud: Cloud) -> httpx.Client:
    return cloud.as_user("root")


DATA = bytes(range(256)) * 8192
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()
OCTETS = {"Content-Type": "application/octet-stream"}


def make(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """A queued raw image."""
    body = {"name": "tiny", "disk_format": "raw", "container_format": "bare", **values}
    answer = client.post("/v2/images", json=body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def upload(client: httpx.Client, image_id: str, data: bytes = DATA) -> httpx.Response:
    return client.put(f"/v2/images/{image_id}/file", content=data, headers=OCTETS)


def make_active(client: httpx.Client, **values: Any) -> str:
    image_id: str = make(client, **values)["id"]
    assert upload(client, image_id).status_code == 204
    return image_id
