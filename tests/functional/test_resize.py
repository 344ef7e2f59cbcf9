# SPDX-License-Identifier: Apache-2.0
"""Resize and cold migration over fake hosts: what is claimed, charged and kept meanwhile, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency, errors
from nova.conductor.audit import Auditor
from nova.db.cell.tables import operations as cell_operations
from nova.store.moves import Moves, Wanted
from tests.functional import truth
from tests.functional.cloud import FLAVOR, IMAGE, Cloud

BIG = FLAVOR | {"flavorid": "2", "name": "m1.small", "vcpus": 2, "memory_mb": 1024, "root_gb": 2}
SMALL, LARGE = {"instances": 1, "cores": 1, "ram": 512}, {"instances": 1, "cores": 2, "ram": 1024}


def running(cloud: Cloud) -> tuple[str, str, str]:
    """A server, its host, the other one."""
    uuid = cloud.boot()[0]
    here = cloud.wait_state(uuid, "active")["host"]
    return uuid, here, next(name for name in cloud.hosts if name != here)


def driver(cloud: Cloud, host: str) -> Any:
    return cloud.hosts[host].manager.driver


def status(cloud: Cloud, uuid: str) -> list[str]:
    return [move.status for move in Moves(cloud.cells).all(Wanted(instance_uuid=uuid))]


def holder(cloud: Cloud, uuid: str) -> dict[str, dict[str, int]]:
    """Host → what is claimed there, by the server or its operations."""
    found = dict(truth.claim_of(cloud, uuid))
    for row in cloud.servers.operations(cloud.context(admin=True), uuid):
        for provider, amounts in truth.claim_of(cloud, row["uuid"]).items():
            found["old " + provider] = amounts
    names = {truth.provider_of(cloud, host): host for host in cloud.hosts}
    return {" ".join(names.get(word, word) for word in key.split()): amounts for key, amounts in found.items()}


def quiet(cloud: Cloud) -> None:
    """Nothing is under way, and the auditor has nothing to say."""
    cloud.wait(lambda: not truth.open_rows(cloud), what="every operation has ended")
    assert Auditor(cloud.api, cloud.cells).scan() == []


def resized(cloud: Cloud, stopped: bool = False) -> tuple[str, str, str]:
    uuid, here, there = running(cloud)
    if stopped:
        cloud.operations.stop(cloud.context(), uuid)
        cloud.wait_state(uuid, "stopped")
    cloud.operations.resize(cloud.context(), uuid, BIG)
    cloud.wait_state(uuid, "resized")
    return uuid, here, there


def test_resize_and_confirm(cloud: Cloud) -> None:
    uuid, here, there = running(cloud)
    boots = driver(cloud, here).guests.get(uuid).boots
    addresses = cloud.server(uuid)["addresses"]
    cloud.operations.resize(cloud.context(), uuid, BIG)
    assert cloud.server(uuid)["task_state"] in ("resize_prep", "resize_migrating", "resize_migrated",
                                                "resize_finish", None)
    row = cloud.wait_state(uuid, "resized")
    assert (row["host"], row["vcpus"], row["flavorid"], row["addresses"]) == (there, 2, "2", addresses)
    assert truth.guests(cloud) == {uuid: there} and driver(cloud, here).list_aside() == [uuid]
    moved = driver(cloud, there).guests.get(uuid)
    assert moved.vcpus == 2 and moved.boots[:1] == boots and len(moved.boots) == 2
    assert holder(cloud, uuid) == {there: {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 2},
                                   f"old {here}": {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}
    assert truth.usage(cloud) == LARGE and status(cloud, uuid) == ["finished"]
    quiet(cloud)
    cloud.operations.confirm_resize(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "active")
    assert (row["host"], row["vcpus"]) == (there, 2) and "resized_from" not in row["system_metadata"]
    assert driver(cloud, here).list_aside() == [] and truth.guests(cloud) == {uuid: there}
    assert list(holder(cloud, uuid)) == [there] and truth.usage(cloud) == LARGE
    assert status(cloud, uuid) == ["confirmed"]
    quiet(cloud)
    assert truth.actions(cloud, uuid) == [("create", "done"), ("resize", "done"), ("confirmResize", "done")]
    assert [e["event"] for e in truth.events(cloud, uuid, "resize")] == [
        "conductor_migrate_server", "compute_prep_resize", "compute_resize_instance", "compute_finish_resize"]
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


@pytest.mark.parametrize("stopped", [False, True])
def test_revert(cloud: Cloud, stopped: bool) -> None:
    uuid, here, there = resized(cloud, stopped)
    was = "stopped" if stopped else "active"
    assert driver(cloud, there).info(uuid).power_state == (4 if stopped else 1)
    cloud.operations.revert_resize(cloud.context(), uuid)
    assert cloud.server(uuid)["task_state"] in ("resize_reverting", None)
    row = cloud.wait_state(uuid, was)
    assert (row["host"], row["vcpus"], row["flavorid"], row["power_state"]) == (here, 1, "1", 4 if stopped else 1)
    assert truth.guests(cloud) == {uuid: here} and driver(cloud, here).list_aside() == []
    assert holder(cloud, uuid) == {here: {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}
    assert truth.usage(cloud) == SMALL and status(cloud, uuid) == ["reverted"]
    quiet(cloud)


def test_a_migration_leaves_the_host_and_goes_where_it_is_told(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    uuid, here, _ = running(cloud)
    target = sorted(name for name in cloud.hosts if name != here)[1]
    cloud.operations.migrate(cloud.context(), uuid, target)
    row = cloud.wait_state(uuid, "resized")
    assert (row["host"], row["flavorid"]) == (target, "1") and truth.usage(cloud) == SMALL
    cloud.operations.confirm_resize(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")
    cloud.operations.migrate(cloud.context(), uuid)
    assert cloud.wait_state(uuid, "resized")["host"] != target
    quiet(cloud)


def test_a_smaller_flavor_is_charged_less_once_it_is_confirmed(cloud: Cloud) -> None:
    uuid = cloud.boot(flavor=BIG)[0]
    cloud.wait_state(uuid, "active")
    tight = BIG | {"flavorid": "3", "vcpus": 1, "memory_mb": 256}
    cloud.operations.resize(cloud.context(), uuid, tight)
    cloud.wait_state(uuid, "resized")
    assert truth.usage(cloud) == LARGE
    cloud.operations.confirm_resize(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")
    assert truth.usage(cloud) == {"instances": 1, "cores": 1, "ram": 256}
    quiet(cloud)


@pytest.mark.parametrize("same", [False, True])
def test_the_own_host_is_taken_where_that_is_allowed(make_cloud: Callable[..., Cloud], same: bool) -> None:
    cloud = make_cloud(hosts_count=1, conf_options={"allow_resize_to_same_host": same})
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.operations.resize(cloud.context(), uuid, BIG)
    if not same:
        row = cloud.wait_state(uuid, "active")
        assert row["flavorid"] == "1" and status(cloud, uuid) == ["error"]
        assert truth.events(cloud, uuid, "resize")[0]["result"] == "Error"
    else:
        cloud.wait_state(uuid, "resized")
        assert driver(cloud, "host1").list_aside() == [uuid]
        cloud.operations.revert_resize(cloud.context(), uuid)
        cloud.wait_state(uuid, "active")
        assert driver(cloud, "host1").list_aside() == []
    assert holder(cloud, uuid) == {"host1": {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}
    assert truth.usage(cloud) == SMALL
    quiet(cloud)


@pytest.mark.parametrize("place, step", [("there", "expect"), ("here", "set_aside"), ("there", "bring_in")])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_step_that_fails_leaves_the_server_as_it_was(cloud: Cloud, place: str, step: str, stopped: bool) -> None:
    uuid, here, there = running(cloud)
    if stopped:
        cloud.operations.stop(cloud.context(), uuid)
        cloud.wait_state(uuid, "stopped")
    driver(cloud, here if place == "here" else there).knobs.fail(step, message="The disk is broken.")
    cloud.operations.resize(cloud.context(), uuid, BIG)
    cloud.wait(lambda: status(cloud, uuid) == ["error"])
    row = cloud.wait_state(uuid, "stopped" if stopped else "active")
    assert (row["host"], row["flavorid"], row["vcpus"], row["memory_mb"]) == (here, "1", 1, 512)
    assert "resized_from" not in row["system_metadata"]
    assert driver(cloud, here).info(uuid).power_state == (4 if stopped else 1)
    assert truth.guests(cloud) == {uuid: here} and driver(cloud, here).list_aside() == []
    assert holder(cloud, uuid) == {here: {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}
    assert truth.usage(cloud) == SMALL
    assert "The disk is broken." in [e["details"] for e in truth.events(cloud, uuid, "resize")]
    quiet(cloud)


def test_a_host_that_refuses_is_passed_over(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    uuid, here, _ = running(cloud)
    others = [name for name in cloud.hosts if name != here]
    driver(cloud, others[0]).knobs.fail("expect")
    cloud.operations.resize(cloud.context(), uuid, BIG)
    row = cloud.wait_state(uuid, "resized")
    assert row["host"] == others[1] and set(holder(cloud, uuid)) == {others[1], f"old {here}"}
    quiet(cloud)


def test_what_may_not_be_asked(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, conf_options={"quota__cores": 3})
    uuid = cloud.boot(image=IMAGE | {"min_ram": 512})[0]
    here = cloud.wait_state(uuid, "active")["host"]
    context = cloud.context()
    other = next(name for name in cloud.hosts if name != here)

    def refused(error: type[errors.NovaError], words: str, work: Callable[[], Any]) -> None:
        with pytest.raises(error, match=words):
            work()
        assert truth.usage(cloud) == SMALL and not truth.open_rows(cloud)

    refused(errors.Invalid, "must change flavor", lambda: cloud.operations.resize(context, uuid, FLAVOR))
    for disk, words in ((0, "zero disk"), (-1, "resize disk down")):
        start = BIG | {"root_gb": disk}
        refused(errors.Invalid, words, lambda start=start: cloud.operations.resize(context, uuid, start))  # type: ignore[misc]
    poor = BIG | {"memory_mb": 511}
    refused(errors.Invalid, "memory is too small", lambda: cloud.operations.resize(context, uuid, poor))
    refused(errors.OverQuota, "cores", lambda: cloud.operations.resize(context, uuid, BIG | {"vcpus": 4}))
    refused(errors.Invalid, "same one", lambda: cloud.operations.migrate(context, uuid, here))
    refused(errors.Invalid, "another cell", lambda: cloud.operations.migrate(context, uuid, other))
    refused(errors.Invalid, "could not be found", lambda: cloud.operations.migrate(context, uuid, "nowhere"))
    refused(errors.Conflict, "vm_state active", lambda: cloud.operations.confirm_resize(context, uuid))
    refused(errors.Conflict, "vm_state active", lambda: cloud.operations.revert_resize(context, uuid))
    cloud.operations.lock(cloud.context(admin=True), uuid)
    refused(errors.Conflict, "locked", lambda: cloud.operations.resize(context, uuid, BIG))


def test_a_resized_server_is_deleted_on_both_hosts(cloud: Cloud) -> None:
    uuid, here, _ = resized(cloud)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    cloud.wait(lambda: driver(cloud, here).list_aside() == [])
    truth.nothing_left(cloud)


@pytest.mark.parametrize("place, step", [("there", "expect"), ("here", "set_aside"), ("there", "bring_in")])
def test_a_delete_overtakes_every_step(cloud: Cloud, place: str, step: str) -> None:
    uuid, here, there = running(cloud)
    knobs = driver(cloud, here if place == "here" else there).knobs
    knobs.hang(step)
    try:
        cloud.operations.resize(cloud.context(), uuid, BIG)
        cloud.wait(lambda: any(r["step"] == {"expect": "prep", "set_aside": "leave", "bring_in": "arrive"}[step]
                               for r in truth.open_rows(cloud)))
        concurrency.sleep(0.2)
        cloud.operations.delete(cloud.context(), uuid)
    finally:
        knobs.release(step)
    cloud.wait_gone(uuid)

    def clean() -> bool:
        for service in cloud.hosts.values():
            service.manager.check()
        return not truth.guests(cloud) and not any(driver(cloud, h).list_aside() for h in cloud.hosts)

    cloud.wait(clean, what="neither guest nor disks are left")
    truth.nothing_left(cloud)


@pytest.mark.parametrize("action", ["confirm", "revert"])
def test_a_delete_overtakes_what_ends_a_resize(cloud: Cloud, action: str) -> None:
    uuid, here, _ = resized(cloud)
    step = "drop_aside" if action == "confirm" else "take_back"
    driver(cloud, here).knobs.hang(step)
    try:
        getattr(cloud.operations, f"{action}_resize")(cloud.context(), uuid)
        cloud.wait(lambda: any(r["step"] in ("drop", "restore") for r in truth.open_rows(cloud)))
        concurrency.sleep(0.2)
        cloud.operations.delete(cloud.context(), uuid)
    finally:
        driver(cloud, here).knobs.release(step)
    cloud.wait_gone(uuid)
    cloud.wait(lambda: not truth.guests(cloud) and not driver(cloud, here).list_aside())
    truth.nothing_left(cloud)


def test_a_confirm_does_not_wait_for_the_former_host(cloud: Cloud) -> None:
    uuid, here, there = resized(cloud)
    cell = cloud.cells_of_hosts[here]
    cloud.stop_host(here)
    truth.silence(cloud, here, 60)
    cloud.operations.confirm_resize(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")
    assert list(holder(cloud, uuid)) == [there]
    cloud.start_host(here, cell)
    cloud.wait(lambda: driver(cloud, here).list_aside() == [])
    quiet(cloud)


@pytest.mark.parametrize("step", ["set_aside", "bring_in"])
def test_a_host_that_comes_back_goes_on(cloud: Cloud, step: str) -> None:
    uuid, here, there = running(cloud)
    victim = here if step == "set_aside" else there
    driver(cloud, victim).knobs.hang(step)
    cloud.operations.resize(cloud.context(), uuid, BIG)
    name = {"set_aside": "leave", "bring_in": "arrive"}[step]
    cloud.wait(lambda: any(r["step"] == name for r in truth.open_rows(cloud)))
    concurrency.sleep(0.2)
    cloud.lines[victim].cut = True  # it says nothing any more, as if it were dead
    old = cloud.hosts[victim]
    driver(cloud, victim).knobs.release(step)
    cloud.stop_service(old)
    cloud.start_host(victim, cloud.cells_of_hosts[victim])
    row = cloud.wait_state(uuid, "resized")
    assert row["host"] == there and truth.guests(cloud) == {uuid: there}
    assert driver(cloud, here).list_aside() == [uuid]
    quiet(cloud)


def test_what_nobody_confirms_is_confirmed(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"resize_confirm_window": 1})
    uuid, here, there = running(cloud)
    cloud.operations.resize(cloud.context(), uuid, BIG)
    cloud.wait(lambda: status(cloud, uuid) == ["confirmed"])
    row = cloud.wait_state(uuid, "active")
    assert (row["host"], row["flavorid"]) == (there, "2") and driver(cloud, here).list_aside() == []
    quiet(cloud)
    assert truth.actions(cloud, uuid)[-1] == ("confirmResize", "done")


def lost(cloud: Cloud, host: str, step: str) -> Any:
    """The host hangs at a step, and then it is not there any more; what it was."""
    driver(cloud, host).knobs.hang(step)
    service = cloud.hosts[host]
    name = {"expect": "prep", "set_aside": "leave", "bring_in": "arrive"}[step]

    def gone() -> None:
        cloud.wait(lambda: any(r["step"] == name and r["owner"] for r in truth.open_rows(cloud)))
        concurrency.sleep(0.3)
        cloud.lines[host].cut = True
        truth.write_heartbeats(cloud)
        truth.silence(cloud, host, 100)

    return service, gone


def back(cloud: Cloud, host: str, service: Any, step: str) -> None:
    service.manager.driver.knobs.release(step)
    cloud.stop_service(service)
    cloud.start_host(host, cloud.cells_of_hosts[host])
    cloud.wait(lambda: cloud.hosts[host].manager.ready)


def test_a_host_that_never_brings_it_in_loses_it(cloud: Cloud) -> None:
    uuid, here, there = running(cloud)
    service, gone = lost(cloud, there, "bring_in")
    cloud.operations.resize(cloud.context(), uuid, BIG)
    gone()
    row = cloud.wait_state(uuid, "active")
    assert (row["host"], row["flavorid"]) == (here, "1") and status(cloud, uuid) == ["error"]
    assert holder(cloud, uuid) == {here: {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}
    back(cloud, there, service, "bring_in")
    cloud.wait(lambda: truth.guests(cloud) == {uuid: here})
    assert driver(cloud, here).list_aside() == [] and truth.usage(cloud) == SMALL
    quiet(cloud)


def test_a_chosen_host_that_is_silent_is_passed_over(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=3)
    uuid, here, _ = running(cloud)
    silent, good = [name for name in cloud.hosts if name != here]
    service, gone = lost(cloud, silent, "expect")
    driver(cloud, good).knobs.fail("expect", times=1)
    cloud.operations.migrate(cloud.context(), uuid, silent)
    gone()
    cloud.wait(lambda: status(cloud, uuid) == ["error"])  # it was asked for by name: nobody else will do
    assert cloud.wait_state(uuid, "active")["host"] == here
    back(cloud, silent, service, "expect")
    quiet(cloud)


def test_a_host_that_never_lets_it_go_has_it_still(cloud: Cloud) -> None:
    uuid, here, _ = running(cloud)
    service, gone = lost(cloud, here, "set_aside")
    cloud.operations.resize(cloud.context(), uuid, BIG)
    gone()
    o = cell_operations.operations
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            conn.execute(o.update().where(o.c.action == "resize").values(deadline=1.0))
    cloud.wait(lambda: status(cloud, uuid) == ["error"])
    row = cloud.server(uuid)
    assert row is not None and (row["host"], row["flavorid"], row["task_state"]) == (here, "1", None)
    assert truth.usage(cloud) == SMALL
    back(cloud, here, service, "set_aside")
    assert driver(cloud, here).list_aside() in ([uuid], [])
    cloud.operations.reboot(cloud.context(), uuid, "HARD")
    cloud.wait_state(uuid, "active")
    assert truth.guests(cloud) == {uuid: here} and driver(cloud, here).list_aside() == []
    quiet(cloud)
