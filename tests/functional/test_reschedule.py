# SPDX-License-Identifier: Apache-2.0
"""A build that fails on its host goes to the next; when none is left the server says why and holds nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from nova import concurrency, errors
from nova.objects.store import STORE_METHODS
from tests.functional import truth
from tests.functional.cloud import Cloud


def test_the_next_host_builds_it_and_the_former_claim_is_released(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn")
    first = cloud.boot()[0]
    cloud.wait(lambda: any(e["event"] == "conductor_reschedule" for e in truth.events(cloud, first, "create")))
    cloud.wait_state(first, "error")
    cloud.operations.delete(cloud.context(), first)
    cloud.wait_gone(first)
    good = "host2"
    cloud.hosts[good].manager.driver.knobs.reset()
    uuid = cloud.boot()[0]
    row = cloud.wait_state(uuid, "active")
    assert row["host"] == good
    assert truth.guests(cloud) == {uuid: good}
    cloud.wait(lambda: list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, good)])
    assert truth.ports_of(cloud, uuid) == 1 and truth.usage(cloud)["instances"] == 1
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_when_all_fail_nothing_is_held_but_the_charge(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", message="The disk is broken.")
    uuid = cloud.boot()[0]
    row = cloud.wait_state(uuid, "error")
    assert row["host"] is None and row["addresses"] == "" and row["network_info"] == []
    assert row["fault"]["message"].startswith("The disk is broken. (")
    assert row["fault"]["message"].endswith(" hosts tried)")  # which they were is for administrators
    assert row["fault"]["details"].startswith("Hosts tried: host")
    assert {h for h in cloud.hosts if h in row["fault"]["details"]} == set(cloud.hosts)  # max_attempts is 3
    assert truth.claim_of(cloud, uuid) == {} and truth.ports_of(cloud, uuid) == 0 and truth.guests(cloud) == {}
    assert truth.usage(cloud) == {"instances": 1, "cores": 1, "ram": 512}
    assert truth.actions(cloud, uuid) == [("create", "failed")]
    builds = [e for e in truth.events(cloud, uuid, "create") if e["event"] == "compute__do_build_and_run_instance"]
    assert sorted(e["host"] for e in builds) == ["host1", "host2", "host3"]
    assert {(e["result"], e["details"]) for e in builds} == {("Error", "The disk is broken.")}
    assert all("HostFailure" in e["traceback"] for e in builds)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_failure_that_would_repeat_elsewhere_is_not_tried_elsewhere(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", message="This image cannot boot.", retry=False)
    uuid = cloud.boot()[0]
    row = cloud.wait_state(uuid, "error")
    assert row["fault"]["message"] == "This image cannot boot."
    assert len([e for e in truth.events(cloud, uuid, "create") if e["result"] == "Error"
                and e["event"] == "compute__do_build_and_run_instance"]) == 1


def test_a_host_that_filled_up_is_passed_over(make_cloud: Callable[..., Cloud]) -> None:
    """The claim, not the scheduler's view, decides who gets the room."""
    cloud = make_cloud(conf_options={"fake__memory_mb": 1024, "reserved_host_memory_mb": 0,
                                     "ram_allocation_ratio": 1.0, "scheduler__host_state_max_age": 60.0})
    uuids = [u for _ in range(5) for u in cloud.boot()]
    states = [truth.settled(cloud, uuid)["vm_state"] for uuid in uuids]
    assert sorted(states) == ["active"] * 4 + ["error"]
    hosts = list(truth.guests(cloud).values())
    assert (hosts.count("host1"), hosts.count("host2")) == (2, 2)


def test_a_clean_up_that_fails_is_made_up_for_later(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=2)
    for name in ("host1", "host2"):
        knobs = cloud.hosts[name].manager.driver.knobs
        knobs.fail("spawn", times=1)
        knobs.fail("destroy", times=1)
    uuid = cloud.boot()[0]
    assert truth.settled(cloud, uuid)["vm_state"] == "error"
    assert truth.guests(cloud)
    for service in cloud.hosts.values():
        service.manager.check()
    assert truth.guests(cloud)  # one look is not enough
    for service in cloud.hosts.values():
        service.manager.check()
    assert truth.guests(cloud) == {}


@contextlib.contextmanager
def cut_off(cloud: Cloud, store: Any) -> Iterator[None]:
    """The host reaches its conductor no more; what it has said before is written down."""
    noticed = concurrency.Event()

    def silent(*args: Any, **kwargs: Any) -> Any:
        noticed.set()
        raise errors.Unavailable("This host is cut off.")

    for name in STORE_METHODS:
        setattr(store, name, silent)
    try:
        assert noticed.wait(120)  # its heartbeats come one by one: no earlier one is under way any more
        truth.write_heartbeats(cloud)
        yield
    finally:
        for name in STORE_METHODS:
            delattr(store, name)


def test_a_build_does_not_wait_for_a_host_that_is_down(cloud: Cloud) -> None:
    """The host that was given the build, and even began it, comes back and finds that it is not its own any more."""
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    uuid = cloud.boot()[0]
    first = cloud.wait(lambda: truth.guests(cloud).get(uuid))
    lost = cloud.hosts[first].manager
    second = next(name for name in cloud.hosts if name != first)
    cloud.hosts[second].manager.driver.knobs.release("spawn")
    with cut_off(cloud, lost._store):
        truth.silence(cloud, first, 61.0)
        row = cloud.wait_state(uuid, "active")
        assert row["host"] == second
    cloud.wait(lambda: list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, second)])
    lost.driver.knobs.release("spawn")  # its build ends now, under an epoch that is over
    cloud.wait(lambda: truth.guests(cloud) == {uuid: second} and not lost.driver.exists(uuid))
    assert [e["result"] for e in truth.events(cloud, uuid, "create")
            if e["event"] == "compute__do_build_and_run_instance"] == ["Success"]
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_build_waits_for_its_host_when_there_is_no_other(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=1)
    manager = cloud.hosts["host1"].manager
    manager.driver.knobs.hang("spawn")
    uuid = cloud.boot()[0]
    cloud.wait(lambda: truth.guests(cloud).get(uuid))
    with cut_off(cloud, manager._store):
        truth.silence(cloud, "host1", 61.0)
        epoch = cloud.server(uuid)["epoch"]  # type: ignore[index]
        for _ in range(3):
            cloud.orchestrator.janitor.scan()
        assert cloud.server(uuid)["epoch"] == epoch  # type: ignore[index]
    manager.driver.knobs.release("spawn")
    assert cloud.wait_state(uuid, "active")["host"] == "host1"
