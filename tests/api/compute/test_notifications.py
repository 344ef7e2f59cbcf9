# SPDX-License-Identifier: Apache-2.0
"""What the API tells of flavors, key pairs, aggregates, server groups and services, as it lies in the outbox."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.api.outbox import outbox as api_outbox
from nova.db.cell import instances
from nova.db.cell.outbox import outbox as cell_outbox
from nova.networks import floating_ips
from nova.objects.notifications import catalogue
from nova.store.recorder import UNVERSIONED, VERSIONED, Recorder, Settings
from tests.api.compute import networked
from tests.api.compute.conftest import Api


@pytest.fixture
def listened(api: Api) -> Api:
    """Somebody wants notifications in both formats."""
    settings = Settings(host="ctl", formats=frozenset({VERSIONED, UNVERSIONED}))
    Recorder(api_outbox, lambda conn, uuid: None, settings).attach(api.database)
    Recorder(cell_outbox, instances.get, settings).attach(api.cell)
    return api


def told(api: Api, *, cell: bool = False) -> list[dict[str, Any]]:
    """What is in the outbox, oldest first; it is taken out."""
    database, tables = (api.cell, cell_outbox) if cell else (api.database, api_outbox)
    with database.write() as conn:
        rows = tables.pending(conn, 1000)
        tables.published(conn, [row["id"] for row in rows])
    return rows


def types(rows: list[dict[str, Any]], *, versioned: bool = True) -> list[str]:
    return [row["event_type"] for row in rows if row["versioned"] is versioned]


def test_flavors(listened: Api) -> None:
    body = {"flavor": {"name": "big", "id": "77", "ram": 64, "vcpus": 1, "disk": 1,
                       "os-flavor-access:is_public": False}}
    assert listened("POST", "/flavors", body, who="admin").status == 200
    listened("POST", "/flavors/77/os-extra_specs", {"extra_specs": {"hw:a": "b"}}, who="admin")
    listened("POST", "/flavors/77/action", {"addTenantAccess": {"tenant": "d" * 32}}, who="admin")
    listened("PUT", "/flavors/77", {"flavor": {"description": "d"}}, who="admin", version="2.55")
    listened("POST", "/flavors/77/action", {"removeTenantAccess": {"tenant": "d" * 32}}, who="admin")
    listened("DELETE", "/flavors/77", who="admin")
    rows = told(listened)
    assert types(rows) == ["flavor.create", *["flavor.update"] * 4, "flavor.delete"]
    assert types(rows, versioned=False) == []
    assert {row["publisher_id"] for row in rows} == {"nova-api:ctl"}
    data = [row["payload"]["nova_object.data"] for row in rows]
    assert [d["projects"] for d in data] == [[], [], ["d" * 32], ["d" * 32], [], []]
    assert data[1]["extra_specs"] == {"hw:a": "b"} and data[3]["description"] == "d"
    assert rows[0]["context"]["user_id"] == "u-admin"


def test_key_pairs(listened: Api) -> None:
    made = listened("POST", "/os-keypairs", {"keypair": {"name": "k"}}).body["keypair"]
    listened("POST", "/os-keypairs", {"keypair": {"name": "i", "public_key": made["public_key"]}})
    listened("DELETE", "/os-keypairs/k")
    rows = told(listened)
    wanted = [f"keypair.{what}.{phase}" for what in ("create", "import", "delete") for phase in ("start", "end")]
    assert types(rows) == types(rows, versioned=False) == wanted
    data = rows[0]["payload"]["nova_object.data"]
    assert (data["name"], data["type"], data["public_key"]) == ("k", "ssh", made["public_key"])
    assert "private_key" not in str(rows) and "PRIVATE" not in str(rows)


def test_a_refusal_tells_nothing(listened: Api) -> None:
    listened("POST", "/os-keypairs", {"keypair": {"name": "k"}})
    told(listened)
    assert listened("POST", "/os-keypairs", {"keypair": {"name": "k"}}).status == 409
    assert listened("DELETE", "/os-keypairs/missing").status == 404
    assert listened("DELETE", "/flavors/missing", who="admin").status == 404
    assert told(listened) == []


def test_aggregates(listened: Api) -> None:
    body = {"aggregate": {"name": "a", "availability_zone": "z"}}
    number = listened("POST", "/os-aggregates", body, who="admin").body["aggregate"]["id"]
    where = f"/os-aggregates/{number}"
    listened("PUT", where, {"aggregate": {"name": "b"}}, who="admin")
    listened("POST", where + "/action", {"set_metadata": {"metadata": {"x": "y"}}}, who="admin")
    listened("DELETE", where, who="admin")
    rows = told(listened)
    assert types(rows) == [f"aggregate.{what}.{phase}" for what in (
        "create", "update_prop", "update_metadata", "delete") for phase in ("start", "end")]
    assert types(rows, versioned=False) == [f"aggregate.{what}.{phase}" for what in (
        "create", "updateprop", "updatemetadata", "delete") for phase in ("start", "end")]
    data = [row["payload"]["nova_object.data"] for row in rows if row["versioned"]]
    assert [d["id"] for d in data[:2]] == [None, number]
    assert [d["name"] for d in data[2:4]] == ["a", "b"]
    assert [d["metadata"] for d in data[4:6]] == [{"availability_zone": "z"}, {"availability_zone": "z", "x": "y"}]


def test_server_groups(listened: Api) -> None:
    body = {"server_group": {"name": "g", "policies": ["affinity"]}}
    uuid = listened("POST", "/os-server-groups", body).body["server_group"]["id"]
    listened("DELETE", f"/os-server-groups/{uuid}")
    rows = told(listened)
    assert types(rows) == ["server_group.create", "server_group.delete"]
    assert types(rows, versioned=False) == ["servergroup.create", "servergroup.delete"]
    data = rows[0]["payload"]["nova_object.data"]
    assert (data["uuid"], data["policies"], data["policy"], data["members"]) == (uuid, ["affinity"], "affinity", [])


def test_services(listened: Api) -> None:
    found = listened("GET", "/os-services?binary=nova-compute", who="admin", version="2.53").body["services"]
    assert found
    listened("PUT", f"/os-services/{found[0]['id']}", {"status": "disabled", "disabled_reason": "why"}, who="admin",
             version="2.53")
    rows = told(listened, cell=True)
    assert types(rows) == ["service.update"]
    data = rows[0]["payload"]["nova_object.data"]
    assert (data["disabled"], data["disabled_reason"], data["host"]) == (True, "why", found[0]["host"])
    assert listened("DELETE", f"/os-services/{found[0]['id']}", who="admin", version="2.53").status == 204
    assert types(told(listened, cell=True)) == ["service.delete"]


def test_addresses(listened: Api) -> None:
    """In the unversioned format, which is the only one that has them."""
    network = networked.network(listened)
    server, second = networked.server(listened), networked.server(listened)
    with listened.database.write() as conn:
        floating_ips.add_range(conn, floating_ips.create_pool(conn, "public"), "192.0.2.0/29")
    path, had = f"/servers/{server}/action", networked.row(listened, server)["network_info"][0]["ips"][0]["address"]
    told(listened)
    assert listened("POST", path, {"addFixedIp": {"networkId": network}}).status == 202
    start, end = told(listened)
    assert (start["event_type"], end["event_type"]) == tuple(
        f"compute.instance.create_ip.{phase}" for phase in ("start", "end"))
    added = [ip["address"] for ip in end["payload"]["fixed_ips"]]
    assert len(added) == 2 and had in added and end["payload"]["instance_id"] == server
    assert listened("POST", path, {"removeFixedIp": {"address": had}}).status == 202
    start, end = told(listened)
    assert end["event_type"] == "compute.instance.delete_ip.end"
    assert [ip["address"] for ip in end["payload"]["fixed_ips"]] == [a for a in added if a != had]

    made = listened("POST", "/os-floating-ips", {"pool": "public"}).body["floating_ip"]
    for uuid in (server, second):
        assert listened("POST", f"/servers/{uuid}/action", {"addFloatingIp": {"address": made["ip"]}}).status == 202
    assert listened("DELETE", f"/os-floating-ips/{made['id']}").status == 202
    rows = told(listened)
    assert [(row["event_type"].rpartition(".")[2], row["payload"].get("instance_id")) for row in rows] == [
        ("allocate", None), ("associate", server), ("disassociate", server), ("associate", second),
        ("disassociate", second), ("deallocate", None)]
    assert {row["payload"]["floating_ip"] for row in rows} == {made["ip"]}
    assert {row["event_type"] for row in rows} <= {event.name for event in catalogue.PLAIN}
    assert not any(row["versioned"] for row in rows)
