# SPDX-License-Identifier: Apache-2.0
"""Hosts that fail: noticed, fenced, evacuated, never before; what a host does that is cut off; builds that take too
long and guests of nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency, states
from nova.cmd.wiring import control
from nova.conductor.availability import Availability
from nova.conductor.fencing import Fencing
from nova.conductor.stale import StaleBuilds
from nova.db.api import host_drains, host_fences
from nova.db.cell.tables import services
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud

WANTS = FLAVOR | {"extra_specs": {"ha:policy": "evacuate"}}
HA = {"ha__enabled": True, "service_down_time": 2.0, "ha__fence_retry": 0.2}


class Outlet(Fencing):
    """Switches hosts off when it is told to work."""

    def __init__(self) -> None:
        self.works, self.asked = False, 0

    def fence(self, host: str) -> str | None:
        self.asked += 1
        return f"Outlet of {host} is off." if self.works else None


def fence_of(cloud: Cloud, host: str) -> dict[str, Any] | None:
    with cloud.api.read() as conn:
        return host_fences.find(conn).get(host)


def state_of(cloud: Cloud, host: str) -> str | None:
    fence = fence_of(cloud, host)
    return None if fence is None else str(fence["state"])


def service_of(cloud: Cloud, host: str) -> dict[str, Any]:
    cell = next(c for c in cloud.cells.all() if c.name == cloud.cells_of_hosts[host])
    with cell.database.read() as conn:
        return services.list(conn, host=host, binary="nova-compute")[0]


def two_servers(cloud: Cloud) -> tuple[str, str, str]:
    """(one that wants to be evacuated, one on the same host that does not, their host)."""
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    stays = next(u for u in (cloud.boot()[0] for _ in range(20)) if cloud.wait_state(u, "active")["host"] == host)
    return wants, stays, host


def lost(cloud: Cloud, host: str) -> None:
    """The machine is gone, with all that it runs."""
    cloud.lines[host].cut = True
    cloud.hosts[host].server.stop()
    truth.write_heartbeats(cloud)


@pytest.fixture
def watched(make_cloud: Callable[..., Cloud]) -> Cloud:
    return make_cloud(hosts_count=3, conf_options=HA)


def test_nothing_is_evacuated_before_somebody_confirms(watched: Cloud) -> None:
    wants, _, host = two_servers(watched)
    lost(watched, host)
    watched.wait(lambda: state_of(watched, host) == "wanted", what="the host is held to have failed")
    watched.wait(lambda: (fence_of(watched, host) or {})["message"], what="what it waits for is told")
    concurrency.sleep(1.0)
    fence, service = fence_of(watched, host), service_of(watched, host)
    assert fence is not None and "fence HOST --confirmed" in fence["message"]
    assert not service["forced_down"]
    with watched.api.read() as conn:
        assert host_drains.find(conn) == []
    assert watched.server(wants)["host"] == host  # type: ignore[index]


def test_a_confirmed_host_is_down_and_evacuated_and_only_who_wants_it_leaves(watched: Cloud) -> None:
    wants, stays, host = two_servers(watched)
    lost(watched, host)
    watched.wait(lambda: state_of(watched, host) == "wanted")
    fence = fence_of(watched, host)
    assert fence is not None
    with watched.api.write() as conn:
        host_fences.confirm(conn, host, fence["cell_uuid"], fence["incarnation"], "Seen by the night shift.")
    row = watched.wait(lambda: (r := watched.server(wants)) and r["host"] != host and r["task_state"] is None and r,
                       what="it runs elsewhere")
    assert row["vm_state"] == "active"
    assert watched.server(stays)["host"] == host  # type: ignore[index]
    assert service_of(watched, host)["forced_down"]
    watched.wait(lambda: state_of(watched, host) == "over")
    with watched.api.read() as conn:
        [drain] = host_drains.find(conn)
    assert (drain["kind"], drain["state"], drain["message"]) == ("evacuation", "done", "1 servers left.")
    watched.lines[host].cut = False
    watched.stop_host(host)
    watched.start_host(host, watched.cells_of_hosts[host])
    fresh = watched.hosts[host].manager.driver
    watched.wait(lambda: fresh.list() == [stays], what="a host that returns removes what moved away")


def test_a_host_that_comes_back_in_time_keeps_its_servers(watched: Cloud) -> None:
    wants, _, host = two_servers(watched)
    truth.write_heartbeats(watched)
    watched.lines[host].cut = True
    watched.wait(lambda: state_of(watched, host) == "wanted")
    watched.lines[host].cut = False
    watched.wait(lambda: state_of(watched, host) is None, what="it needs no fence any more")
    assert watched.server(wants)["host"] == host  # type: ignore[index]


def test_it_is_off_unless_it_is_switched_on(watched: Cloud, make_cloud: Callable[..., Cloud]) -> None:
    def watches(cloud: Cloud) -> list[Any]:
        return [keeper for keeper in cloud.orchestrator.keepers if isinstance(keeper, Availability)]

    assert len(watches(watched)) == 1
    assert watches(make_cloud(conf_options=HA | {"ha__enabled": False})) == []


@dataclasses.dataclass
class Watch:
    """An availability watch of the test's own, with an outlet."""

    cloud: Cloud
    outlet: Outlet
    watch: Availability

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.watch.look()
            concurrency.sleep(0.2)


@pytest.fixture
def own(make_cloud: Callable[..., Cloud]) -> Watch:
    cloud = make_cloud(hosts_count=6)
    outlet = Outlet()
    watch = Availability(cloud.api, cloud.cells, outlet, lease=0.5, down_after=50.0, retry=0.0)
    return Watch(cloud, outlet, watch)


def test_a_plug_in_that_has_fenced_is_not_asked_again(own: Watch) -> None:
    cloud = own.cloud
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    lost(cloud, host)
    truth.silence(cloud, host, 60)

    def refused() -> bool:
        own.turns(1)
        return state_of(cloud, host) == "wanted" and own.outlet.asked >= 2

    cloud.wait(refused, what="the outlet is asked, and asked again")
    own.outlet.works = True
    own.turns(2)
    asked = own.outlet.asked
    assert state_of(cloud, host) == "evacuating" and service_of(cloud, host)["forced_down"]
    own.turns(3)
    assert own.outlet.asked == asked


def test_a_host_without_servers_that_want_it_is_left_alone(own: Watch) -> None:
    cloud = own.cloud
    mine = cloud.wait_state(cloud.boot(flavor=WANTS)[0], "active")["host"]
    homes = (cloud.wait_state(cloud.boot()[0], "active")["host"] for _ in range(20))
    other = next(host for host in homes if host != mine)
    for host in (mine, other):
        lost(cloud, host)
        truth.silence(cloud, host, 60)

    def found() -> bool:
        own.turns(1)
        return state_of(cloud, mine) == "wanted"

    cloud.wait(found, what="the host with a server that wants it is found")
    own.turns(2)
    assert fence_of(cloud, other) is None


@pytest.mark.parametrize("seconds", [60, 10_000])
def test_when_many_fall_silent_at_once_nobody_is_fenced_however_long_it_lasts(own: Watch, seconds: float) -> None:
    cloud = own.cloud
    homes = {cloud.wait_state(uuid, "active")["host"] for uuid in cloud.boot(count=9, flavor=WANTS)}
    silent = ("host1", "host2", "host3")
    assert homes & set(silent)
    for host in silent:
        lost(cloud, host)
    for host in silent:
        truth.silence(cloud, host, seconds)
    own.turns(8)
    with cloud.api.read() as conn:
        assert host_fences.find(conn) == {}


def test_hosts_that_fell_silent_long_ago_do_not_keep_others_from_being_found(own: Watch) -> None:
    cloud = own.cloud
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    gone = [name for name in cloud.hosts if name != host][:3]
    for name in (host, *gone):
        lost(cloud, name)
    for name in gone:
        truth.silence(cloud, name, 10_000)
    truth.silence(cloud, host, 60)

    def found() -> bool:
        own.turns(1)
        return state_of(cloud, host) == "wanted"

    cloud.wait(found, what="the host is found")


def test_nobody_is_fenced_while_the_cell_has_no_conductor_that_could_hear(own: Watch) -> None:
    """Not even a host that is alone in falling silent: it may speak, and nobody writes it down."""
    cloud = own.cloud
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    lost(cloud, host)
    cloud.conductors["cell1"].presence.stop()
    truth.silence(cloud, host, 60)
    own.turns(8)
    assert fence_of(cloud, host) is None


def test_servers_that_find_no_host_now_leave_when_there_is_one(own: Watch) -> None:
    cloud = own.cloud
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    others = [service_of(cloud, name)["uuid"] for name in cloud.hosts if name != host]
    [cell] = cloud.cells.with_hosts()

    def disable(disabled: bool) -> None:
        with cell.database.write() as conn:
            for uuid in others:
                services.update(conn, uuid, disabled=disabled)

    def ended() -> list[str]:
        own.turns(1)
        with cloud.api.read() as conn:
            return [d["state"] for d in host_drains.find(conn, host=host) if d["state"] != "open"]

    disable(True)
    lost(cloud, host)
    truth.silence(cloud, host, 60)
    own.outlet.works = True
    cloud.wait(ended, what="there was no host for it")
    disable(False)
    cloud.wait(lambda: "done" in ended(), what="it is asked again, and leaves")
    assert truth.settled(cloud, wants)["host"] != host


def test_a_host_that_was_held_to_be_off_by_mistake_is_fenced_when_it_fails(own: Watch) -> None:
    cloud = own.cloud
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    [cell] = cloud.cells.with_hosts()
    with cloud.api.write() as conn:
        host_fences.confirm(conn, host, cell.uuid, service_of(cloud, host)["incarnation"], "A mistake.")

    patient = Availability(cloud.api, cloud.cells, own.outlet, lease=600.0, down_after=6000.0)

    def forgotten() -> bool:
        patient.look()
        return fence_of(cloud, host) is None

    cloud.wait(forgotten, what="it speaks, so it needs no fence")
    own.outlet.works = True
    lost(cloud, host)
    truth.silence(cloud, host, 60)

    def left() -> bool:
        own.turns(1)
        return truth.settled(cloud, wants)["host"] != host

    cloud.wait(left, what="it was fenced, and its server is elsewhere")


def test_a_host_that_signed_off_has_not_failed(own: Watch) -> None:
    cloud = own.cloud
    wants = cloud.boot(flavor=WANTS)[0]
    host = cloud.wait_state(wants, "active")["host"]
    cell = next(c for c in cloud.cells.all() if c.name == "cell1")
    lost(cloud, host)
    with cell.database.write() as conn:
        services.retire(conn, service_of(cloud, host)["incarnation"])
    own.turns(8)
    assert fence_of(cloud, host) is None


@pytest.mark.parametrize("restarted", [False, True], ids=["heard again", "restarted meanwhile"])
def test_a_host_that_is_cut_off_stops_what_others_would_start(make_cloud: Callable[..., Cloud],
                                                              restarted: bool) -> None:
    cloud = make_cloud(hosts_count=2, conf_options={"ha__fence_after": 1.0})
    wants, stays, host = two_servers(cloud)
    driver = cloud.hosts[host].manager.driver
    cloud.lines[host].cut = True
    cloud.wait(lambda: driver.info(wants).power_state == states.SHUTDOWN, what="it is stopped")
    assert driver.info(stays).power_state == states.RUNNING
    if restarted:
        cloud.stop_host(host)
        driver = cloud.start_host(host, cloud.cells_of_hosts[host]).manager.driver
    cloud.lines[host].cut = False
    cloud.wait(lambda: driver.info(wants).power_state == states.RUNNING, what="it runs again")
    assert truth.settled(cloud, wants)["vm_state"] == "active"


def test_a_build_that_takes_too_long_is_given_up(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    uuid = cloud.boot()[0]
    stale = StaleBuilds(cloud.api, cloud.cells, timeout=0.5)
    cloud.wait(stale.look, what="it is too old")
    row = cloud.wait_state(uuid, "error")
    assert "the limit of 0.5 s for building a server" in row["fault"]["message"]
    for service in cloud.hosts.values():
        service.manager.driver.knobs.release("spawn")
    cloud.wait(lambda: truth.guests(cloud) == {}, what="the overtaken guest is removed")
    assert stale.look() == []


@pytest.mark.parametrize("action, left, runs", [("reap", False, False), ("shutdown", True, False),
                                                ("log", True, True), ("noop", True, True)])
def test_guests_of_nobody_are_treated_as_the_operator_says(make_cloud: Callable[..., Cloud], action: str, left: bool,
                                                          runs: bool) -> None:
    cloud = make_cloud(hosts_count=1, conf_options={"running_deleted_instance_action": action})
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    manager = cloud.hosts["host1"].manager
    stranger = "0e0e0e0e-0000-4000-8000-000000000001"
    manager.driver.guests.save(dataclasses.replace(manager.driver.guests.get(uuid), uuid=stranger))
    manager.check()
    manager.check()
    assert manager.driver.exists(stranger) == left
    assert not left or (manager.driver.info(stranger).power_state == states.RUNNING) == runs


def test_the_watch_is_built_from_the_configuration(cloud: Cloud) -> None:
    watch = control.availability(cloud.plane("test"))
    watch.look()
    assert fence_of(cloud, "host1") is None
