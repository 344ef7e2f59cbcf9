# SPDX-License-Identifier: Apache-2.0
"""The auditor: each class of leak is planted, found, and mended; what is under way is left alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from nova import concurrency
from nova.conductor.audit import Auditor, Leak
from nova.db.api import cells as mappings
from nova.db.api import networks, placement, quotas, security_groups, server_groups
from nova.db.cell import instances
from nova.networks import allocation, floating_ips
from nova.placement import claims
from tests import edges
from tests.functional import truth
from tests.functional.cloud import Cloud

NOBODY = "0e0e0e0e-0000-4000-8000-000000000001"
RESOURCES = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}


@dataclasses.dataclass
class Scene:
    cloud: Cloud
    server: str
    host: str

    @property
    def elsewhere(self) -> str:
        """A provider that the server is not on."""
        return truth.provider_of(self.cloud, next(h for h in self.cloud.hosts if h != self.host))


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    uuid = cloud.boot()[0]
    host = cloud.wait_state(uuid, "active")["host"]
    cloud.wait(lambda: not truth.open_rows(cloud))
    return Scene(cloud, uuid, host)


def claim_of_nobody(scene: Scene) -> str:
    with scene.cloud.api.write() as conn:
        claims.claim(conn, NOBODY, "p1", "u1", scene.elsewhere, RESOURCES)
    return NOBODY


def claim_elsewhere(scene: Scene) -> str:
    with scene.cloud.api.write() as conn:
        claims.claim(conn, scene.server, "p1", "u1", scene.elsewhere, RESOURCES)
    return f"{scene.server}/{scene.elsewhere}"


def wrong_counter(scene: Scene) -> str:
    i = placement.inventories
    with scene.cloud.api.write() as conn:
        conn.execute(i.update().where(i.c.provider_uuid == scene.elsewhere, i.c.resource_class == "VCPU")
                     .values(used=7))
    return f"{scene.elsewhere}/VCPU"


def port_of_nobody(scene: Scene) -> str:
    with scene.cloud.api.write() as conn:
        vifs = allocation.allocate(conn, instance_uuid=NOBODY, project_id="p1", host=scene.host)
    return str(vifs[0]["id"])


def address_without_port(scene: Scene) -> str:
    port_of_nobody(scene)
    with scene.cloud.api.write() as conn:
        p, a = networks.ports, networks.addresses
        port = conn.execute(sa.select(p.c.uuid).where(p.c.instance_uuid == NOBODY)).scalar_one()
        address = conn.execute(sa.select(a.c.id).where(a.c.port_uuid == port)).scalar_one()
        conn.execute(p.delete().where(p.c.uuid == port))
        security_groups.leave(conn, [port])
    return str(address)


def floating_address_without_port(scene: Scene) -> str:
    with scene.cloud.api.write() as conn:
        floating_ips.add_range(conn, floating_ips.create_pool(conn, "public"), "192.0.2.0/29")
        floating = floating_ips.allocate(conn, floating_ips.pool(conn), "p1")
        floating_ips.table.change(conn, floating["uuid"], "p1", {"port_uuid": NOBODY, "fixed_address": "10.0.0.9"})
    return str(floating["uuid"])


def membership_of_no_port(scene: Scene) -> str:
    with scene.cloud.api.write() as conn:
        security_groups.join(conn, [NOBODY], [NOBODY])
    return NOBODY


def charge_of_a_deleted_server(scene: Scene) -> str:
    m = mappings.instance_mappings
    charge = {"instances": 1, "cores": 2, "ram": 3}
    with scene.cloud.api.write() as conn:
        conn.execute(m.insert().values(instance_uuid=NOBODY, project_id="p1", user_id="u1", queued_for_delete=True,
                                       fence=3, charge=charge, created_at=concurrency.time()))
        quotas.charge(conn, "p1", charge, {}, known=charge)
    return NOBODY


def wrong_usage(scene: Scene) -> str:
    u = quotas.quota_usages
    with scene.cloud.api.write() as conn:
        conn.execute(u.update().where(u.c.project_id == "p1", u.c.resource == "cores").values(used=9))
    return "p1/cores"


def copy_without_mapping(scene: Scene) -> str:
    cell = next(c for c in scene.cloud.cells.all() if c.name == "cell1")
    with cell.database.write() as conn:
        row = instances.get(conn, scene.server)
        assert row is not None
        instances.insert(conn, [{k: v for k, v in row.items() if k != "id"} | {"uuid": NOBODY}])
        instances.add_fault(conn, NOBODY, {"message": "x"})
    return NOBODY


def member_that_is_gone(scene: Scene) -> str:
    group = concurrency.uuid4()
    with scene.cloud.api.write() as conn:
        server_groups.create(conn, {"uuid": group, "name": "g", "project_id": "p1", "user_id": "u1",
                                    "policy": "affinity", "rules": {}})
        server_groups.add_member(conn, group, NOBODY)
    return NOBODY


LEAKS: dict[str, Callable[[Scene], str]] = {
    "claim": claim_of_nobody, "excess_claim": claim_elsewhere, "counter": wrong_counter, "port": port_of_nobody,
    "address": address_without_port, "floating": floating_address_without_port,
    "membership": membership_of_no_port, "charge": charge_of_a_deleted_server, "usage": wrong_usage,
    "copy": copy_without_mapping, "member": member_that_is_gone}


@pytest.mark.parametrize("kind", LEAKS)
def test_each_leak_is_found_and_mended(scene: Scene, kind: str) -> None:
    cloud = scene.cloud
    auditor = Auditor(cloud.api, cloud.cells)
    assert auditor.scan() == []
    before = truth.claim_of(cloud, scene.server), truth.usage(cloud), truth.ports_of(cloud, scene.server)
    subject = LEAKS[kind](scene)
    found = auditor.scan()
    assert [(leak.kind, leak.subject) for leak in found] == [(kind, subject)]
    assert auditor.repair(found) == 1
    assert auditor.scan() == []
    assert (truth.claim_of(cloud, scene.server), truth.usage(cloud), truth.ports_of(cloud, scene.server)) == before
    cloud.operations.stop(cloud.context(), scene.server)
    cloud.wait_state(scene.server, "stopped")
    cloud.operations.delete(cloud.context(), scene.server)
    cloud.wait_gone(scene.server)
    truth.nothing_left(cloud)


def test_every_kind_is_planted() -> None:
    """The documentation of a leak names the kinds that the tests plant."""
    named = (Leak.__doc__ or "").split("``subject``")[0]
    assert all(kind in named for kind in LEAKS)
    assert set(named.replace("``kind``:", "").replace(" or ", ", ").replace(".", "").replace(" ", "").replace(
        "\n", "").split(",")) - {""} == set(LEAKS)


def test_servers_with_an_open_operation_are_left_alone(scene: Scene) -> None:
    cloud = scene.cloud
    knobs = cloud.hosts[scene.host].manager.driver.knobs
    knobs.hang("power_off")
    try:
        cloud.operations.stop(cloud.context(), scene.server)
        claim_elsewhere(scene)
        assert Auditor(cloud.api, cloud.cells).scan() == []
    finally:
        knobs.release("power_off")
    cloud.wait_state(scene.server, "stopped")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert [leak.kind for leak in Auditor(cloud.api, cloud.cells).scan()] == ["excess_claim"]


def test_a_repair_is_left_out_when_the_server_has_moved_on(scene: Scene) -> None:
    cloud = scene.cloud
    claim_elsewhere(scene)
    auditor = Auditor(cloud.api, cloud.cells)
    [leak] = auditor.scan()
    with cloud.api.write() as conn:
        mappings.raise_fence(conn, scene.server, truth.mapping(cloud, scene.server)["fence"] + 1)
    auditor.repair([leak])
    assert scene.elsewhere in truth.claim_of(cloud, scene.server)
    auditor.repair(auditor.scan())
    assert scene.elsewhere not in truth.claim_of(cloud, scene.server)


def test_a_correction_counts_again(scene: Scene) -> None:
    """What was charged between the look and the repair is not lost."""
    cloud = scene.cloud
    wrong_usage(scene)
    auditor = Auditor(cloud.api, cloud.cells)
    found = auditor.scan()
    another = cloud.boot()[0]
    auditor.repair(found)
    assert truth.usage(cloud) == {"instances": 2, "cores": 2, "ram": 1024}
    cloud.wait_state(another, "active")


def test_only_what_two_passes_saw_is_mended(scene: Scene) -> None:
    auditor = Auditor(scene.cloud.api, scene.cloud.cells)
    assert auditor.look_and_mend() == []
    claim_of_nobody(scene)
    assert auditor.look_and_mend() == []
    assert truth.claim_of(scene.cloud, NOBODY) != {}
    assert [(leak.kind, leak.subject) for leak in auditor.look_and_mend()] == [("claim", NOBODY)]
    assert auditor.look_and_mend() == []
    assert truth.claim_of(scene.cloud, NOBODY) == {}


def test_what_the_second_pass_does_not_see_is_left_alone(scene: Scene) -> None:
    """A claim that comes and goes, and comes again, is at work."""
    auditor = Auditor(scene.cloud.api, scene.cloud.cells)
    for _ in range(3):
        claim_of_nobody(scene)
        assert auditor.look_and_mend() == []
        with scene.cloud.api.write() as conn:
            claims.release(conn, NOBODY)
        assert auditor.look_and_mend() == []


def test_it_mends_by_itself(scene: Scene) -> None:
    claim_of_nobody(scene)
    auditor = Auditor(scene.cloud.api, scene.cloud.cells, interval=0.05)
    auditor.start()
    try:
        scene.cloud.wait(lambda: truth.claim_of(scene.cloud, NOBODY) == {})
    finally:
        auditor.stop()


def test_a_silent_cell_makes_no_leaks(scene: Scene) -> None:
    cloud = scene.cloud
    cell = next(c for c in cloud.cells.all() if c.name == "cell1")
    claim_elsewhere(scene)
    with edges.unreachable(cell.database):
        assert Auditor(cloud.api, cloud.cells).scan() == []
    assert Auditor(cloud.api, cloud.cells).scan() != []


def test_a_guest_of_nobody_is_removed_by_its_host(scene: Scene) -> None:
    cloud = scene.cloud
    manager = cloud.hosts[scene.host].manager
    driver = manager.driver
    record = dataclasses.replace(driver.guests.get(scene.server), uuid=NOBODY)
    driver.guests.save(record)
    manager.check()
    assert driver.exists(NOBODY)
    manager.check()
    assert driver.list() == [scene.server]
    driver.guests.save(record)
    cloud.stop_host(scene.host)
    cloud.start_host(scene.host, cloud.cells_of_hosts[scene.host])
    fresh = cloud.hosts[scene.host].manager.driver
    cloud.wait(lambda: fresh.list() == [scene.server], what="a start removes it at once")
