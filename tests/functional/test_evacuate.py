# SPDX-License-Identifier: Apache-2.0
"""Servers of a host that is down are built anew elsewhere; the host that comes back finds nothing of them its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nova import errors
from nova.db.cell.tables import services
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.pauses import Pauses


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    return make_cloud(hosts_count=3)


def force_down(cloud: Cloud, host: str, down: bool = True) -> None:
    cell = next(c for c in cloud.cells.all() if c.name == cloud.cells_of_hosts[host])
    with cell.database.write() as conn:
        uuid = next(row["uuid"] for row in services.list(conn, host=host) if row["binary"] == "nova-compute")
        services.update(conn, uuid, forced_down=down)


def lost(cloud: Cloud, **values: Any) -> tuple[str, str]:
    """A server, and its host, which is dead: nobody told its guest to stop."""
    uuid = cloud.boot(**values)[0]
    host = str(cloud.wait_state(uuid, "active")["host"])
    cloud.stop_host(host)
    force_down(cloud, host)
    return uuid, host


@contextlib.contextmanager
def held(cloud: Cloud, uuid: str, pauses: Pauses, step: str) -> Iterator[str]:
    """Its evacuation stands before a step; the host that the server's record names then."""
    with pauses.at(f"step:evacuate.{step}:before") as hold:
        cloud.operations.evacuate(cloud.context(admin=True), uuid)
        hold.reached()
        yield str(cloud.server(uuid)["host"])  # type: ignore[index]


def come_back(cloud: Cloud, host: str) -> None:
    force_down(cloud, host, False)
    cloud.start_host(host, cloud.cells_of_hosts[host])
    cloud.wait(lambda: cloud.hosts[host].manager.ready, what=f"{host} is back")


def ended(cloud: Cloud, uuid: str) -> dict[str, Any]:
    cloud.wait(lambda: truth.operation(cloud, uuid, "evacuate")["state"] in ("done", "failed"), what="it has ended")
    return truth.operation(cloud, uuid, "evacuate")


def living(cloud: Cloud) -> dict[str, str]:
    """Guests of hosts that run."""
    return {uuid: name for name, service in cloud.hosts.items() if service in cloud.services
            for uuid in service.manager.driver.list()}


def holders(cloud: Cloud, uuid: str) -> list[str]:
    return [provider for provider in truth.claim_of(cloud, uuid)]


def test_a_server_of_a_dead_host_lives_elsewhere_and_the_host_comes_back_without_it(cloud: Cloud) -> None:
    uuid, dead = lost(cloud)
    before = cloud.server(uuid)
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    row = cloud.wait_state(uuid, "active")
    assert row["host"] != dead and row["power_state"] == 1
    assert row["addresses"] == before["addresses"]  # type: ignore[index]
    assert living(cloud) == {uuid: row["host"]}
    assert holders(cloud, uuid) == [truth.provider_of(cloud, row["host"])]
    operation = ended(cloud, uuid)
    assert truth.claim_of(cloud, operation["uuid"]) == {}
    data = operation["step_data"]
    assert (data["status"], data["source_compute"], data["dest_compute"]) == ("done", dead, row["host"])
    come_back(cloud, dead)
    assert truth.guests(cloud) == {uuid: row["host"]}
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_stopped_server_stays_stopped_and_others_do_when_asked(cloud: Cloud) -> None:
    context = cloud.context(admin=True)
    first, second = cloud.boot(count=2)
    for uuid in (first, second):
        cloud.wait_state(uuid, "active")
    cloud.operations.stop(context, first)
    cloud.wait_state(first, "stopped")
    for uuid, stopped in ((first, False), (second, True)):
        host = str(cloud.server(uuid)["host"])  # type: ignore[index]
        if cloud.hosts[host] in cloud.services:
            cloud.stop_host(host)
        force_down(cloud, host)
        cloud.operations.evacuate(context, uuid, stopped=stopped)
        row = cloud.wait_state(uuid, "stopped")
        assert row["host"] != host and row["power_state"] == 4


def test_what_is_refused(cloud: Cloud) -> None:
    context = cloud.context(admin=True)
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    other = next(name for name in cloud.hosts if name != host)
    with pytest.raises(errors.Invalid, match=f"Compute service of {host} is still in use."):
        cloud.operations.evacuate(context, uuid)
    cloud.stop_host(host)
    force_down(cloud, host)
    for target, why in ((host, "same one"), ("nowhere", "could not be found")):
        with pytest.raises(errors.Invalid, match=why):
            cloud.operations.evacuate(context, uuid, target)
    force_down(cloud, other)
    with pytest.raises(errors.Invalid, match=f"{other} is down"):
        cloud.operations.evacuate(context, uuid, other)
    third = next(name for name in cloud.hosts if name not in (host, other))
    cloud.operations.evacuate(context, uuid, third)
    assert cloud.wait_state(uuid, "active")["host"] == third


def test_a_host_that_fails_is_passed_over(cloud: Cloud) -> None:
    uuid, dead = lost(cloud)
    rest = [name for name in cloud.hosts if name != dead]
    for name in rest:
        cloud.hosts[name].manager.driver.knobs.fail("spawn", times=1)
    failing = rest[0]
    cloud.hosts[rest[1]].manager.driver.knobs.reset()
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    row = cloud.wait_state(uuid, "active")
    assert row["host"] == rest[1]
    assert living(cloud) == {uuid: rest[1]} and holders(cloud, uuid) == [truth.provider_of(cloud, rest[1])]
    assert ended(cloud, uuid)["step_data"].get("failed_hosts", [failing]) == [failing]


@pytest.mark.parametrize("named", [False, True])
def test_with_no_host_left_it_is_as_it_was(cloud: Cloud, named: bool) -> None:
    uuid, dead = lost(cloud)
    rest = [name for name in cloud.hosts if name != dead]
    for name in rest:
        cloud.hosts[name].manager.driver.knobs.fail("spawn", message="No disk is left.")
    cloud.operations.evacuate(cloud.context(admin=True), uuid, rest[0] if named else None)
    operation = ended(cloud, uuid)
    assert operation["state"] == "failed" and operation["fault"]["message"].startswith("No disk is left.")
    row = cloud.server(uuid)
    assert row is not None and (row["host"], row["vm_state"], row["task_state"]) == (dead, "error", None)
    assert holders(cloud, uuid) == [truth.provider_of(cloud, dead)]
    assert truth.claim_of(cloud, operation["uuid"]) == {} and living(cloud) == {}
    assert operation["step_data"]["status"] == "error"
    for name in rest:
        cloud.hosts[name].manager.driver.knobs.reset()
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    cloud.wait_state(uuid, "active")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    come_back(cloud, dead)
    truth.nothing_left(cloud)


def test_a_host_that_is_back_in_time_keeps_its_server(cloud: Cloud, pauses: Pauses) -> None:
    uuid, dead = lost(cloud)
    with held(cloud, uuid, pauses, "move"):
        come_back(cloud, dead)
    operation = ended(cloud, uuid)
    assert operation["state"] == "failed" and "is back" in operation["fault"]["message"]
    assert cloud.wait_state(uuid, "active")["host"] == dead
    assert truth.guests(cloud) == {uuid: dead} and holders(cloud, uuid) == [truth.provider_of(cloud, dead)]


def test_a_host_that_is_back_too_late_removes_the_guest_first(cloud: Cloud, pauses: Pauses) -> None:
    uuid, dead = lost(cloud)
    with held(cloud, uuid, pauses, "rebuild"):
        come_back(cloud, dead)
        assert living(cloud) == {}
    row = cloud.wait_state(uuid, "active")
    assert row["host"] != dead and truth.guests(cloud) == {uuid: row["host"]}


def test_a_host_that_is_not_known_yet_checks_nothing(cloud: Cloud, pauses: Pauses) -> None:
    """What a check had in hand then would be passed over by what the host does first."""
    uuid, dead = lost(cloud)
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    cloud.wait_state(uuid, "active")
    force_down(cloud, dead, False)
    with pauses.at("send:conductor.service_register") as registers:
        manager = cloud.start_host(dead, cloud.cells_of_hosts[dead]).manager
        registers.reached()
        for _ in range(2):
            manager.check()
        assert uuid in manager.driver.list()
    cloud.wait(lambda: manager.ready, what="the host is back")
    assert uuid not in manager.driver.list()


def test_a_host_that_was_said_to_be_down_and_hears_lets_go_at_once(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = str(cloud.wait_state(uuid, "active")["host"])
    force_down(cloud, host)
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    row = cloud.wait_state(uuid, "active")
    assert row["host"] != host
    cloud.wait(lambda: truth.guests(cloud) == {uuid: row["host"]}, what="the former host has let go")


@pytest.mark.parametrize("step", ["claim", "move", "rebuild", "settle"])
def test_a_delete_at_any_moment_leaves_nothing(cloud: Cloud, step: str, pauses: Pauses) -> None:
    uuid, dead = lost(cloud)
    with held(cloud, uuid, pauses, step):
        cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    come_back(cloud, dead)
    cloud.wait(lambda: not truth.guests(cloud), what="no guest is left")
    truth.nothing_left(cloud)


def test_the_new_host_may_die_too(make_cloud: Callable[..., Cloud], pauses: Pauses) -> None:
    cloud = make_cloud(hosts_count=3)
    uuid, dead = lost(cloud)
    with held(cloud, uuid, pauses, "rebuild") as second:
        cloud.lines[second].cut = True
        truth.silence(cloud, second, 100.0)
        force_down(cloud, second)
        cloud.wait(lambda: (cloud.server(uuid) or {})["host"] not in (dead, second), what="a third host has it")
    row = cloud.wait_state(uuid, "active")
    assert row["host"] not in (dead, second)
    assert ended(cloud, uuid)["step_data"]["failed_hosts"] == [second]
    assert holders(cloud, uuid) == [truth.provider_of(cloud, row["host"])]


def test_an_evacuation_that_ends_another_and_finds_no_host_leaves_no_server_without_a_guest(
        make_cloud: Callable[..., Cloud], pauses: Pauses) -> None:
    """The first had moved the record, but made no guest yet: the server is not where it says, and says so."""
    cloud = make_cloud(hosts_count=2)
    uuid, dead = lost(cloud)
    with held(cloud, uuid, pauses, "fence") as second:
        force_down(cloud, second)
        cloud.operations.evacuate(cloud.context(admin=True), uuid)
    assert cloud.wait_state(uuid, "error")["host"] == second != dead
    assert [state for action, state in truth.actions(cloud, uuid) if action == "evacuate"] == ["superseded", "failed"]
    come_back(cloud, dead)
    cloud.wait(lambda: not truth.guests(cloud), what="no guest is left")
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    assert cloud.wait_state(uuid, "active")["host"] == dead
    assert truth.guests(cloud) == {uuid: dead}
