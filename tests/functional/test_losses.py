# SPDX-License-Identifier: Apache-2.0
"""Messages lost, services away, a database gone: what was accepted ends all the same, and answers come in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency, errors
from nova.store.servers import Query
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud


def test_with_every_nudge_dropped_everything_still_ends(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=4, drop=lambda label: True)
    context = cloud.context()
    uuids = cloud.boot(count=4)
    buried = cloud.boot(flavor=FLAVOR | {"root_gb": 10**6})[0]
    for uuid in uuids:
        cloud.wait_state(uuid, "active", timeout=60)
    cloud.wait_state(buried, "error", timeout=60)
    cloud.operations.stop(context, uuids[0])
    cloud.operations.reboot(context, uuids[1], "SOFT")
    cloud.wait_state(uuids[0], "stopped", timeout=60)
    cloud.wait_state(uuids[1], "active", timeout=60)
    cloud.operations.start(context, uuids[0])
    cloud.wait_state(uuids[0], "active", timeout=60)
    for uuid in (*uuids, buried):
        cloud.operations.delete(context, uuid)
    for uuid in (*uuids, buried):
        cloud.wait_gone(uuid, timeout=60)
    truth.nothing_left(cloud)
    assert cloud.sender.sent == 0 and cloud.sender.lost > 0


def test_a_build_that_fails_goes_on_without_nudges(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(drop=lambda label: True)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", times=1)
    uuid = cloud.boot()[0]
    assert cloud.wait_state(uuid, "error", timeout=60)["fault"]["message"].startswith("Told to fail at spawn.")


def test_a_host_restarted_in_mid_build_goes_on(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    uuid = cloud.boot()[0]
    host = cloud.wait(lambda: truth.guests(cloud).get(uuid))
    old = cloud.hosts[host]
    driver = old.manager.driver
    driver.knobs.fail("spawn", message="This process was killed here.")
    cut_off(old)
    cloud.services.remove(old)
    cloud.start_host(host, cloud.cells_of_hosts[host])
    row = cloud.wait_state(uuid, "active")
    assert row["host"] == host and truth.guests(cloud) == {uuid: host}
    assert truth.operation(cloud, uuid, "create")["attempt"] > 1
    driver.knobs.release("spawn")
    old.stop()
    assert cloud.server(uuid)["vm_state"] == "active"  # type: ignore[index]


def cut_off(service: Any) -> None:
    """As if its process had died: it says and hears nothing more."""
    def silent(*args: Any, **kwargs: Any) -> Any:
        raise errors.Unavailable("This host was cut off.")

    store = service.manager._store
    for name in ("operation_record", "operation_take", "operations_due", "service_heartbeat", "service_register",
                 "instances_on_host", "instance_get", "instance_save", "instance_power_states"):
        setattr(store, name, silent)
    service.manager.driver._listeners.clear()


def test_a_host_finds_what_was_accepted_while_it_restarted(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.stop_host(host)
    cloud.operations.stop(cloud.context(), uuid)  # its lease still runs
    cloud.start_host(host, cloud.cells_of_hosts[host])
    cloud.wait_state(uuid, "stopped")


def test_the_conductor_of_a_cell_may_be_away_for_a_while(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.stop_service(cloud.conductors["cell1"])
    cloud.operations.stop(cloud.context(), uuid)
    concurrency.sleep(1.0)
    assert cloud.server(uuid)["task_state"] == "powering-off"  # type: ignore[index]
    cloud.conductors["cell1"] = cloud.start_cell_conductor("cell1")
    cloud.wait_state(uuid, "stopped", timeout=60)


def test_the_orchestrator_may_be_away_for_a_while(cloud: Cloud) -> None:
    cloud.stop_service(cloud.orchestrator)
    uuid = cloud.boot()[0]
    gone = cloud.boot()[0]
    cloud.operations.delete(cloud.context(), gone)
    cloud.orchestrator = cloud.start_orchestrator()
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: truth.mapping(cloud, gone)["charge"] is None)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_a_cell_that_is_away_is_named_and_does_not_hold_up_a_list(make_cloud: Callable[..., Cloud],
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=2)
    uuids = cloud.boot(count=6)
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    by_cell = {uuid: truth.cell_of(cloud, uuid) for uuid in uuids}
    away = next(c for c in cloud.cells.all() if c.name == "cell2")
    lost = {u for u, c in by_cell.items() if c == "cell2"}
    assert lost and lost != set(uuids)

    def refuse() -> Any:
        raise errors.Unavailable("The cell2 database is not reachable now.", retry_after=5)

    monkeypatch.setattr(away.database, "read", refuse)
    monkeypatch.setattr(away.database, "run", lambda fn: refuse())
    page = cloud.servers.page(cloud.context(), Query("p1"))
    assert {r["uuid"] for r in page.rows} == set(uuids) - lost
    assert [c.name for c in page.down] == ["cell2"]
    for action in (cloud.operations.stop, cloud.operations.delete):
        with pytest.raises(errors.Unavailable) as caught:
            action(cloud.context(), min(lost))
        assert caught.value.details["retry_after"] == 5


def test_a_cell_that_hangs_costs_its_timeout_and_no_other_cell(make_cloud: Callable[..., Cloud],
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when many ask: their questions to the hanging cell do not use up what the others are asked with."""
    cloud = make_cloud(cells_count=2, hosts_count=2)
    uuid = cloud.boot(count=1)[0]
    cloud.wait_state(uuid, "active")
    other = "cell2" if truth.cell_of(cloud, uuid) == "cell1" else "cell1"
    hanging = next(c for c in cloud.cells.all() if c.name == other)
    back = concurrency.Event()
    genuine = hanging.database.read

    def hang() -> Any:
        back.wait(60)
        return genuine()

    cloud.cells._timeout = 0.5
    monkeypatch.setattr(hanging.database, "read", hang)
    answers: list[tuple[list[str], list[str]]] = []

    def ask() -> None:
        page = cloud.servers.page(cloud.context(), Query("p1"))
        answers.append(([r["uuid"] for r in page.rows], [c.name for c in page.down]))

    try:
        for _ in range(3):
            tasks = [concurrency.spawn(ask) for _ in range(10)]
            assert all(t.join(20) for t in tasks)
        assert answers == [([uuid], [other])] * 30
    finally:
        back.set()
    cloud.wait(lambda: cloud.servers.page(cloud.context(), Query("p1")).down == [])
