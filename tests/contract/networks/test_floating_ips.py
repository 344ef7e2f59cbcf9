# SPDX-License-Identifier: Apache-2.0
"""Floating addresses and security groups on every engine, also when several ask at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import floating_ips as table
from nova.db.api import network_queries as queries
from nova.db.api import security_groups as group_tables
from nova.db.engine import Database
from nova.networks import definitions, documents, floating_ips, security_groups, security_rules
from nova.networks.manager import Networks
from nova.networks.pools import Pools

Allocate = Callable[..., list[dict[str, Any]]]


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What each of ``count`` tasks returns or raises."""
    answers: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            answers[number] = work(number)
        except errors.NovaError as e:
            answers[number] = e

    tasks = [concurrency.spawn(run, n, name=f"asks-{n}") for n in range(count)]
    for task in tasks:
        task.join(120)
    return answers


def test_no_address_is_given_twice(db: Database) -> None:
    Pools(db).add("public", "192.0.2.0/29")
    with db.read() as conn:
        pool = floating_ips.pool(conn)
    answers = together(8, lambda n: db.run(lambda conn: floating_ips.allocate(conn, pool, f"p{n}")["address"]))
    given = [a for a in answers if isinstance(a, str)]
    assert sorted(given) == [f"192.0.2.{n}" for n in range(1, 7)]
    assert [type(a) for a in answers if not isinstance(a, str)] == [errors.NotFound] * 2


def test_the_group_default_is_made_once(db: Database) -> None:
    made = together(6, lambda n: db.run(lambda conn: security_groups.ensure_default(conn, "p1")["uuid"]))
    assert len(set(made)) == 1
    with db.read() as conn:
        assert group_tables.count(conn, "p1") == 1
        assert len(group_tables.find_rules(conn, group_uuid=made[0])) == 4


def test_pools_are_filled_and_emptied(db: Database) -> None:
    pools = Pools(db)
    pools.ensure("public", "192.0.2.0/30")
    pools.ensure("public", "198.51.100.0/30")
    pools.add("public", "203.0.113.7/32", "eth9")
    assert [(r["pool"], r["cidr"], r["used"], r["interface"]) for r in pools.list()] == [
        ("public", "192.0.2.0/30", 0, None), ("public", "203.0.113.7/32", 0, None)]
    for cidr, error in (("192.0.2.0/31", errors.Conflict), ("10.0.0.0/19", errors.Invalid), ("x", errors.Invalid)):
        with pytest.raises(error):
            pools.add("other", cidr)
    with db.write() as conn:
        held = floating_ips.allocate(conn, floating_ips.pool(conn, "public"), "p1", address="203.0.113.7")
    with pytest.raises(errors.Conflict, match="belong to projects"):
        pools.remove("203.0.113.7/32")
    with db.write() as conn:
        floating_ips.release(conn, held)
    pools.remove("203.0.113.7/32")
    pools.remove("192.0.2.0/30")
    assert pools.list() == []
    with pytest.raises(errors.NotFound), db.read() as conn:
        floating_ips.pool(conn)
    with pytest.raises(errors.NotFound):
        pools.remove("192.0.2.0/30")


def test_every_change_marks_the_servers_it_concerns(networks: Networks, allocate: Allocate, db: Database) -> None:
    networks.create_network("private", "10.0.0.0/24")
    Pools(db).add("public", "192.0.2.0/29")
    server = concurrency.uuid4()
    [before] = allocate(server)

    def after(change: Callable[[sa.Connection], Any]) -> dict[str, Any]:
        with db.write() as conn:
            change(conn)
        with db.write() as conn:
            marked = queries.changes(conn)
            assert {row.instance_uuid for row in marked} == {server}
            queries.forget_changes(conn, marked)
            assert queries.changes(conn) == []
            return documents.network_info(conn, [server])[server][0]

    with db.write() as conn:
        group = security_groups.ensure_default(conn, "p1")
        floating = floating_ips.allocate(conn, floating_ips.pool(conn), "p1")
        ports = queries.ports_of(conn, [server])
    ruled = after(lambda conn: security_groups.add_rule(conn, security_rules.rule(
        group, {"direction": "ingress", "protocol": "udp", "remote_ip_prefix": "10.1.2.3/8"})))
    assert ruled["ingress"] == [{"protocol": "udp", "ports": None, "source": "10.0.0.0/8"}]
    led = after(lambda conn: floating_ips.associate(conn, floating, ports, None))
    assert led["ips"][0]["floating_ips"] == ["192.0.2.1"]
    assert before["version"] < ruled["version"] < led["version"]
    with db.read() as conn:
        held = table.find(conn, uuid=floating["uuid"])[0]
    assert "floating_ips" not in after(lambda conn: floating_ips.release(conn, held))["ips"][0]


def test_a_draft_becomes_a_network_and_a_draft_again(allocate: Allocate, db: Database) -> None:
    with db.write() as conn:
        uuid = definitions.create(conn, "mine", "p1", mtu=1400)
    assert allocate() == []
    with db.write() as conn:
        definitions.add_subnet(conn, definitions.get(conn, "p1", uuid), "10.7.0.0/24", "sub")
    [vif] = allocate()
    assert (vif["network"]["id"], vif["network"]["mtu"], vif["ips"][0]["address"]) == (uuid, 1400, "10.7.0.2")
    with pytest.raises(errors.Conflict, match="in use"), db.write() as conn:
        definitions.remove_subnet(conn, definitions.get(conn, "p1", uuid), uuid)
    with db.write() as conn:
        queries.release_ports(conn, [vif["id"]])
        definitions.remove_subnet(conn, definitions.get(conn, "p1", uuid), uuid)
        assert [n.kind for n in definitions.list_all(conn, "p1")] == ["draft"]
        assert definitions.list_all(conn, "p2") == []
