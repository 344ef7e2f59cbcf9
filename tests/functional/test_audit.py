# SPDX-License-Identifier: Apache-2.0
"""The auditor: each class of leak is planted, found, and mended; what is under way is left alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from nova import concurrency
from nova.conductor.audit import KINDS, Auditor
from nova.conductor.auditing.hosts import HOST_KINDS, HostAudit
from nova.conductor.auditing.scope import EVERYTHING, Scope, slices
from nova.db.api import cells as mappings
from nova.db.api import networks, placement, quotas, security_groups, server_groups
from nova.db.cell import instances
from nova.networks import allocation, floating_ips
from nova.placement import claims
from nova.quota import holds
from nova.virt.fake.resize import ASIDE
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


def claim_of_a_move_that_is_over(scene: Scene) -> str:
    """An operation of the server has kept its former claim, and the server cannot go back any more."""
    [create] = scene.cloud.servers.operations(scene.cloud.context(admin=True), scene.server)
    with scene.cloud.api.write() as conn:
        claims.claim(conn, create["uuid"], "p1", "u1", scene.elsewhere, RESOURCES, consumer_type=claims.MIGRATION)
    return str(create["uuid"])


def mapping_of_nothing(scene: Scene) -> str:
    """With all that it still holds."""
    m, charge = mappings.instance_mappings, {"instances": 1, "cores": 2}
    cell = next(c for c in scene.cloud.cells.all() if c.name == "cell1")
    with scene.cloud.api.write() as conn:
        conn.execute(m.insert().values(instance_uuid=NOBODY, project_id="p1", user_id="u1", queued_for_delete=False,
                                       fence=3, charge=charge, cell_uuid=cell.uuid, created_at=concurrency.time()))
        quotas.charge(conn, "p1", charge, {}, known=charge)
        claims.claim(conn, NOBODY, "p1", "u1", scene.elsewhere, RESOURCES)
    return NOBODY


def request_of_a_create_that_is_over(scene: Scene) -> str:
    with scene.cloud.api.write() as conn:
        conn.execute(mappings.NEW_REQUEST, {"instance_uuid": scene.server, "project_id": "p1", "instance": {},
                                            "block_devices": [], "created_at": concurrency.time()})
    return scene.server


def quota_of_a_resize_that_never_was(scene: Scene) -> str:
    """The process died between charging and accepting."""
    operation = concurrency.uuid4()
    with scene.cloud.api.write() as conn:
        holds.hold(conn, scene.cloud.operations.deps.quota, scene.server, operation,
                   {"instances": 1, "cores": 3, "ram": 512})
    return f"{scene.server}/{operation}"


def volume_of_a_deleted_server(scene: Scene) -> str:
    cell = next(c for c in scene.cloud.cells.all() if c.name == "cell1")
    device = concurrency.uuid4()
    with cell.database.write() as conn:
        conn.execute(instances.NEW_DEVICE, {
            "uuid": device, "instance_uuid": NOBODY, "source_type": "volume", "destination_type": "volume",
            "volume_id": NOBODY, "delete_on_termination": False, "created_at": concurrency.time()})
    return device


LEAKS: dict[str, Callable[[Scene], str]] = {
    "claim": claim_of_nobody, "excess_claim": claim_elsewhere, "counter": wrong_counter, "port": port_of_nobody,
    "address": address_without_port, "floating": floating_address_without_port,
    "membership": membership_of_no_port, "charge": charge_of_a_deleted_server, "usage": wrong_usage,
    "copy": copy_without_mapping, "member": member_that_is_gone, "migration": claim_of_a_move_that_is_over,
    "mapping": mapping_of_nothing, "build_request": request_of_a_create_that_is_over,
    "attachment": volume_of_a_deleted_server, "hold": quota_of_a_resize_that_never_was}


@pytest.mark.parametrize("kind", LEAKS)
def test_each_leak_is_found_and_mended(scene: Scene, kind: str) -> None:
    cloud = scene.cloud
    auditor = Auditor(cloud.api, cloud.cells, full_pass=0)
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
    assert set(LEAKS) == set(KINDS)


@pytest.mark.parametrize("kind", LEAKS)
def test_each_leak_is_seen_in_its_slice_and_by_its_key(scene: Scene, kind: str) -> None:
    auditor = Auditor(scene.cloud.api, scene.cloud.cells)
    subject = LEAKS[kind](scene)
    parts = [leak for part in slices(7) for leak in auditor.scan(part)]
    assert [(leak.kind, leak.subject) for leak in parts] == [(kind, subject)]
    assert auditor.scan(Scope(frozenset({parts[0].key}))) == parts
    assert auditor.scan(Scope(frozenset({"another"}))) == []


def test_slices_cover_every_key_once() -> None:
    parts = slices(60)
    assert len(parts) == 60 and parts[0].first is None and parts[-1].last is None
    assert [a.last for a in parts[:-1]] == [b.first for b in parts[1:]]
    assert slices(1) == [EVERYTHING]


def test_what_changed_is_looked_at_at_once(cloud: Cloud) -> None:
    """A leak that an operation left is seen by the next turn, not when the slow pass comes to it."""
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    auditor = Auditor(cloud.api, cloud.cells, full_pass=60 * 1_000_000)
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    with cloud.api.write() as conn:
        claims.claim(conn, uuid, "p1", "u1", truth.provider_of(cloud, "host1"), RESOURCES)
    assert auditor.look_and_mend() == []
    assert [leak.kind for leak in auditor.look_and_mend()] == ["claim"]
    assert auditor.scan() == []


def test_request_specs_of_deleted_servers_go(scene: Scene) -> None:
    cloud, m, s = scene.cloud, mappings.instance_mappings, mappings.request_specs
    cloud.operations.delete(cloud.context(), scene.server)
    cloud.wait_gone(scene.server)
    auditor = Auditor(cloud.api, cloud.cells, full_pass=0)
    for ago, left in ((60.0, 1), (7200.0, 0)):
        with cloud.api.write() as conn:
            conn.execute(m.update().where(m.c.instance_uuid == scene.server).values(
                deleted_at=concurrency.time() - ago))
        auditor.look_and_mend()
        with cloud.api.read() as conn:
            assert conn.execute(sa.select(sa.func.count()).select_from(s)).scalar_one() == left


def test_what_a_server_keeps_for_the_way_back_is_no_leak(scene: Scene) -> None:
    claim_of_a_move_that_is_over(scene)
    cell = next(c for c in scene.cloud.cells.all() if c.name == "cell1")
    auditor = Auditor(scene.cloud.api, scene.cloud.cells)
    assert [leak.kind for leak in auditor.scan()] == ["migration"]
    with cell.database.write() as conn:
        instances.update(conn, scene.server, vm_state="resized")
    assert auditor.scan() == []
    with edges.unreachable(cell.database):
        assert auditor.scan() == []


def test_servers_with_an_open_operation_are_left_alone(scene: Scene) -> None:
    cloud = scene.cloud
    knobs = cloud.hosts[scene.host].manager.driver.knobs
    knobs.hang("power_off")
    try:
        cloud.operations.stop(cloud.context(), scene.server)
        claim_elsewhere(scene)
        assert Auditor(cloud.api, cloud.cells, full_pass=0).scan() == []
    finally:
        knobs.release("power_off")
    cloud.wait_state(scene.server, "stopped")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert [leak.kind for leak in Auditor(cloud.api, cloud.cells, full_pass=0).scan()] == ["excess_claim"]


def test_a_repair_is_left_out_when_the_server_has_moved_on(scene: Scene) -> None:
    cloud = scene.cloud
    claim_elsewhere(scene)
    auditor = Auditor(cloud.api, cloud.cells, full_pass=0)
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
    auditor = Auditor(cloud.api, cloud.cells, full_pass=0)
    found = auditor.scan()
    another = cloud.boot()[0]
    auditor.repair(found)
    assert truth.usage(cloud) == {"instances": 2, "cores": 2, "ram": 1024}
    cloud.wait_state(another, "active")


def test_only_what_two_passes_saw_is_mended(scene: Scene) -> None:
    auditor = Auditor(scene.cloud.api, scene.cloud.cells, full_pass=0)
    assert auditor.look_and_mend() == []
    claim_of_nobody(scene)
    assert auditor.look_and_mend() == []
    assert truth.claim_of(scene.cloud, NOBODY) != {}
    assert [(leak.kind, leak.subject) for leak in auditor.look_and_mend()] == [("claim", NOBODY)]
    assert auditor.look_and_mend() == []
    assert truth.claim_of(scene.cloud, NOBODY) == {}


def test_what_the_second_pass_does_not_see_is_left_alone(scene: Scene) -> None:
    """A claim that comes and goes, and comes again, is at work."""
    auditor = Auditor(scene.cloud.api, scene.cloud.cells, full_pass=0)
    for _ in range(3):
        claim_of_nobody(scene)
        assert auditor.look_and_mend() == []
        with scene.cloud.api.write() as conn:
            claims.release(conn, NOBODY)
        assert auditor.look_and_mend() == []


def test_it_mends_by_itself(scene: Scene) -> None:
    claim_of_nobody(scene)
    auditor = Auditor(scene.cloud.api, scene.cloud.cells, interval=0.05, full_pass=0.5)
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
        assert Auditor(cloud.api, cloud.cells, full_pass=0).scan() == []
    assert Auditor(cloud.api, cloud.cells, full_pass=0).scan() != []


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


def test_hosts_are_asked_for_what_belongs_to_nobody(scene: Scene) -> None:
    """A guest of no server, and disks that were set aside for a way back which is closed."""
    cloud = scene.cloud
    driver = cloud.hosts[scene.host].manager.driver
    other = "0e0e0e0e-0000-4000-8000-000000000002"
    driver.guests.save(dataclasses.replace(driver.guests.get(scene.server), uuid=NOBODY))
    driver.guests.save(dataclasses.replace(driver.guests.get(scene.server), uuid=other + ASIDE))
    audit = HostAudit(cloud.plane("audit").cells, lease=5.0)
    found = audit.scan()
    assert [(leak.kind, leak.key) for leak in found] == [("disks", other), ("guest", NOBODY)]
    assert all(leak.subject.endswith(f"@{scene.host}") for leak in found) and audit.silent == {}
    assert {leak.kind for leak in found} == set(HOST_KINDS)
    audit.repair(found)
    cloud.wait(lambda: audit.scan() == [], what="the host has removed them")
    assert driver.list() == [scene.server]


def test_a_host_that_is_down_is_named(scene: Scene) -> None:
    cloud = scene.cloud
    cloud.stop_host(scene.host)
    truth.write_heartbeats(cloud)
    truth.silence(cloud, scene.host, 60)
    audit = HostAudit(cloud.plane("audit").cells, lease=5.0)
    assert audit.scan() == []
    assert audit.silent == {scene.host: "it is down"}
