# SPDX-License-Identifier: Apache-2.0
"""The same Idempotency-Key gives the same answer: a client that lost the connection may simply ask again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nova import errors
from nova.operations import CreateRequest
from tests.functional.cloud import FLAVOR, IMAGE, Cloud, memory_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = memory_cloud(tmp_path, hosts_count=1)
    made.start()
    made.wait_ready()
    yield made
    made.stop()


def request(**values: object) -> CreateRequest:
    return CreateRequest(**{"name": "vm", "flavor": FLAVOR, "image": IMAGE, "idempotency_key": "k1"} | values)  # type: ignore[arg-type]


def test_the_same_key_gives_the_same_server(cloud: Cloud) -> None:
    first = cloud.operations.create(cloud.context(), request(min_count=2, max_count=2))
    cloud.wait_state(first.servers[0]["uuid"], "active")
    again = cloud.operations.create(cloud.context(), request(min_count=2, max_count=2))
    assert [s["uuid"] for s in again.servers] == [s["uuid"] for s in first.servers]
    assert again.reservation_id == first.reservation_id


def test_the_same_key_with_another_request_is_refused(cloud: Cloud) -> None:
    cloud.operations.create(cloud.context(), request())
    with pytest.raises(errors.Unprocessable, match="used with another request"):
        cloud.operations.create(cloud.context(), request(name="other"))


def test_keys_of_projects_are_apart(cloud: Cloud) -> None:
    mine = cloud.operations.create(cloud.context(), request())
    theirs = cloud.operations.create(cloud.context("p2"), request())
    assert mine.servers[0]["uuid"] != theirs.servers[0]["uuid"]
