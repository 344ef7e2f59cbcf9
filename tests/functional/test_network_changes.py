# SPDX-License-Identifier: Apache-2.0
"""What changes in the network records reaches the cells of the servers, whoever changed it and died."""

from __future__ import annotations

from typing import Any

from nova import concurrency, errors
from nova.networks import floating_ips, security_groups, security_rules
from nova.networks.pools import Pools
from nova.operations.floating_ips import FloatingIps
from nova.operations.security_groups import SecurityGroups
from tests.functional.cloud import Cloud


def found(cloud: Cloud, uuid: str) -> dict[str, Any]:
    row = cloud.server(uuid)
    assert row is not None
    return row


def test_a_marked_change_reaches_the_cell_without_the_api(cloud: Cloud) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    with cloud.api.write() as conn:
        group = security_groups.ensure_default(conn, "p1")
        security_groups.add_rule(conn, security_rules.rule(group, {"direction": "ingress", "protocol": "tcp",
                                                                   "port_range_min": 22, "port_range_max": 22}))
    allowed = [{"protocol": "tcp", "ports": [22, 22], "source": None}]
    cloud.wait(lambda: found(cloud, uuid)["network_info"][0].get("ingress") == allowed)
    assert found(cloud, uuid)["vm_state"] == "active"


def test_a_new_server_has_the_rules_of_its_groups_and_gives_its_address_back(cloud: Cloud) -> None:
    Pools(cloud.api).add("public", "192.0.2.0/29")
    with cloud.api.write() as conn:
        group = security_groups.create(conn, "p1", "web", "")
        security_groups.add_rule(conn, security_rules.rule(group, {"direction": "ingress", "protocol": "icmp"}))
        floating = floating_ips.allocate(conn, floating_ips.pool(conn), "p1")
    uuid = cloud.boot(security_groups=("web",))[0]
    vif = cloud.wait_state(uuid, "active")["network_info"][0]
    assert (vif["security_groups"], vif["ingress"]) == (
        ["web"], [{"protocol": "icmp", "ports": None, "source": None}])
    with cloud.api.write() as conn:
        floating_ips.associate(conn, floating, floating_ips.queries.ports_of(conn, [uuid]), None)
    cloud.wait(lambda: found(cloud, uuid)["addresses"].split()[1:] == [floating["address"]])
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    with cloud.api.read() as conn:
        kept = floating_ips.get(conn, "p1", uuid=floating["uuid"])
    assert (kept["port_uuid"], kept["fixed_address"]) == (None, None)


def test_quota_cannot_be_passed_by_asking_together(cloud: Cloud) -> None:
    """Ten floating addresses and ten groups, ``default`` among them, however many ask at the same moment."""
    Pools(cloud.api).add("public", "192.0.2.0/26")
    floating, groups = FloatingIps(cloud.operations.deps), SecurityGroups(cloud.operations.deps)
    outcomes: list[str] = []

    def ask(number: int) -> None:
        for what, act in (("address", lambda: floating.allocate(cloud.context(), None)),
                          ("group", lambda: groups.create(cloud.context(), f"g{number}", ""))):
            try:
                act()
                outcomes.append(what)
            except errors.OverQuota:
                outcomes.append(f"no {what}")

    tasks = [concurrency.spawn(ask, n, name=f"asks-{n}") for n in range(16)]
    for task in tasks:
        task.join(120)
    assert {o: outcomes.count(o) for o in outcomes} == {"address": 10, "no address": 6, "group": 9, "no group": 7}
    assert len(floating.list(cloud.context())) == len(groups.list(cloud.context())) == 10
