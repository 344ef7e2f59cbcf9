# SPDX-License-Identifier: Apache-2.0
"""nova-api is killed between the commit of a request with an Idempotency-Key and its answer: the key still has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from nova.db.api import idempotency as keys
from nova.db.schema import db_now
from tests.crash import cases
from tests.crash.cluster import PATIENT, Cluster

KEY = "Idempotency-Key"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster("postgresql", PATIENT).start()
    yield made
    made.stop()


def again(cluster: Cluster, post: Any) -> requests.Response:
    """Killed while it is asked, started again, and asked the same."""
    api = cluster.daemons["api"]
    with pytest.raises(requests.ConnectionError):
        post()
    assert api.wait_dead() == -9, api.tail()
    api.start()
    api.wait_ready()
    answer: requests.Response = post()
    return answer


def test_a_create(cluster: Cluster) -> None:
    cluster.traps.arm("key:committed:api", "kill self")
    answer = again(cluster, lambda: cluster.user.ask(**{KEY: "one"}))
    assert answer.status_code == 202 and answer.headers["Idempotent-Replayed"] == "true", answer.text
    uuid = answer.json()["server"]["id"]
    assert cluster.truth.newest() == uuid
    cluster.settle(uuid, cases.ACTIVE, "the create that was answered late")
    assert cluster.user.ask(**{KEY: "one"}).json() == answer.json()
    cluster.check("after the create")


def test_an_action(cluster: Cluster) -> None:
    """Its key is in the API database, what it did in its cell's: the mark there tells when the dead one's time is over.
    """
    uuid = cluster.user.create()
    cluster.settle(uuid, cases.ACTIVE, "a server")
    cluster.traps.arm("key:committed:cell1", "kill self")

    def lock() -> requests.Response:
        return cluster.user.post(f"/servers/{uuid}/action", {"lock": None}, **{KEY: "two"})

    answer = again(cluster, lock)
    assert answer.status_code == 409 and int(answer.headers["Retry-After"]) >= 1, answer.text
    with cluster.truth.api.write() as conn:  # the time passes after which the first is believed dead
        conn.execute(keys.idempotency_keys.update().values(lease_until=db_now() - 1))
    answer = lock()
    assert answer.status_code == 202 and answer.headers["Idempotent-Replayed"] == "true", answer.text
    cluster.check("after the lock")
