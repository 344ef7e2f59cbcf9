# SPDX-License-Identifier: Apache-2.0
"""The unversioned notifications, which are the default format, alone and beside the versioned ones."""

from __future__ import annotations

from collections.abc import Callable

from nova import states
from tests.functional.cloud import Cloud
from tests.functional.notifications.heard import Heard

Make = Callable[..., tuple[Cloud, Heard]]


def test_the_life_of_a_server(make_heard: Make) -> None:
    cloud, heard = make_heard("unversioned")
    uuid = cloud.boot(name="vm", metadata={"a": "b"})[0]
    row = cloud.wait_state(uuid, states.ACTIVE)
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, states.STOPPED)
    cloud.operations.lock(cloud.context(), uuid, None)
    cloud.operations.unlock(cloud.context(), uuid, may_override=True)
    cloud.operations.change_tags(cloud.context(), uuid, lambda tags: ["t"])
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    heard.wait("compute.instance.delete.end")
    assert heard.types(uuid) == [f"compute.instance.{name}" for name in (
        "create.start", "create.end", "power_off.start", "power_off.end", "update", "delete.start", "shutdown.start",
        "shutdown.end", "delete.end")]
    end = heard.first("compute.instance.create.end")["payload"]
    assert (end["instance_id"], end["tenant_id"], end["user_id"]) == (uuid, "p1", "u1")
    assert (end["state"], end["state_description"], end["message"]) == ("active", "", "Success")
    assert (end["instance_flavor_id"], end["memory_mb"], end["disk_gb"], end["vcpus"]) == ("1", 512, 1, 1)
    assert [ip["address"] for ip in end["fixed_ips"]] == row["addresses"].split()
    assert end["metadata"] == {"a": "b"} and end["host"] == row["host"]
    assert heard.first("compute.instance.update")["payload"]["tags"] == ["t"]


def test_a_failed_build(make_heard: Make) -> None:
    cloud, heard = make_heard("unversioned")
    for host in cloud.hosts.values():
        host.manager.driver.knobs.fail("spawn", times=10)
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ERROR)
    task = heard.wait("compute_task.build_instances")
    error = heard.wait("compute.instance.create.error")
    assert (error["priority"], error["payload"]["instance_id"], error["payload"]["code"]) == ("ERROR", uuid, 500)
    assert error["payload"]["message"]
    assert (task["payload"]["instance_id"], task["payload"]["state"]) == (uuid, "error")


def test_both_formats_at_once(make_heard: Make) -> None:
    cloud, heard = make_heard("both")
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, states.ACTIVE)
    heard.wait("instance.create.end")
    heard.wait("compute.instance.create.end")
    assert sorted(heard.types(uuid)) == ["compute.instance.create.end", "compute.instance.create.start",
                                         "instance.create.end", "instance.create.start"]
