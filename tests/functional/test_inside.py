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


def test_a_silent_agent_changes_nothing_and_one_that_refuses_does(cloud: Cloud, uuid: str,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    driver = driver_of(cloud, uuid)

    def silent(*args: Any) -> None:
        raise errors.Conflict("The agent in the guest does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(driver, "set_password", silent)
        cloud.operations.change_password(cloud.context(), uuid, SECRET)
        assert truth.settled(cloud, uuid)["vm_state"] == "active"
        cloud.wait(lambda: not truth.open_rows(cloud))
    assert "does not answer" in truth.operation(cloud, uuid, "changePassword")["fault"]["message"]
    driver.knobs.fail("set_password", times=1, message="No such user.")
    cloud.operations.change_password(cloud.context(), uuid, SECRET)
    assert cloud.wait_state(uuid, "error")["fault"]["message"] == "No such user."


def test_the_password_of_a_create_is_given_to_the_build(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from nova.virt.fake.driver import FakeDriver

    seen: dict[str, Any] = {}
    spawn = FakeDriver.spawn

    def note(self: Any, guest: Any, *args: Any) -> None:
        seen[guest.uuid] = (guest.admin_pass, guest.files)
        spawn(self, guest, *args)

    monkeypatch.setattr(FakeDriver, "spawn", note)
    uuids = cloud.boot(count=2, admin_pass=SECRET, files={"/etc/motd": "aGVsbG8="})
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    assert seen == {uuid: (SECRET, {"/etc/motd": "aGVsbG8="}) for uuid in uuids}
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert SECRET.encode() not in everything_stored(cloud)


def test_a_build_that_goes_to_another_host_takes_its_password_along(cloud: Cloud,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    from nova.virt.fake.driver import FakeDriver

    seen: list[str] = []
    spawn = FakeDriver.spawn

    def fail_once(self: Any, guest: Any, *args: Any) -> None:
        seen.append(guest.admin_pass)
        if len(seen) == 1:
            raise errors.HostFailure("Told to fail.")
        spawn(self, guest, *args)

    monkeypatch.setattr(FakeDriver, "spawn", fail_once)
    cloud.wait_state(cloud.boot(admin_pass=SECRET)[0], "active")
    assert seen == [SECRET, SECRET]


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
