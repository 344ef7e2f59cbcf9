# SPDX-License-Identifier: Apache-2.0
"""Servers boot from a rescue image and back; a host that cannot leaves them as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import errors
from nova.conductor.rescued import rescued
from tests.functional import truth
from tests.functional.cloud import Cloud

OTHER = "0b9c1c4c-65a9-4b2a-9b9c-4f2a3a5f8d11"


def image_of(cloud: Cloud, uuid: str) -> str:
    row = cloud.server(uuid)
    assert row is not None
    found: str = cloud.hosts[row["host"]].manager.driver.guests.get(uuid).rescue_image
    return found


def boots(cloud: Cloud, uuid: str) -> int:
    row = cloud.server(uuid)
    assert row is not None
    return len(cloud.hosts[row["host"]].manager.driver.guests.get(uuid).boots)


def told(cloud: Cloud, uuid: str, action: str) -> str:
    return str(truth.operation(cloud, uuid, action)["fault"]["message"])


def active(cloud: Cloud) -> str:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    return uuid


def test_there_and_back(cloud: Cloud) -> None:
    uuid, context = active(cloud), cloud.context()
    own = cloud.server(uuid)["image_ref"]  # type: ignore[index]
    cloud.operations.rescue(context, uuid)
    cloud.wait_state(uuid, "rescued")
    assert image_of(cloud, uuid) == own and boots(cloud, uuid) == 2
    with pytest.raises(errors.Conflict, match="vm_state rescued"):
        cloud.operations.rescue(context, uuid)
    cloud.operations.unrescue(context, uuid)
    cloud.wait_state(uuid, "active")
    assert image_of(cloud, uuid) == "" and boots(cloud, uuid) == 3
    assert [(a, s) for a, s in truth.actions(cloud, uuid)] == [
        ("create", "done"), ("rescue", "done"), ("unrescue", "done")]


def test_a_stopped_server_is_rescued_from_the_image_that_is_named(cloud: Cloud) -> None:
    uuid, context = active(cloud), cloud.context()
    cloud.operations.stop(context, uuid)
    cloud.wait_state(uuid, "stopped")
    cloud.operations.rescue(context, uuid, OTHER, "secret-of-rescue")
    cloud.wait_state(uuid, "rescued")
    assert image_of(cloud, uuid) == OTHER
    assert "secret-of-rescue" not in str(truth.operation(cloud, uuid, "rescue"))


def test_a_host_that_cannot_leaves_it_as_it_was(cloud: Cloud) -> None:
    uuid = active(cloud)
    knobs = cloud.hosts[cloud.server(uuid)["host"]].manager.driver.knobs  # type: ignore[index]
    knobs.fail("rescue", times=1)
    cloud.operations.rescue(cloud.context(), uuid)
    row = truth.settled(cloud, uuid)
    assert (row["vm_state"], told(cloud, uuid, "rescue")) == ("active", "Told to fail at rescue.")
    assert image_of(cloud, uuid) == ""
    cloud.operations.rescue(cloud.context(), uuid)
    cloud.wait_state(uuid, "rescued")
    knobs.fail("unrescue", times=1)
    cloud.operations.unrescue(cloud.context(), uuid)
    row = truth.settled(cloud, uuid)
    assert (row["vm_state"], told(cloud, uuid, "unrescue")) == ("rescued", "Told to fail at unrescue.")
    cloud.operations.unrescue(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")


def test_a_delete_overtakes_a_rescue(cloud: Cloud) -> None:
    uuid = active(cloud)
    driver = cloud.hosts[cloud.server(uuid)["host"]].manager.driver  # type: ignore[index]
    driver.knobs.hang("rescue")
    cloud.operations.rescue(cloud.context(), uuid)
    cloud.wait(lambda: truth.operation(cloud, uuid, "rescue")["level"] == "host")
    cloud.operations.delete(cloud.context(), uuid)
    driver.knobs.release("rescue")
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_rescued_server_can_be_deleted(cloud: Cloud) -> None:
    uuid = active(cloud)
    cloud.operations.rescue(cloud.context(), uuid)
    cloud.wait_state(uuid, "rescued")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_what_was_rescued_for_long_enough_is_taken_back(cloud: Cloud) -> None:
    uuid, context = active(cloud), cloud.context()
    cloud.operations.rescue(context, uuid)
    cloud.wait_state(uuid, "rescued")
    assert rescued(cloud.cells, cloud.operations.unrescue, keep=3600).look() == []
    due = rescued(cloud.cells, cloud.operations.unrescue, keep=-3600)
    assert [server.uuid for server in due.look()] == [uuid]
    cloud.wait_state(uuid, "active")
    assert image_of(cloud, uuid) == ""
    assert due.look() == []
    assert truth.actions(cloud, uuid) == [("create", "done"), ("rescue", "done"), ("unrescue", "done")]


def test_one_whose_host_is_down_stays_rescued_until_it_is_back(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"lease": 1.5})
    uuid = active(cloud)
    host = cloud.server(uuid)["host"]  # type: ignore[index]
    cell = cloud.cells_of_hosts[host]
    cloud.operations.rescue(cloud.context(), uuid)
    cloud.wait_state(uuid, "rescued")
    cloud.stop_host(host)
    cloud.wait(lambda: cloud.operations.host_is_down(cloud.context(), uuid))
    due = rescued(cloud.cells, cloud.operations.unrescue, keep=-3600)
    assert due.look() == []
    cloud.start_host(host, cell)
    cloud.wait(due.look)
    cloud.wait_state(uuid, "active")
