# SPDX-License-Identifier: Apache-2.0
"""Addresses are given to exactly one port each, once, and come back after their lease; the same on every engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import networks as tables
from nova.db.engine import Database
from nova.networks import allocation, documents
from nova.networks.manager import Networks

Allocate = Callable[..., list[dict[str, Any]]]


def address(vifs: list[dict[str, Any]]) -> str:
    return str(vifs[0]["ips"][0]["address"])


def release(db: Database, server: str) -> int:
    return db.run(lambda conn: allocation.release(conn, server))


def test_network_info_is_complete(networks: Networks, allocate: Allocate) -> None:
    network = networks.create_network("private", "10.0.0.0/24", dns=["9.9.9.9"], mtu=1450)
    [vif] = allocate(requested=[{"uuid": network["id"], "tag": "lan"}])
    assert vif["network"] == network | {"gateway": "10.0.0.1", "dhcp_server": "10.0.0.1", "bridge": "br100"}
    assert vif["ips"] == [{"address": "10.0.0.2", "version": 4, "type": "fixed"}]
    assert vif["device"] == "tap" + vif["id"][:11] and len(vif["device"]) < 16
    assert (vif["index"], vif["tag"], vif["security_groups"]) == (0, "lan", ["default"])
    assert vif["address"].startswith("fa:16:3e:") and len(vif["address"]) == 17


def test_repeat_returns_the_same(networks: Networks, allocate: Allocate, db: Database) -> None:
    one = networks.create_network("one", "10.0.0.0/24")
    two = networks.create_network("two", "10.0.1.0/24")
    server = concurrency.uuid4()
    wanted = [{"uuid": two["id"]}, {"uuid": one["id"]}, {"uuid": one["id"], "fixed_ip": "10.0.0.9"}]
    first = allocate(server, requested=wanted)
    assert [v["ips"][0]["address"] for v in first] == ["10.0.1.2", "10.0.0.2", "10.0.0.9"]
    assert allocate(server, requested=wanted) == first
    with db.read() as conn:
        other = concurrency.uuid4()
        assert documents.network_info(conn, [server, other]) == {server: first, other: []}


def test_default_is_the_projects_own_network_or_the_shared_one(networks: Networks, allocate: Allocate) -> None:
    assert allocate() == []
    with pytest.raises(errors.Invalid, match="automatically allocate"):
        allocate(requested="auto")
    shared = networks.create_network("private", "10.0.0.0/24")
    own = networks.create_network("own", "10.0.1.0/24", project_id="p2")
    assert allocate(requested="none") == []
    assert [v["network"]["id"] for v in allocate()] == [shared["id"]]
    assert [v["network"]["id"] for v in allocate(project="p2", requested="auto")] == [own["id"]]


def test_foreign_and_unknown_networks_are_refused(networks: Networks, allocate: Allocate, db: Database) -> None:
    foreign = networks.create_network("own", "10.0.1.0/24", project_id="p2")["id"]
    for uuid in (foreign, concurrency.uuid4()):
        with pytest.raises(errors.Invalid, match=f"Network {uuid} could not be found."):
            allocate(requested=[{"uuid": uuid}])
        with db.read() as conn, pytest.raises(errors.Invalid, match="could not be found"):
            allocation.check(conn, "p1", [{"uuid": uuid}])


@pytest.mark.parametrize("wrong", ["10.0.9.9", "10.0.0.1", "10.0.0.0", "10.0.0.255", "ten", "10.0.0.77"])
def test_fixed_addresses_that_cannot_be_had(networks: Networks, allocate: Allocate, db: Database, wrong: str) -> None:
    network = networks.create_network("private", "10.0.0.0/24")["id"]
    allocate(requested=[{"uuid": network, "fixed_ip": "10.0.0.77"}])
    request = [{"uuid": network, "fixed_ip": wrong}]
    with pytest.raises(errors.Invalid, match=wrong):
        allocate(requested=request)
    with db.read() as conn, pytest.raises(errors.Invalid, match=wrong):
        allocation.check(conn, "p1", request)
    with db.read() as conn:
        assert allocation.check(conn, "p1", [{"uuid": network, "fixed_ip": "10.0.0.78"}]) == 1


def test_fixed_address_beyond_the_pool_is_not_given_twice(networks: Networks, allocate: Allocate) -> None:
    """The pool grows over addresses that were asked for by name."""
    network = networks.create_network("private", "10.0.0.0/22", range_start="10.0.0.250")["id"]
    assert address(allocate(requested=[{"uuid": network, "fixed_ip": "10.0.2.5"}])) == "10.0.2.5"
    given = [address(allocate()) for _ in range(280)]
    assert len(set(given)) == 280 and "10.0.2.5" not in given


def test_full_network(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/29")
    servers = [concurrency.uuid4() for _ in range(5)]
    assert [address(allocate(s)) for s in servers] == [f"10.0.0.{n}" for n in range(2, 7)]
    with pytest.raises(errors.Conflict, match="No fixed IP addresses available for network: private"):
        allocate()
    release(db, servers[0])
    with pytest.raises(errors.Conflict):
        allocate()


def test_address_is_free_again_after_its_lease(networks: Networks, allocate: Allocate, db: Database,
                                               pass_time: Callable[[float], None]) -> None:
    network = networks.create_network("private", "10.0.0.0/29", lease_time=120)["id"]
    servers = [concurrency.uuid4() for _ in range(5)]
    for server in servers:
        allocate(server)
    assert [release(db, servers[1]), release(db, servers[1])] == [1, 0]
    pass_time(100)
    with pytest.raises(errors.Conflict):
        allocate()
    with pytest.raises(errors.Invalid, match="still leased"):
        allocate(requested=[{"uuid": network, "fixed_ip": "10.0.0.3"}])
    pass_time(30)
    assert address(allocate()) == "10.0.0.3"


def test_racing_writers_never_share_an_address(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/28")
    results: list[str | None] = []

    def work() -> None:
        try:
            results.append(address(allocate()))
        except errors.Conflict:
            results.append(None)

    threads = [threading.Thread(target=work) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = [a for a in results if a]
    assert len(results) == 24
    assert sorted(given) == sorted(set(given)) and set(given) <= {f"10.0.0.{n}" for n in range(2, 15)}
    while len(given) < 13:  # whoever met another's lock at the very end was refused; nothing may be lost by that
        given.append(address(allocate()))
    assert len(set(given)) == 13
    with pytest.raises(errors.Conflict):
        allocate()


def test_racing_writers_extend_the_pool_once(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/22", range_start="10.0.0.10")
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.extend(address(allocate()) for _ in range(60)))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(set(results)) == 360


def test_common_case_is_a_handful_of_statements(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/16")
    allocate()
    seen: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda conn, cur, text, *rest: seen.append(text))
    allocate()
    assert len([s for s in seen if not s.startswith(("BEGIN", "COMMIT"))]) == 7


def test_bind_moves_the_ports(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/24")
    server = concurrency.uuid4()
    [before] = allocate(server, host="h1")
    [after] = db.run(lambda conn: allocation.bind(conn, server, "h2"))
    assert after["version"] > before["version"] and after | {"version": 0} == before | {"version": 0}
    assert db.run(lambda conn: allocation.bind(conn, server, "h2")) == [after]
    assert allocate(server, host="h2") == [after]
    with db.read() as conn:
        assert documents.documents(conn, "h1") == []
        assert [d["vifs"] for d in documents.documents(conn, "h2")] == [[after]]


def test_documents_since_a_version(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/24")
    old, new = concurrency.uuid4(), concurrency.uuid4()
    old_vifs = allocate(old)
    with db.read() as conn:
        [first] = documents.documents(conn, "h1")
    assert first == {"instance_uuid": old, "vifs": old_vifs, "deleted": False, "version": old_vifs[0]["version"]}
    new_vifs = allocate(new)
    with db.read() as conn:
        assert [d["vifs"] for d in documents.documents(conn, "h1", first["version"])] == [new_vifs]
        assert {d["instance_uuid"] for d in documents.documents(conn, "h1")} == {old, new}


def test_audit_finds_what_belongs_to_nobody(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/24")
    living, dead, broken = (concurrency.uuid4() for _ in range(3))
    for server in (living, dead, broken):
        allocate(server)
    with db.write() as conn:
        conn.execute(sa.delete(tables.ports).where(tables.ports.c.instance_uuid == broken))
        leaks = allocation.audit(conn, {living})
    assert [(leak.kind, leak.owner) for leak in leaks if leak.kind == "port"] == [("port", dead)]
    assert [leak.kind for leak in leaks] == ["port", "address", "membership"]
    for leak in leaks:
        with db.write() as conn:
            assert [allocation.repair(conn, leak), allocation.repair(conn, leak)] == [True, False]
    with db.read() as conn:
        assert allocation.audit(conn, {living}) == []
        assert len(documents.network_info(conn, [living])[living]) == 1


def test_lease_is_noted_for_its_port_only(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/24")
    [vif] = allocate()
    [other] = allocate()
    here = address([vif])
    assert db.run(lambda conn: allocation.note_lease(conn, vif["address"], here, True))
    assert not db.run(lambda conn: allocation.note_lease(conn, other["address"], here, True))
    with db.read() as conn:
        leased = sa.select(tables.addresses.c.address).where(tables.addresses.c.leased)
        assert conn.execute(leased).scalars().all() == [here]
