# SPDX-License-Identifier: Apache-2.0
"""``/readyz`` of a server that runs, while its database server and its broker go away and come back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from nova import concurrency
from nova.db.engine import Database
from nova.rpc.bus import OsloBus
from nova.rpc.envelope import NullSigner, Sender
from nova.web.health import Health
from nova.web.server import Server
from nova.web.urlmap import URLMap
from tests.contract.bus.conftest import make_conf
from tests.services.postgresql import PostgreSQL
from tests.services.rabbitmq import RabbitMQ


@pytest.fixture(params=[PostgreSQL, RabbitMQ], ids=["database", "bus"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server of its own, which the test may stop."""
    made = request.param()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def place(backend: Any) -> Iterator[tuple[str, Any]]:
    """What uses it: an engine or a bus, under the name of its check."""
    made: Any
    if isinstance(backend, PostgreSQL):
        made = Database(backend.create_database("ready"), name="api")
        yield "database", made
        made.dispose()
    else:
        made = OsloBus(make_conf(), backend.url(), name=f"api-{uuid.uuid4().hex[:6]}", signer=NullSigner(),
                       sender=Sender("api", "c1"))
        yield "bus", made
        made.close()


def until(url: str, status: int) -> dict[str, Any]:
    end = concurrency.monotonic() + 120
    while (answer := httpx.get(f"{url}/readyz", timeout=60)).status_code != status:
        assert concurrency.monotonic() < end, answer.text
        concurrency.sleep(0.2)
    found: dict[str, Any] = answer.json()
    return found


def test_what_is_away_is_named_until_it_is_back(backend: Any, place: tuple[str, Any]) -> None:
    name, user = place
    server = Server(URLMap({}, Health({name: user.check, "other": lambda: None})), "127.0.0.1:0", 2)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        assert until(url, 200) == {"status": "ok", "checks": {name: "ok", "other": "ok"}}
        backend.stop()
        told = until(url, 503)
        assert told["status"] == "unavailable" and told["checks"]["other"] == "ok"
        assert told["checks"][name] not in ("ok", "")
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        backend.start()
        assert until(url, 200)["checks"][name] == "ok"
    finally:
        server.stop()
