# SPDX-License-Identifier: Apache-2.0
"""Interfaces that come to servers and go: ports acquired and released around it, one after the other, and undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import errors
from nova.networks.manager import Networks
from nova.operations.ports import Ports
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.pauses import Pauses
from tests.functional.test_pause import driver_of
from tests.functional.test_power import conflict

PATIENCE = 60.0


@pytest.fixture
def uuid(cloud: Cloud) -> str:
    made = cloud.boot()[0]
    cloud.wait_state(made, "active")
    return made


def second_network(cloud: Cloud) -> str:
    Networks(cloud.api).ensure_network("second", "10.101.0.0/24")
    with cloud.api.read() as conn:
        from nova.db.api import network_queries

        return next(n.uuid for n in network_queries.visible_networks(conn, None) if n.label == "second")


def attach(cloud: Cloud, uuid: str, **wanted: Any) -> dict[str, Any]:
    """The operation when it has ended."""
    row = cloud.operations.attach_interface(cloud.context(), uuid, **wanted)
    return cloud.operations.outcome(cloud.context(), uuid, row["uuid"], PATIENCE)


def detach(cloud: Cloud, uuid: str, port: str) -> dict[str, Any]:
    row = cloud.operations.detach_interface(cloud.context(), uuid, port)
    return cloud.operations.outcome(cloud.context(), uuid, row["uuid"], PATIENCE)


def recorded(cloud: Cloud, uuid: str) -> list[str]:
    """The hardware addresses in the server's record."""
    server = cloud.server(uuid)
    assert server is not None
    return [vif["address"] for vif in server["network_info"]]


def plugged(cloud: Cloud, uuid: str) -> list[str]:
    return [nic["address"] for nic in driver_of(cloud, uuid).guests.get(uuid).nics]


def the_same_everywhere(cloud: Cloud, uuid: str, number: int) -> None:
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert len(recorded(cloud, uuid)) == truth.ports_of(cloud, uuid) == number
    assert recorded(cloud, uuid) == plugged(cloud, uuid)


def test_one_of_another_network_comes_and_goes(cloud: Cloud, uuid: str) -> None:
    network = second_network(cloud)
    done = attach(cloud, uuid, network=network, fixed_ip="10.101.0.77", tag="backup")
    assert (done["state"], done["step_data"]["vif"]["tag"]) == ("done", "backup")
    the_same_everywhere(cloud, uuid, 2)
    server = cloud.server(uuid)
    assert server is not None and "10.101.0.77" in server["addresses"]
    assert [vif["index"] for vif in server["network_info"]] == [0, 1]
    port = done["step_data"]["vif"]["id"]
    assert detach(cloud, uuid, port)["state"] == "done"
    the_same_everywhere(cloud, uuid, 1)
    assert truth.actions(cloud, uuid)[-2:] == [("attach_interface", "done"), ("detach_interface", "done")]
    assert [e["event"] for e in truth.events(cloud, uuid, "attach_interface")] == [
        "conductor_allocate_port", "compute_attach_interface"]
    with pytest.raises(errors.NotFound, match=f"does not have a port with id {port}"):
        cloud.operations.detach_interface(cloud.context(), uuid, port)


def test_a_port_that_a_user_made_outlives_its_stay(cloud: Cloud, uuid: str) -> None:
    ports = Ports(cloud.operations.deps)
    port = ports.create(cloud.context(), second_network(cloud))
    assert attach(cloud, uuid, port=port["uuid"])["state"] == "done"
    the_same_everywhere(cloud, uuid, 2)
    with pytest.raises(errors.Conflict, match="still in use"):
        cloud.operations.attach_interface(cloud.context(), uuid, port=port["uuid"])
    assert detach(cloud, uuid, port["uuid"])["state"] == "done"
    the_same_everywhere(cloud, uuid, 1)
    assert ports.get(cloud.context(), port["uuid"])["addresses"] == port["addresses"]


@pytest.mark.parametrize("wanted, error", [
    ({"network": "00000000-0000-4000-8000-000000000000"}, errors.NotFound),
    ({"port": "00000000-0000-4000-8000-000000000000"}, errors.NotFound)])
def test_what_is_not_there_is_refused_at_once(cloud: Cloud, uuid: str, wanted: dict[str, str],
                                              error: type[Exception]) -> None:
    with pytest.raises(error):
        cloud.operations.attach_interface(cloud.context(), uuid, **wanted)
    the_same_everywhere(cloud, uuid, 1)
    assert truth.actions(cloud, uuid) == [("create", "done")]


def test_several_at_once_come_one_after_the_other(cloud: Cloud, uuid: str) -> None:
    knobs = driver_of(cloud, uuid).knobs
    knobs.hang("attach_interface")
    context = cloud.context()
    try:
        rows = [cloud.operations.attach_interface(context, uuid) for _ in range(3)]
        cloud.wait(lambda: truth.operation(cloud, uuid, "attach_interface") is not None)
        assert len(truth.open_rows(cloud)) == 3
        assert "while its 'attach_interface' is under way" in conflict(lambda: cloud.operations.stop(context, uuid))
        assert "under way" in conflict(lambda: cloud.operations.reboot(context, uuid, "HARD"))
    finally:
        knobs.release("attach_interface")
    for row in rows:
        assert cloud.operations.outcome(context, uuid, row["uuid"], PATIENCE)["state"] == "done"
    the_same_everywhere(cloud, uuid, 4)
    cloud.operations.stop(context, uuid)
    cloud.wait_state(uuid, "stopped")


def test_a_stopped_server_gets_one_too(cloud: Cloud, uuid: str) -> None:
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, "stopped")
    assert attach(cloud, uuid)["state"] == "done"
    the_same_everywhere(cloud, uuid, 2)


def test_a_host_that_fails_leaves_no_port(cloud: Cloud, uuid: str) -> None:
    knobs = driver_of(cloud, uuid).knobs
    knobs.fail("attach_interface", times=1, message="No slot is free.")
    first = cloud.operations.attach_interface(cloud.context(), uuid)
    second = cloud.operations.attach_interface(cloud.context(), uuid)
    failed = cloud.operations.outcome(cloud.context(), uuid, first["uuid"], PATIENCE)
    assert (failed["state"], failed["fault"]["message"]) == ("failed", "No slot is free.")
    assert cloud.operations.outcome(cloud.context(), uuid, second["uuid"], PATIENCE)["state"] == "done"
    the_same_everywhere(cloud, uuid, 2)
    assert cloud.wait_state(uuid, "active")


def test_a_guest_that_does_not_let_go_keeps_its_interface(cloud: Cloud, uuid: str) -> None:
    server = cloud.server(uuid)
    assert server is not None
    driver_of(cloud, uuid).knobs.fail("detach_interface", times=1, message="It does not let go.")
    refused = detach(cloud, uuid, server["network_info"][0]["id"])
    assert (refused["state"], refused["fault"]["message"]) == ("failed", "It does not let go.")
    the_same_everywhere(cloud, uuid, 1)


def test_a_delete_overtakes_all_that_wait(cloud: Cloud, uuid: str) -> None:
    knobs = driver_of(cloud, uuid).knobs
    knobs.hang("attach_interface")
    try:
        for _ in range(2):
            cloud.operations.attach_interface(cloud.context(), uuid)
        cloud.wait(lambda: truth.ports_of(cloud, uuid) == 2)
        cloud.operations.delete(cloud.context(), uuid)
    finally:
        knobs.release("attach_interface")
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


@pytest.mark.parametrize("step", ["attach_interface.allocate", "attach_interface.plug", "detach_interface.unplug",
                                  "detach_interface.forget", "detach_interface.release"])
def test_everything_is_lost_on_the_way(make_cloud: Callable[..., Cloud], pauses: Pauses, step: str) -> None:
    """Whoever runs the step loses the row before its record; another run of the step finds what the first did."""
    cloud = make_cloud(hosts_count=1)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.sender._drop = lambda label: True
    port = attach(cloud, uuid)["step_data"]["vif"]["id"] if step.startswith("detach") else None
    with pauses.at(f"step:{step}:before") as hold:
        row = (cloud.operations.detach_interface(cloud.context(), uuid, port) if port
               else cloud.operations.attach_interface(cloud.context(), uuid))
        hold.reached()
    assert cloud.operations.outcome(cloud.context(), uuid, row["uuid"], PATIENCE)["state"] == "done"
    the_same_everywhere(cloud, uuid, 1 if port else 2)


@pytest.mark.parametrize("going, places", [
    (False, ("step:attach_interface.allocate:before",)),
    (False, ("step:attach_interface.allocate:before", "write:cell1")),
    (False, ("step:attach_interface.allocate:after",)),
    (False, ("step:attach_interface.plug:before",)),
    (False, ("fake.attach_interface",)),
    (True, ("step:detach_interface.unplug:before",)),
    (True, ("fake.detach_interface",)),
    (True, ("step:detach_interface.unplug:after",)),
    (True, ("step:detach_interface.forget:before",)),
    (True, ("step:detach_interface.forget:after",)),
    (True, ("step:detach_interface.release:before",)),
    (True, ("step:detach_interface.release:before", "write:cell1"))],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "")
def test_a_forced_state_takes_away_what_was_coming_or_going(make_cloud: Callable[..., Cloud], pauses: Pauses,
                                                            going: bool, places: tuple[str, ...]) -> None:
    """Before a step, when it has done what it does, and when that is recorded."""
    cloud = make_cloud(hosts_count=1)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    port = attach(cloud, uuid)["step_data"]["vif"]["id"] if going else None
    with pauses.at(*places) as hold:
        if port:
            cloud.operations.detach_interface(cloud.context(), uuid, port)
        else:
            cloud.operations.attach_interface(cloud.context(), uuid)
            cloud.operations.attach_interface(cloud.context(), uuid)  # waits, and has nothing to take away
        hold.reached(seconds=30)
        cloud.operations.reset_state(cloud.context(admin=True), uuid, "active")
    the_same_everywhere(cloud, uuid, 1)
    assert attach(cloud, uuid)["state"] == "done"
    the_same_everywhere(cloud, uuid, 2)


def test_a_forced_state_takes_away_what_comes_to_a_host_that_is_down(cloud: Cloud, uuid: str) -> None:
    server = cloud.server(uuid)
    assert server is not None
    knobs = driver_of(cloud, uuid).knobs
    knobs.hang("attach_interface")
    cloud.operations.attach_interface(cloud.context(), uuid)
    cloud.wait(lambda: truth.ports_of(cloud, uuid) == 2 and len(recorded(cloud, uuid)) == 2)
    cloud.lines[server["host"]].cut = True
    knobs.reset()
    cloud.stop_host(server["host"])
    truth.silence(cloud, server["host"], 60)
    cloud.operations.reset_state(cloud.context(admin=True), uuid, "error")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert len(recorded(cloud, uuid)) == truth.ports_of(cloud, uuid) == 1
