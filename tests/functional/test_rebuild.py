# SPDX-License-Identifier: Apache-2.0
"""Servers that get new disks where they are; failures of each step, and deletes meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from nova import errors
from nova.operations.rebuild import RebuildRequest
from tests.functional import truth
from tests.functional.cloud import IMAGE, Cloud
from tests.functional.pauses import Pauses

OTHER = IMAGE | {"id": "0e5d7c4a-6a60-4d2f-a4a5-000000000001"}


def ready(cloud: Cloud) -> tuple[str, Any]:
    """A server that runs, and the driver of its host."""
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    return uuid, cloud.hosts[host].manager.driver


def rebuild(cloud: Cloud, uuid: str, image: dict[str, Any] = OTHER, **changes: Any) -> None:
    cloud.operations.rebuild(cloud.context(), uuid, RebuildRequest(image, changes))


def ended(cloud: Cloud, uuid: str, action: str) -> dict[str, Any]:
    cloud.wait(lambda: truth.operation(cloud, uuid, action)["state"] in ("done", "failed"), what=f"{action} has ended")
    return truth.operation(cloud, uuid, action)


def test_a_rebuild_keeps_the_server_and_replaces_its_disk(cloud: Cloud) -> None:
    uuid, driver = ready(cloud)
    before = cloud.server(uuid)
    assert before is not None
    driver.reboot(uuid, "HARD")
    claim = truth.claim_of(cloud, uuid)
    rebuild(cloud, uuid, display_name="new", metadata={"a": "b"}, user_data="eA==", hostname="new-host")
    row = cloud.server(uuid)
    assert row is not None and (row["image_ref"], row["display_name"], row["task_state"]) != (IMAGE["id"], "vm", None)
    row = cloud.wait_state(uuid, "active")
    assert (row["image_ref"], row["display_name"], row["hostname"], row["metadata"], row["user_data"]) == (
        OTHER["id"], "new", "new-host", {"a": "b"}, "eA==")
    assert (row["host"], row["addresses"], row["power_state"]) == (before["host"], before["addresses"], 1)
    assert truth.claim_of(cloud, uuid) == claim and len(driver.guests.get(uuid).boots) == 1
    assert [e["event"] for e in truth.events(cloud, uuid, "rebuild")] == [
        "conductor_rebuild_server", "compute_rebuild_disks", "compute_rebuild_instance"]


def test_a_stopped_server_stays_stopped_and_one_in_error_runs(cloud: Cloud) -> None:
    uuid, driver = ready(cloud)
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, "stopped")
    rebuild(cloud, uuid)
    ended(cloud, uuid, "rebuild")
    assert cloud.wait_state(uuid, "stopped")["power_state"] == 4 and driver.guests.get(uuid).boots == []
    cloud.operations.reset_state(cloud.context(admin=True), uuid, "error")
    rebuild(cloud, uuid)
    assert cloud.wait_state(uuid, "active")["power_state"] == 1


def test_files_and_the_password_reach_the_guest_on_its_config_drive(cloud: Cloud) -> None:
    uuid, driver = ready(cloud)
    files = {"/etc/motd": "aGVsbG8="}
    cloud.operations.rebuild(cloud.context(), uuid, RebuildRequest(
        OTHER, {"config_drive": "True"}, secrets={"admin_pass": "secret", "files": files}))
    assert cloud.wait_state(uuid, "active")["config_drive"] == "True"
    told = driver.told[uuid]
    assert (told.config_drive, told.admin_pass, told.files) == (True, "secret", files)


def test_an_image_that_does_not_fit_is_refused(cloud: Cloud) -> None:
    uuid, _ = ready(cloud)
    for wrong in ({"min_ram": 10**6}, {"min_disk": 100}, {"size": 10**13}):
        with pytest.raises(errors.Invalid):
            rebuild(cloud, uuid, OTHER | wrong)
    assert cloud.server(uuid)["image_ref"] == IMAGE["id"]  # type: ignore[index]


def test_an_image_that_cannot_run_on_the_host_changes_nothing(cloud: Cloud) -> None:
    uuid, driver = ready(cloud)
    rebuild(cloud, uuid, OTHER | {"min_ram": 512, "properties": {"hw_architecture": "s390x"}}, display_name="new")
    operation = ended(cloud, uuid, "rebuild")
    assert operation["state"] == "failed" and "No valid host" in operation["fault"]["message"]
    row = cloud.wait_state(uuid, "active")
    assert (row["image_ref"], row["display_name"], row["power_state"]) == (IMAGE["id"], "vm", 1)
    assert len(driver.guests.get(uuid).boots) == 1
    assert truth.cell_row(cloud, uuid)["system_metadata"] == {}  # type: ignore[index]
    rebuild(cloud, uuid, OTHER | {"min_ram": 512, "properties": {"hw_architecture": "x86_64"}})
    assert ended(cloud, uuid, "rebuild")["state"] == "done"
    assert truth.cell_row(cloud, uuid)["system_metadata"] == {"image_min_ram": 512}  # type: ignore[index]


@pytest.mark.parametrize("method", ["rebuild", "power_on"])
def test_a_host_that_fails_leaves_it_in_error_and_claimed(cloud: Cloud, method: str) -> None:
    uuid, driver = ready(cloud)
    claim = truth.claim_of(cloud, uuid)
    driver.knobs.fail(method, times=1, message="No disk is left.")
    rebuild(cloud, uuid)
    row = cloud.wait_state(uuid, "error")
    assert row["fault"]["message"] == "No disk is left." and truth.claim_of(cloud, uuid) == claim
    rebuild(cloud, uuid)
    cloud.wait_state(uuid, "active")


@pytest.mark.parametrize("step", ["rebuild.check", "rebuild.replace", "rebuild.spawn"])
def test_a_delete_in_the_middle_leaves_nothing(cloud: Cloud, step: str, pauses: Pauses) -> None:
    uuid, _ = ready(cloud)
    with pauses.at(f"step:{step}:before") as hold:
        rebuild(cloud, uuid)
        hold.reached()
        cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


@pytest.mark.parametrize("step", ["rebuild.replace", "rebuild.spawn"])
def test_a_host_that_dies_in_the_middle_goes_on_when_it_is_back(cloud: Cloud, step: str, pauses: Pauses) -> None:
    uuid, _ = ready(cloud)
    host = str(cloud.server(uuid)["host"])  # type: ignore[index]
    with pauses.at(f"step:{step}:before") as hold:
        rebuild(cloud, uuid)
        hold.reached()
        cloud.lines[host].cut = True
    cloud.stop_host(host)
    cloud.start_host(host, cloud.cells_of_hosts[host])
    cloud.wait_state(uuid, "active")
    assert ended(cloud, uuid, "rebuild")["state"] == "done"
