# SPDX-License-Identifier: Apache-2.0
"""Floating and fixed addresses: held by projects, led to servers, shown with them, given back."""

from __future__ import annotations

from typing import Any

import pytest

from nova.conductor.audit import Auditor
from nova.db.api import network_queries
from nova.networks import allocation
from nova.networks import floating_ips as library
from tests.api.compute import networked
from tests.api.compute.conftest import PROJECTS, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"
FLOATING = "/os-floating-ips"


def pool(api: Api, name: str = "public", cidr: str = "192.0.2.0/29") -> None:
    with api.database.write() as conn:
        library.add_range(conn, library.create_pool(conn, name), cidr)


def get(api: Api, **more: Any) -> dict[str, Any]:
    answer = api("POST", FLOATING, {"pool": "public"}, **more)
    assert answer.status == 200, answer
    floating: dict[str, Any] = answer.body["floating_ip"]
    return floating


def act(api: Api, server: str, action: str, address: str, **more: Any) -> int:
    members = {k: v for k, v in more.items() if k == "fixed_address"}
    how = {k: v for k, v in more.items() if k not in members}
    return api("POST", f"/servers/{server}/action", {action: {"address": address, **members}}, **how).status


def addresses(api: Api, server: str) -> dict[str, str]:
    """Address → kind, as the server shows them."""
    shown = api("GET", f"/servers/{server}").body["server"]["addresses"].get("private", [])
    return {a["addr"]: a["OS-EXT-IPS:type"] for a in shown}


def test_addresses_are_held_and_given_back(api: Api) -> None:
    assert api("GET", "/os-floating-ip-pools").body == {"floating_ip_pools": []}
    assert api("POST", FLOATING, None).status == 404
    pool(api)
    pool(api, "other", "198.51.100.0/30")
    assert api("GET", "/os-floating-ip-pools").body == {"floating_ip_pools": [{"name": "public"}, {"name": "other"}]}
    assert api("POST", FLOATING, {"pool": "nope"}).status == 404
    first, second = get(api), api("POST", FLOATING, None).body["floating_ip"]
    assert first == {"id": first["id"], "ip": "192.0.2.1", "pool": "public", "fixed_ip": None, "instance_id": None}
    assert second["ip"] == "192.0.2.2"
    assert api("GET", FLOATING, who="reader").body == {"floating_ips": [first, second]}
    assert api("GET", f"{FLOATING}/{first['id']}").body == {"floating_ip": first}
    assert api("DELETE", f"{FLOATING}/{first['id']}").status == 202
    assert api("GET", FLOATING).body == {"floating_ips": [second]}
    assert [api(m, f"{FLOATING}/{first['id']}").status for m in ("GET", "DELETE")] == [404, 404]
    for path in (FLOATING, "/os-floating-ip-pools", f"{FLOATING}/{second['id']}"):
        assert api("GET", path, version="2.36").status == 404


def test_addresses_of_others(api: Api) -> None:
    pool(api)
    floating = get(api)
    at = f"{FLOATING}/{floating['id']}"
    assert [api(m, at, who="other").status for m in ("GET", "DELETE")] == [404, 404]
    assert [api("POST", FLOATING, None, who="reader").status, api("DELETE", at, who="reader").status] == [403, 403]
    assert api("GET", FLOATING, who="other").body == {"floating_ips": []}
    assert api("GET", FLOATING).body == {"floating_ips": [floating]}


def test_quota_and_the_end_of_a_pool(api: Api) -> None:
    pool(api)
    limit = {"quota_set": {"floating_ips": 2}}
    api("PUT", f"/os-quota-sets/{PROJECTS['demo']}", limit, who="admin")
    held = [get(api) for _ in range(2)]
    assert api("POST", FLOATING, None).status == 403
    assert api("GET", "/limits").body["limits"]["absolute"]["totalFloatingIpsUsed"] == 2
    for _ in range(4):
        get(api, who="other")
    full = api("POST", FLOATING, None, who="other")
    assert full.body["itemNotFound"]["message"] == "No more floating IPs in pool public."
    api("DELETE", f"{FLOATING}/{held[0]['id']}")
    assert get(api, who="other")["ip"] == held[0]["ip"]


def test_an_address_leads_to_a_server_and_moves_to_another(api: Api) -> None:
    networked.network(api)
    pool(api)
    floating, first, second = get(api), networked.server(api), networked.server(api)
    ip = floating["ip"]
    assert act(api, first, "addFloatingIp", ip) == 202
    fixed = next(a for a, kind in addresses(api, first).items() if kind == "fixed")
    assert addresses(api, first) == {fixed: "fixed", ip: "floating"}
    shown = api("GET", f"{FLOATING}/{floating['id']}").body["floating_ip"]
    assert shown == floating | {"fixed_ip": fixed, "instance_id": first}
    found = api("GET", f"/servers?ip={ip.replace('.', '[.]')}", version="2.1").body["servers"]
    assert [s["id"] for s in found] == [first]
    assert act(api, second, "removeFloatingIp", ip) == 409
    assert act(api, second, "addFloatingIp", ip, version="2.43") == 202
    assert (ip in addresses(api, first), ip in addresses(api, second)) == (False, True)
    assert act(api, second, "removeFloatingIp", ip) == 202
    assert ip not in addresses(api, second)
    assert api("GET", f"{FLOATING}/{floating['id']}").body["floating_ip"] == floating
    assert act(api, second, "removeFloatingIp", ip) == 409


def test_two_addresses_of_a_pool_do_not_lead_to_one_place(api: Api) -> None:
    networked.network(api)
    pool(api)
    pool(api, "other", "198.51.100.0/30")
    first, second, server = get(api), get(api), networked.server(api)
    assert [act(api, server, "addFloatingIp", ip) for ip in (first["ip"], first["ip"], second["ip"])] == [202, 202, 400]
    other = api("POST", FLOATING, {"pool": "other"}).body["floating_ip"]["ip"]
    assert act(api, server, "addFloatingIp", other) == 202
    assert act(api, server, "removeFloatingIp", first["ip"]) == 202
    assert act(api, server, "addFloatingIp", second["ip"]) == 202
    assert {a for a, kind in addresses(api, server).items() if kind == "floating"} == {second["ip"], other}


def test_an_address_that_is_given_back_leaves_its_server(api: Api) -> None:
    networked.network(api)
    pool(api)
    floating, server = get(api), networked.server(api)
    act(api, server, "addFloatingIp", floating["ip"])
    assert api("DELETE", f"{FLOATING}/{floating['id']}").status == 202
    assert floating["ip"] not in addresses(api, server)
    assert api("GET", f"/servers?ip={floating['ip']}").body["servers"] == []


@pytest.mark.parametrize("address, status", [("192.0.2.6", 404), ("banana", 400)])
def test_addresses_that_cannot_lead_anywhere(api: Api, address: str, status: int) -> None:
    networked.network(api)
    pool(api)
    server, mine = networked.server(api), get(api)["ip"]
    for action in ("addFloatingIp", "removeFloatingIp"):
        assert act(api, server, action, address) == status
        assert act(api, server, action, mine, version="2.44") == 404
        assert act(api, server, action, mine, who="other") == 404
        assert act(api, server, action, mine, who="reader") == 403
    assert act(api, server, "addFloatingIp", get(api, who="other")["ip"]) == 404
    assert act(api, server, "addFloatingIp", mine, fixed_address="10.9.0.99") == 400
    assert act(api, api.server(), "addFloatingIp", mine) == 400
    assert act(api, networked.server(api, host=None), "addFloatingIp", mine) == 409
    assert "floating" not in addresses(api, server).values()


def test_fixed_addresses_come_and_go(api: Api) -> None:
    network, elsewhere = networked.network(api), networked.network(api, "elsewhere", "10.8.0.0/24")
    pool(api)
    server = networked.server(api)
    before = addresses(api, server)

    def change(action: str, body: Any, **how: Any) -> int:
        return api("POST", f"/servers/{server}/action", {action: body}, **how).status

    assert change("addFixedIp", {"networkId": network}) == 202
    added = next(iter(addresses(api, server).keys() - before))
    assert len(addresses(api, server)) == 2
    interface = api("GET", f"/servers/{server}/os-interface").body["interfaceAttachments"][0]
    assert added in [ip["ip_address"] for ip in interface["fixed_ips"]]
    floating = get(api)["ip"]
    assert act(api, server, "addFloatingIp", floating, fixed_address=added) == 202
    assert change("removeFixedIp", {"address": added}, version="2.43") == 202
    assert addresses(api, server) == before
    assert api("GET", FLOATING).body["floating_ips"][0]["fixed_ip"] is None
    assert change("removeFixedIp", {"address": added}) == 400
    assert [change("addFixedIp", {"networkId": n}) for n in (elsewhere, 7)] == [400, 400]
    for action, body in (("addFixedIp", {"networkId": network}), ("removeFixedIp", {"address": added})):
        assert change(action, body, version="2.44") == 404
        assert (change(action, body, who="other"), change(action, body, who="reader")) == (404, 403)
    assert addresses(api, server) == before


def test_a_deleted_server_leaves_nothing_behind(api: Api) -> None:
    networked.network(api)
    pool(api)
    floating, server = get(api), networked.server(api)
    act(api, server, "addFloatingIp", floating["ip"])
    with api.database.write() as conn:
        assert allocation.release(conn, server) == 1
    assert api("GET", FLOATING).body == {"floating_ips": [floating]}
    with api.database.read() as conn:
        assert network_queries.find_ports(conn, project_id=PROJECTS["demo"]) == []


def test_the_auditor_knows_addresses_of_no_port(api: Api) -> None:
    pool(api)
    floating = get(api)
    with api.database.write() as conn:
        library.table.change(conn, floating["id"], PROJECTS["demo"],
                             {"port_uuid": UNKNOWN, "fixed_address": "10.9.0.2"})
    auditor = Auditor(api.database, api.deps.cells)
    found = [leak for leak in auditor.scan() if leak.kind == "floating"]
    assert [leak.subject for leak in found] == [floating["id"]]
    auditor.repair(found)
    assert api("GET", FLOATING).body == {"floating_ips": [floating]}
    assert [leak for leak in auditor.scan() if leak.kind == "floating"] == []
