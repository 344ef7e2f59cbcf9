# SPDX-License-Identifier: Apache-2.0
"""Messages lost, services away, a database gone: what was accepted ends all the same, and answers come in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import concurrency, errors
from nova.store.query import Query
from tests import edges
from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud


def test_with_every_nudge_dropped_everything_still_ends(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=4, drop=lambda label: True)
    context = cloud.context()
    uuids = cloud.boot(count=4)
    buried = cloud.boot(flavor=FLAVOR | {"root_gb": 10**6})[0]
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    cloud.wait_state(buried, "error")
    cloud.operations.stop(context, uuids[0])
    cloud.operations.reboot(context, uuids[1], "SOFT")
    cloud.wait_state(uuids[0], "stopped")
    cloud.wait_state(uuids[1], "active")
    cloud.operations.start(context, uuids[0])
    cloud.wait_state(uuids[0], "active")
    for uuid in (*uuids, buried):
        cloud.operations.delete(context, uuid)
    for uuid in (*uuids, buried):
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    assert cloud.sender.sent == 0 and cloud.sender.lost > 0


def test_a_build_that_fails_goes_on_without_nudges(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(drop=lambda label: True)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", times=1)
    uuid = cloud.boot()[0]
    assert cloud.wait_state(uuid, "error")["fault"]["message"].startswith("Told to fail at spawn.")


def test_a_host_restarted_in_mid_build_goes_on(cloud: Cloud) -> None:
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    uuid = cloud.boot()[0]
    host = cloud.wait(lambda: truth.guests(cloud).get(uuid))
    old = cloud.hosts[host]
    driver = old.manager.driver
    driver.knobs.fail("spawn", message="This process was killed here.")
    cloud.lines[host].cut = True
    cloud.services.remove(old)
    cloud.start_host(host, cloud.cells_of_hosts[host])
    row = cloud.wait_state(uuid, "active")
    assert row["host"] == host and truth.guests(cloud) == {uuid: host}
    assert truth.operation(cloud, uuid, "create")["attempt"] > 1
    driver.knobs.release("spawn")
    old.stop()
    assert cloud.server(uuid)["vm_state"] == "active"  # type: ignore[index]


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
    cloud.wait_state(uuid, "stopped")


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


def test_a_cell_that_is_away_is_named_and_does_not_hold_up_a_list(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(cells_count=2, hosts_count=2)
    uuids = cloud.boot(count=6)
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    by_cell = {uuid: truth.cell_of(cloud, uuid) for uuid in uuids}
    away = next(c for c in cloud.cells.all() if c.name == "cell2")
    lost = {u for u, c in by_cell.items() if c == "cell2"}
    assert lost and lost != set(uuids)

    with edges.unreachable(away.database):
        page = cloud.servers.page(cloud.context(), Query("p1"))
        assert {r["uuid"] for r in page.rows} == set(uuids) - lost
        assert [c.name for c in page.down] == ["cell2"]
        for action in (cloud.operations.stop, cloud.operations.delete):
            with pytest.raises(errors.Unavailable) as caught:
                action(cloud.context(), min(lost))
            assert caught.value.details["retry_after"] == 5
    assert cloud.servers.page(cloud.context(), Query("p1")).down == []


def test_a_cell_that_hangs_costs_its_timeout_and_no_other_cell(make_cloud: Callable[..., Cloud]) -> None:
    """Also when many ask: their questions to the hanging cell do not use up what the others are asked with."""
    cloud = make_cloud(cells_count=2, hosts_count=2, cells_timeout=5.0)  # a cell that answers needs far less
    uuid = cloud.boot(count=1)[0]
    cloud.wait_state(uuid, "active")
    other = "cell2" if truth.cell_of(cloud, uuid) == "cell1" else "cell1"
    hanging = next(c for c in cloud.cells.all() if c.name == other)
    answers: list[tuple[list[str], list[str]]] = []

    def ask() -> None:
        page = cloud.servers.page(cloud.context(), Query("p1"))
        answers.append(([r["uuid"] for r in page.rows], [c.name for c in page.down]))

    with edges.silent(hanging.database):
        for _ in range(2):
            tasks = [concurrency.spawn(ask) for _ in range(10)]
            assert all(t.join(120) for t in tasks)
        assert answers == [([uuid], [other])] * 20
    cloud.wait(lambda: cloud.servers.page(cloud.context(), Query("p1")).down == [])
