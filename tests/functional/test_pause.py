# SPDX-License-Identifier: Apache-2.0
"""Pause and suspend: there and back, what refuses them, hosts that fail or die on the way, and guests that do it by
themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import errors
from nova.virt.interfaces import Pause
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.test_power import boots, conflict

#: There, back, the state between them, and what the hypervisor says of it.
KINDS = [("pause", "unpause", "paused", 3), ("suspend", "resume", "suspended", 7)]
pytestmark = pytest.mark.parametrize("there, back, state, power", KINDS)


def driver_of(cloud: Cloud, uuid: str) -> Any:
    server = cloud.server(uuid)
    assert server is not None
    return cloud.hosts[server["host"]].manager.driver


def do(cloud: Cloud, action: str, uuid: str) -> None:
    getattr(cloud.operations, action)(cloud.context(), uuid)


@pytest.fixture
def uuid(cloud: Cloud) -> str:
    made = cloud.boot()[0]
    cloud.wait_state(made, "active")
    return made


def test_there_and_back(cloud: Cloud, uuid: str, there: str, back: str, state: str, power: int) -> None:
    do(cloud, there, uuid)
    assert cloud.wait_state(uuid, state)["power_state"] == power
    for refused in (there, "stop", "start"):
        assert conflict(lambda refused=refused: do(cloud, refused, uuid)) == \
            f"Cannot '{refused}' instance {uuid} while it is in vm_state {state}"
    do(cloud, back, uuid)
    assert cloud.wait_state(uuid, "active")["power_state"] == 1
    assert conflict(lambda: do(cloud, back, uuid)).endswith("while it is in vm_state active")
    assert boots(cloud, uuid) == 1
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid) == [("create", "done"), (there, "done"), (back, "done")]
    assert truth.events(cloud, uuid, there)[0]["event"] == f"compute_{there}_instance"


def test_a_hard_reboot_leads_out_of_it(cloud: Cloud, uuid: str, there: str, back: str, state: str, power: int) -> None:
    do(cloud, there, uuid)
    cloud.wait_state(uuid, state)
    cloud.operations.reboot(cloud.context(), uuid, "HARD")
    assert cloud.wait_state(uuid, "active")["power_state"] == 1
    assert boots(cloud, uuid) == 2


def test_a_host_that_fails_leaves_what_is_true(cloud: Cloud, uuid: str, there: str, back: str, state: str,
                                               power: int) -> None:
    knobs = driver_of(cloud, uuid).knobs
    knobs.fail(there, times=1, message="It does not stand still.")
    do(cloud, there, uuid)
    assert truth.settled(cloud, uuid)["vm_state"] == "active"
    assert truth.operation(cloud, uuid, there)["fault"]["message"] == "It does not stand still."
    do(cloud, there, uuid)
    cloud.wait_state(uuid, state)
    knobs.fail(back, times=1)
    do(cloud, back, uuid)
    assert truth.settled(cloud, uuid)["vm_state"] == state
    do(cloud, back, uuid)
    cloud.wait_state(uuid, "active")


def test_a_host_without_the_ability_is_known_before(cloud: Cloud, there: str, back: str, state: str, power: int,
                                                    uuid: str) -> None:
    driver_of(cloud, uuid).knobs.lack("Pause", "Suspend")
    server = cloud.server(uuid)
    assert server is not None
    cloud.hosts[server["host"]].manager.check()
    lacks = Pause.__name__ if there == "pause" else "Suspend"
    with pytest.raises((errors.NotSupported, errors.Conflict), match=f"its host offers no {lacks}") as caught:
        do(cloud, there, uuid)
    assert caught.value.http == (501 if there == "pause" else 409)
    assert truth.settled(cloud, uuid)["vm_state"] == "active"


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_host_that_dies_over_it_goes_on_when_it_is_back(cloud: Cloud, uuid: str, there: str, back: str, state: str,
                                                          power: int, way: str) -> None:
    """Its successor finds the guest as the dead one left it: the step had been done, or not."""
    if way == "back":
        do(cloud, there, uuid)
        cloud.wait_state(uuid, state)
    server = cloud.server(uuid)
    assert server is not None
    host, cell = server["host"], cloud.cells_of_hosts[server["host"]]
    action, ends = (there, state) if way == "there" else (back, "active")
    cloud.lines[host].cut = True  # it does what it is told and cannot say so
    do(cloud, action, uuid)
    meant = power if way == "there" else 1
    cloud.wait(lambda: int(driver_of(cloud, uuid).info(uuid).power_state) == meant)
    cloud.stop_host(host)
    cloud.start_host(host, cell)
    cloud.wait_state(uuid, ends)
    assert boots(cloud, uuid) == 1
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid)[-1] == (action, "done")


def test_a_delete_overtakes_it(cloud: Cloud, uuid: str, there: str, back: str, state: str, power: int) -> None:
    knobs = driver_of(cloud, uuid).knobs
    knobs.hang(there)
    try:
        do(cloud, there, uuid)
        cloud.operations.delete(cloud.context(), uuid)
    finally:
        knobs.release(there)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_server_in_that_state_is_deleted(make_cloud: Callable[..., Cloud], there: str, back: str, state: str,
                                           power: int) -> None:
    cloud = make_cloud(hosts_count=1)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    do(cloud, there, uuid)
    cloud.wait_state(uuid, state)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_the_record_follows_a_guest_that_does_it_by_itself(cloud: Cloud, uuid: str, there: str, back: str, state: str,
                                                           power: int) -> None:
    driver = driver_of(cloud, uuid)
    truth.out_of_hand(cloud, uuid)
    getattr(driver, there)(uuid)
    assert cloud.wait_state(uuid, state)["power_state"] == power
    truth.out_of_hand(cloud, uuid)
    getattr(driver, back)(uuid)
    assert cloud.wait_state(uuid, "active")["power_state"] == 1
    do(cloud, there, uuid)
    cloud.wait_state(uuid, state)
    truth.out_of_hand(cloud, uuid)
    driver.guest_stops(uuid)
    assert cloud.wait_state(uuid, "stopped")["power_state"] == 4
