# SPDX-License-Identifier: Apache-2.0
"""Usage audits: what was on a host in a period is told of once, however many orchestrators look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency
from nova.conductor.usage_audit import usage_audits
from nova.db.cell import instances, task_log
from nova.store import usage_audit
from tests.functional.cloud import Cloud
from tests.functional.notifications.heard import Heard

HOUR = 3600.0


def age(cloud: Cloud, uuid: str, **ago: float) -> None:
    """The server's times lie so many hours back."""
    t = instances.instances
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            conn.execute(t.update().where(t.c.uuid == uuid).values(
                {name: concurrency.time() - hours * HOUR for name, hours in ago.items()}))


@pytest.mark.parametrize("kind", ["versioned", "unversioned"])
def test_what_existed_is_told_once(make_heard: Callable[..., tuple[Cloud, Heard]], kind: str) -> None:
    cloud, heard = make_heard(kind)
    there, gone, young = cloud.boot(count=3)
    for uuid in (there, gone, young):
        cloud.wait_state(uuid, "active")
    cloud.operations.delete(cloud.context(), gone)
    cloud.wait_gone(gone)
    age(cloud, there, launched_at=5)
    age(cloud, gone, launched_at=9, terminated_at=8)
    audits = usage_audits(cloud.cells, period="hour")
    tasks = [concurrency.spawn(audits.look) for _ in range(4)]
    assert all(task.join(120) for task in tasks)
    name = "instance.exists" if kind == "versioned" else "compute.instance.exists"
    told = heard.wait(name)
    assert audits.look() == []
    beginning, ending = usage_audit.last_period("hour", concurrency.time())
    for cell in cloud.cells.with_hosts():
        with cell.database.read() as conn:
            log = task_log.of_period(conn, usage_audit.TASK, beginning, ending)
    assert set(log) == set(cloud.hosts) and sum(row["task_items"] for row in log.values()) == 1
    uuid = cloud.boot()[0]  # what is told of it comes after all exists that there might be
    heard.wait(("" if kind == "versioned" else "compute.") + "instance.create.end", count=4)
    assert cloud.wait_state(uuid, "active") and heard.types().count(name) == 1
    assert told["publisher_id"].startswith("nova-compute:host")
    if kind == "versioned":
        data: dict[str, Any] = told["payload"]["nova_object.data"]
        assert data["uuid"] == there and data["bandwidth"] == []
        period = data["audit_period"]["nova_object.data"]
        assert period["audit_period_beginning"].endswith(":00:00Z") and period != {}
    else:
        assert told["payload"]["instance_id"] == there and told["payload"]["bandwidth"] == {}
        assert told["payload"]["audit_period_ending"].endswith(":00:00.000000")


def test_a_cloud_audits_by_itself(make_heard: Callable[..., tuple[Cloud, Heard]]) -> None:
    cloud, heard = make_heard(cloud_options={"conf_options": {"instance_usage_audit": True}})

    def logged() -> bool:
        beginning, ending = usage_audit.last_period("month", concurrency.time())
        for cell in cloud.cells.with_hosts():
            with cell.database.read() as conn:
                return bool(task_log.of_period(conn, usage_audit.TASK, beginning, ending))
        return False

    audits = next(k for k in cloud.orchestrator.keepers if getattr(k, "name", None) == "usage-audits")
    audits.look()
    assert logged()


def test_a_search_for_hosts_is_told(make_heard: Callable[..., tuple[Cloud, Heard]]) -> None:
    cloud, heard = make_heard("both")
    uuids = cloud.boot(count=2)
    data = heard.wait("scheduler.select_destinations.end")["payload"]
    while "nova_object.data" not in data:  # both formats have one name
        data = next(m["payload"] for m in list(heard.messages)
                    if m["event_type"] == "scheduler.select_destinations.end" and "nova_object.data" in m["payload"])
    assert data["nova_object.data"]["instance_uuid"] in uuids
    assert data["nova_object.data"]["flavor"]["nova_object.data"]["name"] == "m1.tiny"
    types = heard.types()
    assert types.index("scheduler.select_destinations.start") < types.index("scheduler.select_destinations.end")
    assert heard.first("scheduler.select_destinations.start")["publisher_id"].startswith("nova-scheduler:")
