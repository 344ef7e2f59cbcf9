# SPDX-License-Identifier: Apache-2.0
"""Requests with an Idempotency-Key, and processes that end in the middle of one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from nova.concurrency import threads
from nova.context import RequestContext
from nova.db.api import idempotency as keys
from nova.db.schema import db_now
from nova.networks import floating_ips
from tests.api.compute.conftest import IMAGE, PROJECTS, Answer, Api

SERVER = {"server": {"name": "vm", "flavorRef": "1", "imageRef": IMAGE}}


class Dies(BaseException):
    """The process ends here: no handler runs."""


def post(api: Api, path: str, body: Any, key: str = "k1", **options: Any) -> Answer:
    return api("POST", path, body, HTTP_IDEMPOTENCY_KEY=key, **options)


def count(api: Api, table: sa.Table, *, cell: bool = False) -> int:
    with (api.cell if cell else api.database).read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def let_holds_end(api: Api) -> None:
    """The time passes after which requests that have not come to an end are believed to have died."""
    with api.database.write() as conn:
        conn.execute(keys.idempotency_keys.update().values(lease_until=db_now() - 1))


def state(api: Api) -> str:
    with api.database.read() as conn:
        return str(conn.execute(sa.select(keys.T.state)).scalar_one())


POSTS = pytest.mark.parametrize(("path", "body", "who"), [
    ("/flavors", {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}, "admin"),
    ("/flavors/1/os-extra_specs", {"extra_specs": {"a": "b"}}, "admin"),
    ("/flavors/1/action", {"addTenantAccess": {"tenant": PROJECTS["demo"]}}, "admin"),
    ("/os-keypairs", {"keypair": {"name": "k"}}, "demo"),
    ("/os-aggregates", {"aggregate": {"name": "a"}}, "admin"),
    ("/os-server-groups", {"server_group": {"name": "g", "policies": ["affinity"]}}, "demo"),
    ("/servers", SERVER, "demo"),
    ("/servers/{uuid}/metadata", {"metadata": {"a": "b"}}, "demo"),
    ("/servers/{uuid}/action", {"os-stop": None}, "demo"),
    ("/servers/{uuid}/action", {"lock": None}, "demo"),
    ("/servers/{uuid}/action", {"reboot": {"type": "SOFT"}}, "demo"),
    ("/os-security-groups", {"security_group": {"name": "g", "description": ""}}, "demo"),
    ("/os-security-group-rules", {"security_group_rule": {
        "parent_group_id": "{group}", "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "::/0"}}, "demo"),
    ("/os-floating-ips", {"pool": "public"}, "demo"),
    ("/images/{image}/metadata", {"metadata": {"a": "b"}}, "demo"),
])


def prepared(api: Api, path: str, body: Any) -> tuple[str, Any]:
    """With ids of a server, a group and an image that are there; and a pool of addresses is."""
    with api.database.write() as conn:
        floating_ips.add_range(conn, floating_ips.create_pool(conn, "public"), "192.0.2.0/29")
    group = api("POST", "/os-security-groups", {"security_group": {"name": "there", "description": ""}}).body
    owner = RequestContext(user_id="u-demo", project_id=PROJECTS["demo"], roles=("member",))
    names = {"{uuid}": api.server(), "{group}": group["security_group"]["id"],
             "{image}": api.deps.images.create(owner, {"name": "image"}).id}
    text = orjson.dumps([path, body]).decode()
    for name, value in names.items():
        text = text.replace(name, value)
    path, body = orjson.loads(text)
    return path, body


@contextlib.contextmanager
def meeting(*labels: str, act: Callable[[], None]) -> Iterator[None]:
    """Do something where the request at hand passes checkpoints whose labels begin so, one after the other."""
    me, passed = threading.get_ident(), 0

    def meet(label: str) -> None:
        nonlocal passed
        if threading.get_ident() == me and label.startswith(labels[passed]):
            passed += 1
            if passed == len(labels):
                threads.observer = None
                act()

    threads.observer = meet
    try:
        yield
        assert passed == len(labels), f"the request has not come to {labels[passed]}"
    finally:
        threads.observer = None


@contextlib.contextmanager
def dying_at(*labels: str) -> Iterator[None]:
    """The process ends there."""
    def die() -> None:
        raise Dies

    with meeting(*labels, act=die), pytest.raises(Dies):
        yield


def crash_after_the_commit(api: Api, path: str, body: Any, **options: Any) -> None:
    with dying_at("key:committed:"):
        post(api, path, body, **options)
    let_holds_end(api)
