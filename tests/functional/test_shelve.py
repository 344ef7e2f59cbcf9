# SPDX-License-Identifier: Apache-2.0
"""Shelved servers: off with an image, off their host, and back on any; what they hold at each point, and failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import errors
from nova.conductor.audit import Auditor
from nova.context import service_context
from tests.functional import truth
from tests.functional.cloud import Cloud
from tests.functional.test_reschedule import cut_off
from tests.functional.test_snapshots import driver, image, running, settled

KEEP = {"shelved_offload_time": -1}


def kept(cloud: Cloud, uuid: str) -> str | None:
    row = truth.cell_row(cloud, uuid)
    assert row is not None
    found: str | None = row["system_metadata"].get("shelved_image_id")
    return found


def shelved(cloud: Cloud, **values: Any) -> str:
    uuid = running(cloud, **values)
    cloud.operations.shelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "shelved" if cloud.conf.shelved_offload_time else "shelved_offloaded")
    settled(cloud)
    return uuid


def failed(cloud: Cloud, uuid: str, action: str, message: str) -> None:
    cloud.wait(lambda: not truth.open_rows(cloud))
    row = truth.operation(cloud, uuid, action)
    assert row["state"] == "failed" and message in row["fault"]["message"], row


def test_a_shelved_server_leaves_its_host_at_once_and_comes_back(cloud: Cloud) -> None:
    uuid = running(cloud, name="web")
    before, used = cloud.server(uuid), truth.usage(cloud)
    address = before["addresses"]  # type: ignore[index]
    cloud.operations.shelve(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "shelved_offloaded")
    settled(cloud)
    assert (row["host"], row["node"], row["compute_uuid"], row["power_state"]) == (None, None, None, 4)
    assert truth.guests(cloud) == {} and truth.claim_of(cloud, uuid) == {} and truth.ports_of(cloud, uuid) == 1
    assert truth.port_hosts(cloud, uuid) == {None}
    assert row["addresses"] == address and truth.usage(cloud) == used  # both stay the server's
    made = image(cloud, str(kept(cloud, uuid)))
    assert made is not None and (made.name, made.status) == ("web-shelved", "active")
    assert truth.actions(cloud, uuid)[-2:] == [("shelve", "done"), ("shelveOffload", "done")]

    cloud.operations.unshelve(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "active")
    settled(cloud)
    assert truth.guests(cloud) == {uuid: row["host"]} and row["power_state"] == 1 and row["addresses"] == address
    assert list(truth.claim_of(cloud, uuid)) == [truth.provider_of(cloud, row["host"])]
    assert truth.port_hosts(cloud, uuid) == {row["host"]}
    assert image(cloud, made.id) is None and kept(cloud, uuid) is None
    assert row["image_ref"] == before["image_ref"]  # type: ignore[index]
    assert Auditor(cloud.api, cloud.cells).scan() == []


def test_a_shelved_server_that_keeps_its_host_starts_there(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options=KEEP)
    context, uuid = cloud.context(), running(cloud)
    host = cloud.server(uuid)["host"]  # type: ignore[index]
    cloud.operations.shelve(context, uuid)
    row = cloud.wait_state(uuid, "shelved")
    settled(cloud)
    assert (row["host"], row["power_state"]) == (host, 4) and truth.guests(cloud) == {uuid: host}
    assert truth.claim_of(cloud, uuid)
    with pytest.raises(errors.Conflict, match="when it has left its host"):
        cloud.operations.unshelve(context, uuid, zone="nova")
    made = str(kept(cloud, uuid))
    cloud.operations.unshelve(context, uuid)
    row = cloud.wait_state(uuid, "active")
    settled(cloud)
    assert (row["host"], row["power_state"]) == (host, 1) and image(cloud, made) is None
    assert truth.actions(cloud, uuid)[-2:] == [("shelve", "done"), ("unshelve", "done")]


def test_an_administrator_offloads(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options=KEEP)
    uuid = shelved(cloud)
    cloud.operations.shelve_offload(cloud.context(admin=True), uuid)
    row = cloud.wait_state(uuid, "shelved_offloaded")
    settled(cloud)
    assert row["host"] is None and truth.guests(cloud) == {} and truth.claim_of(cloud, uuid) == {}
    assert image(cloud, str(kept(cloud, uuid))) is not None
    assert truth.actions(cloud, uuid)[-1] == ("shelveOffload", "done")


def test_the_time_is_over_by_itself(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"shelved_offload_time": 1, "shelved_poll_interval": 1})
    uuid = running(cloud)
    cloud.operations.shelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "shelved_offloaded")
    settled(cloud)
    assert truth.actions(cloud, uuid)[-2:] == [("shelve", "done"), ("shelveOffload", "done")]


def test_a_paused_and_a_stopped_server_are_shelved(cloud: Cloud) -> None:
    paused, stopped = cloud.boot(count=2)
    for uuid in (paused, stopped):
        cloud.wait_state(uuid, "active")
    cloud.operations.pause(cloud.context(), paused)
    cloud.operations.stop(cloud.context(), stopped)
    cloud.wait_state(paused, "paused")
    cloud.wait_state(stopped, "stopped")
    for uuid in (paused, stopped):
        cloud.operations.shelve(cloud.context(), uuid)
        cloud.wait_state(uuid, "shelved_offloaded")
    settled(cloud)
    assert truth.guests(cloud) == {}


@pytest.mark.parametrize("method", ["power_off", "snapshot"])
def test_a_shelve_that_fails_leaves_the_server_running(cloud: Cloud, method: str) -> None:
    uuid = running(cloud)
    driver(cloud, uuid).knobs.fail(method, times=1, message="It does not work.")
    cloud.operations.shelve(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "active")
    failed(cloud, uuid, "shelve", "It does not work.")
    assert row["power_state"] == 1 and row["host"]
    assert kept(cloud, uuid) is None
    assert [i.name for i in cloud.images.list(service_context())] == []
    settled(cloud)
    cloud.operations.shelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "shelved_offloaded")


def test_a_host_that_does_not_let_go_is_asked_again(cloud: Cloud) -> None:
    """The image is there: from here on the way is forward only."""
    uuid = running(cloud)
    driver(cloud, uuid).knobs.fail("destroy", times=1)
    cloud.operations.shelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "shelved_offloaded")
    settled(cloud)
    assert truth.guests(cloud) == {}
    assert truth.actions(cloud, uuid)[-2:] == [("shelve", "done"), ("shelveOffload", "done")]


def test_an_unshelve_whose_host_fails_holds_nothing(cloud: Cloud) -> None:
    uuid = shelved(cloud)
    made = kept(cloud, uuid)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", message="No luck here.")
    cloud.operations.unshelve(cloud.context(), uuid)
    row = cloud.wait_state(uuid, "shelved_offloaded")
    failed(cloud, uuid, "unshelve", "No luck here.")
    row = cloud.server(uuid) or {}
    assert row["host"] is None and truth.claim_of(cloud, uuid) == {} and truth.guests(cloud) == {}
    assert truth.port_hosts(cloud, uuid) == {None} and kept(cloud, uuid) == made and image(cloud, str(made)) is not None
    for service in cloud.hosts.values():
        service.manager.driver.knobs.reset()
    cloud.operations.unshelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")


def test_an_unshelve_does_not_wait_for_a_host_that_is_down(cloud: Cloud) -> None:
    """The server stays shelved and may be asked for again; what the host makes yet is a stranger there."""
    uuid = shelved(cloud)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.hang("spawn")
    cloud.operations.unshelve(cloud.context(), uuid)
    first = cloud.wait(lambda: truth.guests(cloud).get(uuid))
    lost = cloud.hosts[first].manager
    with cut_off(cloud, lost._store):
        truth.silence(cloud, first, 61.0)
        failed(cloud, uuid, "unshelve", f"Host {first} does not answer.")
        row = cloud.wait_state(uuid, "shelved_offloaded")
        assert row["host"] is None and truth.claim_of(cloud, uuid) == {} and truth.port_hosts(cloud, uuid) == {None}
        second = next(name for name in cloud.hosts if name != first)
        cloud.hosts[second].manager.driver.knobs.release("spawn")
        cloud.operations.unshelve(cloud.context(), uuid)
        assert cloud.wait_state(uuid, "active")["host"] == second
    lost.driver.knobs.release("spawn")
    cloud.wait(lambda: truth.guests(cloud) == {uuid: second} and not lost.driver.exists(uuid))
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_no_valid_host_says_why(cloud: Cloud) -> None:
    uuid = shelved(cloud)
    for service in cloud.hosts.values():
        cloud.stop_service(service)
    cloud.wait(lambda: _none_up(cloud), what="no host is up")
    cloud.operations.unshelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "shelved_offloaded")
    failed(cloud, uuid, "unshelve", "No valid host was found.")
    event = truth.events(cloud, uuid, "unshelve")[0]
    assert (event["event"], event["result"]) == ("conductor_unshelve_instance", "Error") and event["data"]
    assert truth.claim_of(cloud, uuid) == {} and kept(cloud, uuid)


def _none_up(cloud: Cloud) -> bool:
    from nova.operations.acceptance import host_is_down

    for cell in cloud.cells.with_hosts():
        with cell.database.read() as conn:
            if not all(host_is_down(conn, host, float(cloud.conf.lease)) for host in cloud.hosts):
                return False
    return True


def test_where_to_come_back(cloud: Cloud) -> None:
    uuid = shelved(cloud)
    for wanted in ("host2", "host1"):
        cloud.operations.unshelve(cloud.context(admin=True), uuid, host=wanted, zone_of_host="nova", zone="nova")
        row = cloud.wait_state(uuid, "active")
        assert (row["host"], row["pinned_availability_zone"]) == (wanted, "nova")
        cloud.operations.shelve(cloud.context(), uuid)
        cloud.wait_state(uuid, "shelved_offloaded")
    with pytest.raises(errors.Conflict, match="not in the availability zone nova"):
        cloud.operations.unshelve(cloud.context(admin=True), uuid, host="host1", zone_of_host="other")
    cloud.operations.unshelve(cloud.context(admin=True), uuid, zone=None)
    assert cloud.wait_state(uuid, "active")["pinned_availability_zone"] is None


@pytest.mark.parametrize("moment", ["snapshot", "destroy", "done", "spawn"])
def test_a_delete_takes_everything_along(cloud: Cloud, moment: str) -> None:
    uuid = running(cloud)
    for service in cloud.hosts.values():
        if moment != "done":
            service.manager.driver.knobs.hang(moment)
    cloud.operations.shelve(cloud.context(), uuid)
    if moment in ("done", "spawn"):
        cloud.wait_state(uuid, "shelved_offloaded")
        settled(cloud)
    if moment == "spawn":
        cloud.operations.unshelve(cloud.context(), uuid)
    step = {"snapshot": "capture", "destroy": "vacate", "spawn": "spawn"}.get(moment)
    if step:
        cloud.wait(lambda: [r["step"] for r in truth.open_rows(cloud)] == [step])
    cloud.operations.delete(cloud.context(), uuid)
    for service in cloud.hosts.values():
        service.manager.driver.knobs.reset()
    cloud.wait_gone(uuid)
    settled(cloud)
    cloud.wait(lambda: truth.guests(cloud) == {}, what="no guest is left")
    assert truth.claim_of(cloud, uuid) == {} and truth.ports_of(cloud, uuid) == 0
    assert list(cloud.images.list(service_context())) == [] and truth.usage(cloud) == {}


def test_a_host_that_dies_goes_on_where_it_was(cloud: Cloud) -> None:
    uuid = running(cloud)
    host = cloud.server(uuid)["host"]  # type: ignore[index]
    for place, step in (("power_off", "halt"), ("destroy", "vacate")):
        knobs = cloud.hosts[host].manager.driver.knobs
        knobs.hang(place)
        if step == "halt":
            cloud.operations.shelve(cloud.context(), uuid)
        cloud.wait(lambda s=step: [r["step"] for r in truth.open_rows(cloud)] == [s])
        cloud.lines[host].cut = True
        knobs.reset()
        cloud.stop_host(host)
        cloud.start_host(host, cloud.cells_of_hosts[host])
        if step == "halt":
            cloud.hosts[host].manager.driver.knobs.hang("destroy")
    cloud.wait_state(uuid, "shelved_offloaded")
    settled(cloud)
    assert truth.guests(cloud) == {}
    assert truth.actions(cloud, uuid)[-2:] == [("shelve", "done"), ("shelveOffload", "done")]


def test_everything_ends_without_a_single_nudge(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(drop=lambda label: True)
    uuid = shelved(cloud)
    cloud.operations.unshelve(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")
    settled(cloud)
    assert Auditor(cloud.api, cloud.cells).scan() == []
