# SPDX-License-Identifier: Apache-2.0
"""The life of a server as a consumer of versioned notifications hears it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import states
from nova.db.cell.outbox import outbox as cell_outbox
from tests.functional.cloud import FLAVOR, Cloud
from tests.functional.notifications.heard import Heard

Make = Callable[..., tuple[Cloud, Heard]]


def test_the_life_of_a_server(make_heard: Make) -> None:
    cloud, heard = make_heard()
    uuid = cloud.boot(name="vm", metadata={"a": "b"}, tags=["t1"])[0]
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, states.STOPPED)
    cloud.operations.start(cloud.context(), uuid)
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.reboot(cloud.context(), uuid, "HARD")
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.lock(cloud.context(), uuid, "maintenance")
    cloud.operations.unlock(cloud.context(), uuid, may_override=True)
    cloud.operations.change_tags(cloud.context(), uuid, lambda tags: [*tags, "t2"])
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    heard.wait("instance.delete.end")
    assert heard.types(uuid) == [
        "instance.create.start", "instance.create.end", "instance.power_off.start", "instance.power_off.end",
        "instance.power_on.start", "instance.power_on.end", "instance.reboot.start", "instance.reboot.end",
        "instance.lock", "instance.unlock", "instance.update", "instance.delete.start", "instance.shutdown.start",
        "instance.shutdown.end", "instance.delete.end"]
    assert len({m["message_id"] for m in heard.messages}) == len(heard.messages)


def test_a_payload_tells_what_a_consumer_needs(make_heard: Make) -> None:
    cloud, heard = make_heard()
    uuid = cloud.boot(name="vm", metadata={"a": "b"}, tags=["t1"])[0]
    row = cloud.wait_state(uuid, states.ACTIVE)
    message = heard.wait("instance.create.end")
    payload = message["payload"]
    data = payload["nova_object.data"]
    assert payload["nova_object.name"] == "InstanceCreatePayload"
    assert payload["nova_object.namespace"] == "nova"
    assert message["publisher_id"] == f"nova-compute:{row['host']}"
    assert message["priority"] == "INFO"
    assert (data["uuid"], data["tenant_id"], data["user_id"]) == (uuid, "p1", "u1")
    assert (data["state"], data["task_state"], data["power_state"]) == ("active", None, "running")
    assert (data["metadata"], data["tags"], data["display_name"]) == ({"a": "b"}, ["t1"], "vm")
    assert data["flavor"]["nova_object.data"]["flavorid"] == "1"
    assert [ip["nova_object.data"]["address"] for ip in data["ip_addresses"]] == row["addresses"].split()
    assert data["request_id"].startswith("req-")
    assert message["context"]["project_id"] == "p1"
    started = heard.first("instance.create.start")["payload"]["nova_object.data"]
    assert (started["state"], started["launched_at"]) == ("building", None)


def test_a_failed_build_is_told_by_host_and_conductor(make_heard: Make) -> None:
    cloud, heard = make_heard()
    for host in cloud.hosts.values():
        host.manager.driver.knobs.fail("spawn", times=10)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ERROR)
    task = heard.wait("compute_task.build_instances.error")
    heard.wait("instance.create.error", count=2)
    types = heard.types(uuid)
    assert types[:2] == ["instance.create.start", "instance.create.error"]
    error = heard.first("instance.create.error")
    assert error["priority"] == "ERROR"
    fault = error["payload"]["nova_object.data"]["fault"]["nova_object.data"]
    assert fault["exception_message"] and fault["exception"] and fault["traceback"].startswith("Traceback")
    reason = task["payload"]["nova_object.data"]["reason"]["nova_object.data"]
    assert "hosts tried" in reason["exception_message"]
    assert task["payload"]["nova_object.data"]["request_spec"]["nova_object.data"]["project_id"] == "p1"


def test_no_valid_host_is_told(make_heard: Make) -> None:
    cloud, heard = make_heard()
    uuid = cloud.boot(flavor=FLAVOR | {"flavorid": "9", "root_gb": 10**8})[0]
    cloud.wait_state(uuid, states.ERROR)
    task = heard.wait("compute_task.build_instances.error")
    assert task["payload"]["nova_object.data"]["instance_uuid"] == uuid
    cloud.operations.delete(cloud.context(), uuid)
    heard.wait("instance.delete.end_not_scheduled")
    assert heard.types(uuid) == ["instance.delete.start_not_scheduled", "instance.delete.end_not_scheduled"]


@pytest.mark.parametrize("mode", ["vm_and_task_state", "vm_state"])
def test_changes_of_state_are_told_when_wanted(make_heard: Make, mode: str) -> None:
    cloud, heard = make_heard(notify_on_state_change=mode)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.update(cloud.context(), uuid, {"display_name": "renamed"})
    heard.wait("instance.create.end")
    heard.wait("instance.update", count=3)
    updates = [m["payload"]["nova_object.data"] for m in heard.messages if m["event_type"] == "instance.update"]
    told = [u["state_update"]["nova_object.data"] for u in updates]
    assert {"old_state": "building", "state": "active", "old_task_state": "spawning", "new_task_state": None} in told
    assert (updates[-1]["old_display_name"], updates[-1]["display_name"]) == ("vm", "renamed")
    assert updates[-1]["audit_period"]["nova_object.data"]["audit_period_beginning"].endswith("-01T00:00:00Z")


def test_nothing_is_stored_when_nobody_listens(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ACTIVE)
    cell = next(c for c in cloud.cells.with_hosts())
    with cell.database.read() as conn:
        assert cell_outbox.pending(conn, 10) == []
        assert cell_outbox.newest(conn) == 0


def test_a_live_migration_is_told_part_by_part(make_heard: Make) -> None:
    cloud, heard = make_heard()
    uuid = cloud.boot(name="vm", force_host="host1")[0]
    cloud.wait_state(uuid, states.ACTIVE)
    knobs = cloud.hosts["host1"].manager.driver.knobs
    knobs.fail("migrate", times=1)
    for _ in range(2):
        cloud.operations.live_migrate(cloud.context(admin=True), uuid)
        cloud.wait_state(uuid, states.ACTIVE)
    heard.wait("instance.live_migration_post.end")
    pre = ["instance.live_migration_pre.start", "instance.live_migration_pre.end"]
    assert [name for name in heard.types(uuid) if "live_migration" in name] == [
        *pre, "instance.live_migration_rollback.start", "instance.live_migration_rollback_dest.start",
        "instance.live_migration_rollback_dest.end", "instance.live_migration_rollback.end",
        *pre, "instance.live_migration_post.start", "instance.live_migration_post_dest.start",
        "instance.live_migration_post_dest.end", "instance.live_migration_post.end"]


def test_a_resize_is_told_part_by_part(make_heard: Make) -> None:
    cloud, heard = make_heard()
    uuid = cloud.boot(name="vm")[0]
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.resize(cloud.context(), uuid, FLAVOR | {"flavorid": "2", "vcpus": 2})
    cloud.wait_state(uuid, states.RESIZED)
    cloud.operations.revert_resize(cloud.context(), uuid)
    cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.resize(cloud.context(), uuid, FLAVOR | {"flavorid": "2", "vcpus": 2})
    cloud.wait_state(uuid, states.RESIZED)
    cloud.operations.confirm_resize(cloud.context(), uuid)
    cloud.wait_state(uuid, states.ACTIVE)
    heard.wait("instance.resize_confirm.end")
    moves = ["instance.resize_prep.start", "instance.resize_prep.end", "instance.resize.start", "instance.resize.end",
             "instance.resize_finish.start", "instance.resize_finish.end"]
    assert heard.types(uuid)[2:] == [
        *moves, "instance.resize_revert.start", "instance.resize_revert.end", *moves, "instance.resize_confirm.start",
        "instance.resize_confirm.end"]
