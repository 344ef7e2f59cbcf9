# SPDX-License-Identifier: Apache-2.0
"""What is done inside guests: passwords, which nobody but the host reads, crash dumps and counters."""

from __future__ import annotations

from typing import Any

import pytest

from nova import errors
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.test_pause import driver_of

SECRET = "correct horse battery staple"


def guest_of(cloud: Cloud, uuid: str) -> Any:
    return driver_of(cloud, uuid).guests.get(uuid)


def everything_stored(cloud: Cloud) -> bytes:
    """All databases of the cloud, as they lie on the disk."""
    return b"".join(path.read_bytes() for path in cloud.path.rglob("*.sqlite*"))


@pytest.fixture
def uuid(cloud: Cloud) -> str:
    made = cloud.boot()[0]
    cloud.wait_state(made, "active")
    return made


def test_a_password_reaches_the_guest_and_stays_nowhere_else(cloud: Cloud, uuid: str) -> None:
    cloud.operations.change_password(cloud.context(), uuid, SECRET)
    cloud.wait(lambda: guest_of(cloud, uuid).passwords == {"root": SECRET})
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid)[-1] == ("changePassword", "done")
    assert truth.operation(cloud, uuid, "changePassword")["secrets"] is None
    assert SECRET.encode() not in everything_stored(cloud)


def test_the_row_of_a_password_opens_for_the_host_that_is_told_nothing(cloud: Cloud, uuid: str) -> None:
    """Every message is lost: the host finds the row itself, and takes it."""
    cloud.sender._drop = lambda label: True
    hung = driver_of(cloud, uuid).knobs
    hung.hang("set_password")
    try:
        cloud.operations.change_password(cloud.context(), uuid, SECRET)
        sealed = truth.operation(cloud, uuid, "changePassword")["secrets"]
        assert sealed and SECRET not in sealed
        assert SECRET.encode() not in everything_stored(cloud)
    finally:
        hung.release("set_password")
    cloud.wait(lambda: guest_of(cloud, uuid).passwords == {"root": SECRET})


def test_the_administrator_is_the_one_that_the_image_names(cloud: Cloud) -> None:
    from tests.functional.cloud import IMAGE

    named = cloud.boot(image=IMAGE | {"properties": {"os_admin_user": "bob"}})[0]
    windows = cloud.boot(image=IMAGE | {"properties": {"os_type": "windows"}})[0]
    for uuid, user in ((named, "bob"), (windows, "Administrator")):
        cloud.wait_state(uuid, "active")
        cloud.operations.change_password(cloud.context(), uuid, SECRET)
        cloud.wait(lambda uuid=uuid, user=user: guest_of(cloud, uuid).passwords == {user: SECRET})


def test_a_silent_agent_changes_nothing_and_one_that_refuses_does(cloud: Cloud, uuid: str) -> None:
    knobs = driver_of(cloud, uuid).knobs
    knobs.fail("set_password", times=1, message="The agent in the guest does not answer.", error=errors.Conflict)
    cloud.operations.change_password(cloud.context(), uuid, SECRET)
    assert truth.settled(cloud, uuid)["vm_state"] == "active"
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert "does not answer" in truth.operation(cloud, uuid, "changePassword")["fault"]["message"]
    knobs.fail("set_password", times=1, message="No such user.")
    cloud.operations.change_password(cloud.context(), uuid, SECRET)
    assert cloud.wait_state(uuid, "error")["fault"]["message"] == "No such user."


def test_the_password_of_a_create_is_given_to_the_build(cloud: Cloud) -> None:
    for uuid in cloud.boot(count=2, admin_pass=SECRET, files={"/etc/motd": "aGVsbG8="}):
        cloud.wait_state(uuid, "active")
        told = driver_of(cloud, uuid).told[uuid]
        assert (told.admin_pass, told.files) == (SECRET, {"/etc/motd": "aGVsbG8="})
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert SECRET.encode() not in everything_stored(cloud)


def test_a_build_that_goes_to_another_host_takes_its_password_along(cloud: Cloud) -> None:
    drivers = [service.manager.driver for service in cloud.hosts.values()]
    for driver in drivers:
        driver.knobs.hang("spawn")
    uuid = cloud.boot(admin_pass=SECRET)[0]
    cloud.wait(lambda: any(uuid in driver.told for driver in drivers), what="a host has begun")
    first, second = sorted(drivers, key=lambda driver: uuid not in driver.told)
    assert first.told[uuid].admin_pass == SECRET
    first.knobs.fail("spawn", times=1)
    for driver in drivers:
        driver.knobs.release("spawn")
    cloud.wait_state(uuid, "active")
    assert (uuid in first.told, second.told[uuid].admin_pass) == (False, SECRET)


def test_a_crash_dump_interrupts_the_guest_and_changes_no_state(cloud: Cloud, uuid: str) -> None:
    cloud.operations.trigger_crash_dump(cloud.context(), uuid)
    cloud.wait(lambda: guest_of(cloud, uuid).interrupts == 1)
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.actions(cloud, uuid)[-1] == ("trigger_crash_dump", "done")
    driver_of(cloud, uuid).knobs.fail("inject_nmi", times=1)
    cloud.operations.trigger_crash_dump(cloud.context(), uuid)
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.operation(cloud, uuid, "trigger_crash_dump")["state"] == "failed"
    assert truth.settled(cloud, uuid)["vm_state"] == "active"


def test_a_guest_is_told_of_its_cards(cloud: Cloud, uuid: str) -> None:
    driver, context = driver_of(cloud, uuid), cloud.context(admin=True)
    vif = cloud.server(uuid)["network_info"][0]  # type: ignore[index]
    guest = driver.guests.get(uuid)
    guest.nics = []
    driver.guests.save(guest)
    cloud.operations.inject_network_info(context, uuid)
    assert [nic["address"] for nic in driver.guests.get(uuid).nics] == [vif["address"]]
    assert "inject" not in str(truth.actions(cloud, uuid))
    driver.knobs.fail("inject_network_info", times=1)
    with pytest.raises(errors.Conflict, match="injectNetworkInfo"):
        cloud.operations.inject_network_info(context, uuid)


def test_counters_in_both_forms(cloud: Cloud, uuid: str) -> None:
    context = cloud.context(admin=True)
    told = cloud.operations.diagnostics(context, uuid, common=True)
    assert (told["state"], told["num_cpus"], told["num_disks"], told["num_nics"]) == ("running", 1, 1, 1)
    assert told["memory_details"]["maximum"] == 512 and told["uptime"] >= 0 and told["config_drive"] is False
    flat = cloud.operations.diagnostics(context, uuid, common=False)
    assert flat["memory"] == 512 * 1024 and flat["vda_read"] > 0
    assert any(name.startswith("tap") and name.endswith("_rx_packets") for name in flat)
    cloud.operations.stop(context, uuid)
    cloud.wait_state(uuid, "stopped")
    with pytest.raises(errors.Conflict, match="while it is in vm_state stopped"):
        cloud.operations.diagnostics(context, uuid, common=True)
