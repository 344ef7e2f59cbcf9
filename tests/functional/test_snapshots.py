# SPDX-License-Identifier: Apache-2.0
"""Images of servers: made, rotated, and gone when their making fails or their server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from nova import errors
from nova.context import service_context
from nova.images.model import Image
from nova.virt.fake.snapshots import content_of
from tests.functional import truth
from tests.functional.cloud import Cloud


def image(cloud: Cloud, image_id: str) -> Image | None:
    try:
        return cloud.images.show(service_context(), image_id)
    except errors.NotFound:
        return None


def content(cloud: Cloud, image_id: str) -> bytes:
    row, file = cloud.images.data.open(service_context(), image_id)
    assert file is not None
    with file:
        return file.read()


def driver(cloud: Cloud, uuid: str) -> Any:
    return cloud.hosts[cloud.server(uuid)["host"]].manager.driver  # type: ignore[index]


def settled(cloud: Cloud) -> None:
    cloud.wait(lambda: not truth.open_rows(cloud), what="no operation is open")
    for service in cloud.hosts.values():
        assert service.manager.driver.snapshots() == []


def running(cloud: Cloud, **values: Any) -> str:
    uuid = cloud.boot(**values)[0]
    cloud.wait_state(uuid, "active")
    return uuid


def copying(cloud: Cloud) -> tuple[str, Any, str]:
    """A server whose disk is being copied, the knobs of its host, which hold the copy, and the image that is to be."""
    uuid = running(cloud)
    knobs = driver(cloud, uuid).knobs
    knobs.hang("snapshot")
    made = cloud.operations.create_image(cloud.context(), uuid, "never", {})
    cloud.wait(lambda: cloud.server(uuid)["task_state"] == "image_pending_upload")  # type: ignore[index]
    return uuid, knobs, made


def failed(cloud: Cloud, uuid: str, made: str, why: str) -> None:
    """The server goes on, and nothing is left of the image."""
    cloud.wait_state(uuid, "active")
    settled(cloud)
    assert image(cloud, made) is None
    row = truth.operation(cloud, uuid, "createImage")
    assert row["state"] == "failed" and why in row["fault"]["message"]


def test_an_image_is_made_of_a_running_server_and_boots(cloud: Cloud) -> None:
    context = cloud.context()
    uuid = running(cloud, image={"id": "70a599e0-31e7-49b7-b260-868f441e862b", "min_disk": 0, "min_ram": 0, "size": 1,
                                 "properties": {"hw_disk_bus": "virtio", "bittorrent": "x", "image_type": "other"}})
    made = cloud.operations.create_image(context, uuid, "golden", {"purpose": "test"})
    queued = image(cloud, made)
    assert queued is not None and queued.name == "golden"
    cloud.wait_state(uuid, "active")
    settled(cloud)
    found = image(cloud, made)
    assert found is not None and (found.status, found.visibility, found.owner) == ("active", "private", "p1")
    assert (found.disk_format, found.container_format) == ("qcow2", "bare")
    assert (found.min_disk, found.virtual_size) == (1, 1 << 30)
    assert dict(found.properties) == {
        "image_type": "snapshot", "instance_uuid": uuid, "user_id": "u1", "owner_id": "p1", "purpose": "test",
        "base_image_ref": "70a599e0-31e7-49b7-b260-868f441e862b", "boot_roles": "member,reader",
        "hw_disk_bus": "virtio", "image_location": "snapshot", "image_state": "available"}
    assert content(cloud, made) == content_of(driver(cloud, uuid).guests.get(uuid), "qcow2")
    assert truth.actions(cloud, uuid)[-1] == ("createImage", "done")
    copy = cloud.boot(image={"id": made, "min_disk": 1, "min_ram": 0, "size": found.size, "properties": {}})[0]
    cloud.wait_state(copy, "active")


def test_the_task_says_how_far_it_is(cloud: Cloud) -> None:
    uuid = running(cloud)
    knobs = driver(cloud, uuid).knobs
    knobs.hang("snapshot")
    knobs.hang("drop_snapshot")
    try:
        cloud.operations.create_image(cloud.context(), uuid, "i", {})
        cloud.wait(lambda: cloud.server(uuid)["task_state"] == "image_pending_upload")  # type: ignore[index]
        with pytest.raises(errors.Conflict, match="while it is in task_state image_pending_upload"):
            cloud.operations.create_image(cloud.context(), uuid, "j", {})
        knobs.release("snapshot")
        cloud.wait(lambda: cloud.server(uuid)["task_state"] == "image_uploading")  # type: ignore[index]
    finally:
        knobs.reset()
    cloud.wait_state(uuid, "active")


def test_a_stopped_server_stays_stopped_and_a_locked_one_may_be_copied(cloud: Cloud) -> None:
    uuid = running(cloud)
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, "stopped")
    cloud.operations.lock(cloud.context(admin=True), uuid)
    made = cloud.operations.create_image(cloud.context(), uuid, "cold", {})
    cloud.wait_state(uuid, "stopped")
    settled(cloud)
    assert image(cloud, made).status == "active"  # type: ignore[union-attr]


@pytest.mark.parametrize("method", ["snapshot", "quiesce", "reread"])
def test_a_failure_leaves_no_image(cloud: Cloud, method: str) -> None:
    properties = {"os_require_quiesce": "yes"}
    uuid = running(cloud, image={"id": "70a599e0-31e7-49b7-b260-868f441e862b", "min_disk": 0, "min_ram": 0, "size": 1,
                                 "properties": properties})
    driver(cloud, uuid).knobs.fail(method, message="No room left.")
    made = cloud.operations.create_image(cloud.context(), uuid, "never", {})
    failed(cloud, uuid, made, "No room left.")
    assert truth.events(cloud, uuid, "createImage")[0]["result"] == (
        "Success" if method == "reread" else "Error")
    driver(cloud, uuid).knobs.reset()
    again = cloud.operations.create_image(cloud.context(), uuid, "now", {})
    cloud.wait_state(uuid, "active")
    assert image(cloud, again).status == "active"  # type: ignore[union-attr]


def test_an_image_that_the_store_refuses_is_a_fault(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"image__image_size_cap": 1})
    uuid = running(cloud)
    made = cloud.operations.create_image(cloud.context(), uuid, "large", {})
    failed(cloud, uuid, made, "1 byte")
    assert truth.events(cloud, uuid, "createImage")[0]["result"] == "Success"


def test_an_image_that_is_deleted_meanwhile_is_a_fault(cloud: Cloud) -> None:
    uuid, knobs, made = copying(cloud)
    cloud.images.delete(cloud.context(), made)
    knobs.reset()
    failed(cloud, uuid, made, "does not take the image")


def test_a_delete_does_not_wait_for_the_image_and_takes_it_along(cloud: Cloud) -> None:
    uuid, knobs, made = copying(cloud)
    cloud.operations.delete(cloud.context(), uuid)
    knobs.reset()
    cloud.wait_gone(uuid)
    settled(cloud)
    assert image(cloud, made) is None
    assert truth.guests(cloud) == {}


def test_a_forced_state_gives_the_image_up(cloud: Cloud) -> None:
    uuid, knobs, made = copying(cloud)
    cloud.operations.reset_state(cloud.context(admin=True), uuid, "active")
    assert image(cloud, made) is None
    knobs.reset()
    cloud.wait_state(uuid, "active")


def test_a_host_that_dies_makes_the_image_when_it_is_back(cloud: Cloud) -> None:
    """Once with a file half made, once with an upload begun: neither is left."""
    uuid = running(cloud)
    host = cloud.server(uuid)["host"]  # type: ignore[index]
    knobs = driver(cloud, uuid).knobs
    for place in ("snapshot", "drop_snapshot"):
        knobs.hang(place)
        made = cloud.operations.create_image(cloud.context(), uuid, place, {})
        wanted = "image_pending_upload" if place == "snapshot" else "image_uploading"
        cloud.wait(lambda w=wanted: cloud.server(uuid)["task_state"] == w)
        if place == "drop_snapshot":
            cloud.wait(lambda m=made: image(cloud, m).status == "active")
        cloud.lines[host].cut = True
        knobs.reset()
        cloud.stop_host(host)
        cloud.start_host(host, cloud.cells_of_hosts[host])
        knobs = driver(cloud, uuid).knobs
        cloud.wait_state(uuid, "active")
        settled(cloud)
        assert image(cloud, made).status == "active"  # type: ignore[union-attr]


def test_an_upload_that_broke_off_begins_anew(cloud: Cloud) -> None:
    uuid = running(cloud)
    knobs = driver(cloud, uuid).knobs
    knobs.hang("snapshot")
    made = cloud.operations.create_image(cloud.context(), uuid, "i", {})
    cloud.wait(lambda: cloud.server(uuid)["task_state"] == "image_pending_upload")  # type: ignore[index]
    cloud.images.data._db.run(lambda conn: cloud.images.data._begin(
        conn, service_context(), made, "saving", "00000000-0000-0000-0000-00000000000a"))
    knobs.reset()
    cloud.wait_state(uuid, "active")
    assert image(cloud, made).status == "active"  # type: ignore[union-attr]
    assert truth.operation(cloud, uuid, "createImage")["state"] == "done"


def test_backups_rotate(cloud: Cloud) -> None:
    context, uuid = cloud.context(), running(cloud)
    made = []
    for number in range(3):
        made.append(cloud.operations.create_backup(context, uuid, f"b{number}", "daily", 2, {}))
        cloud.wait_state(uuid, "active")
        time.sleep(0.01)  # the order of backups is that of their times
    weekly = cloud.operations.create_backup(context, uuid, "w", "weekly", 1, {"a": "b"})
    cloud.wait_state(uuid, "active")
    settled(cloud)
    assert [image(cloud, m) is not None for m in made] == [False, True, True]
    kept = image(cloud, weekly)
    assert kept is not None and kept.properties["backup_type"] == "weekly"
    assert (kept.properties["image_type"], kept.properties["a"]) == ("backup", "b")
    none = cloud.operations.create_backup(context, uuid, "b", "daily", 0, {})
    cloud.wait_state(uuid, "active")
    settled(cloud)
    assert [image(cloud, m) for m in [*made, none]] == [None] * 4 and image(cloud, weekly) is not None
    assert truth.actions(cloud, uuid)[-1] == ("createBackup", "done")


def test_everything_ends_without_a_single_nudge(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(drop=lambda label: True)
    uuid = running(cloud)
    made = cloud.operations.create_backup(cloud.context(), uuid, "b", "daily", 1, {})
    cloud.wait_state(uuid, "active")
    assert image(cloud, made).status == "active"  # type: ignore[union-attr]
