# SPDX-License-Identifier: Apache-2.0
"""What hangs on a server: interfaces, volumes, security groups, topology, counters, password, consoles."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nova import concurrency
from nova.api.compute.application import build
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from tests.api.compute import networked
from tests.api.compute.conftest import Api
from tests.api.compute.test_resize import opened

NET, PORT = "3cb9bc59-5699-4588-a4b1-b87f96708bc6", "ce531f90-199f-48c0-816c-13e38010b442"
VOLUME = "a07f71dc-8151-4e7d-a0cc-cd24a3f11113"
OTHER = "227cc671-f30b-4488-96fd-7d0bf13648d8"
VIF = {"id": PORT, "address": "fa:16:3e:00:00:01", "network": {"id": NET, "label": "private"}, "tag": "nic",
       "ips": [{"address": "10.0.0.5", "version": 4, "type": "fixed"}]}


def volume(api: Api, server: str) -> None:
    with api.cell.write() as conn:
        conn.execute(instances.block_devices.insert().values(
            uuid="1aa24536-6fb5-426c-8894-d627f39aa48b", instance_uuid=server, source_type="volume",
            destination_type="volume", device_name="/dev/vdb", volume_id=VOLUME, tag="foo",
            attachment_id="c5684109-0311-4fca-9814-350e46ab7d2a", delete_on_termination=True, created_at=1.0))


def test_interfaces(api: Api) -> None:
    path = f"/servers/{api.server(network_info=[VIF])}/os-interface"
    shown = {"net_id": NET, "port_id": PORT, "mac_addr": "fa:16:3e:00:00:01", "port_state": "ACTIVE",
             "fixed_ips": [{"subnet_id": NET, "ip_address": "10.0.0.5"}]}
    assert api("GET", path).body == {"interfaceAttachments": [shown]}
    assert api("GET", f"{path}/{PORT}", version="2.70").body == {"interfaceAttachment": shown | {"tag": "nic"}}
    assert api("GET", f"{path}/{OTHER}").status == 404
    assert api("GET", path + "?x=1", version="2.102").status == 400


@pytest.mark.parametrize("body, version, status", [
    ({"net_id": NET}, "2.1", 404), ({"port_id": OTHER}, "2.1", 404), ({}, "2.1", 503),
    ({"net_id": "first", "tag": "x"}, "2.48", 400), ({"net_id": "first", "tag": "x"}, "2.49", 503),
    ({"net_id": NET, "port_id": PORT}, "2.1", 400), ({"fixed_ips": [{"ip_address": "10.0.0.9"}]}, "2.1", 400),
    ({"net_id": "first", "fixed_ips": [{"ip_address": "10.0.0.9"}]}, "2.1", 400),
    ({"net_id": "first", "fixed_ips": [{"ip_address": "used"}]}, "2.1", 409), ({"port_id": "used"}, "2.1", 409)])
def test_interfaces_that_are_not_attached(api: Api, body: Any, version: str, status: int) -> None:
    """Nobody is there to do it: what is accepted is taken back when the answer has waited long enough."""
    network = networked.network(api)
    server = networked.server(api)
    vif = networked.row(api, server)["network_info"][0]
    words = {"first": network, "used": vif["id"]}
    body = {k: words.get(v, v) if isinstance(v, str) else v for k, v in body.items()}
    if body.get("fixed_ips") == [{"ip_address": "used"}]:
        body["fixed_ips"] = [{"ip_address": vif["ips"][0]["address"]}]
    path = f"/servers/{server}/os-interface"
    answer = api("POST", path, {"interfaceAttachment": body}, version=version)
    assert answer.status == status, answer
    assert [i["port_id"] for i in api("GET", path).body["interfaceAttachments"]] == [vif["id"]]
    with api.cell.read() as conn:
        assert cell_operations.open_of(conn, server) == []
    if status == 503:
        lame = networked.server(api, host="host2")
        assert api("POST", f"/servers/{lame}/os-interface", {"interfaceAttachment": body}).status in (400, 501)
        away = networked.server(api, vm_state="suspended")
        assert api("POST", f"/servers/{away}/os-interface", {}).status == 409


def test_an_interface_that_others_attach_meanwhile(api: Api) -> None:
    """The answer waits for the operation; conductor and host are played here."""
    api.conf.set_override("attach_timeout", 60, "api")
    api = dataclasses.replace(api, app=build(api.deps))
    net = networked.network(api)
    server = networked.server(api)
    [had] = networked.row(api, server)["network_info"]
    new = had | {"id": concurrency.uuid4(), "address": "fa:16:3e:00:00:09", "index": 1,
                 "ips": [{"address": "10.9.0.77", "version": 4, "type": "fixed"}]}

    def others() -> None:
        while not (rows := opened(api, server)):
            concurrency.sleep(0.01)
        with api.cell.write() as conn:
            instances.update(conn, server, network_info=[had, new])
            cell_operations.advance(conn, rows[0]["uuid"], rows[0]["epoch"], state="done", step_data={"vif": new})

    task = concurrency.spawn(others)
    answer = api("POST", f"/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": net}})
    assert task.join(120)
    shown = {"net_id": net, "port_id": new["id"], "mac_addr": new["address"], "port_state": "ACTIVE",
             "fixed_ips": [{"subnet_id": net, "ip_address": "10.9.0.77"}]}
    assert (answer.status, answer.body) == (200, {"interfaceAttachment": shown})
    listed = api("GET", f"/servers/{server}/os-interface").body["interfaceAttachments"]
    assert shown in listed and len(listed) == 2


def test_an_interface_is_detached(api: Api) -> None:
    networked.network(api)
    server = networked.server(api)
    path = f"/servers/{server}/os-interface"
    port = api("GET", path).body["interfaceAttachments"][0]["port_id"]
    assert api("DELETE", f"{path}/{port}", who="reader").status == 403
    assert api("DELETE", f"{path}/{OTHER}").status == 404
    assert api("DELETE", f"{path}/{port}").status == 202
    with api.cell.read() as conn:
        row = cell_operations.open_of(conn, server)[0]
    assert (row["action"], row["level"], row["host"], row["step"]) == ("detach_interface", "host", "host1", "unplug")
    stop = api("POST", f"/servers/{server}/action", {"os-stop": None})
    assert (stop.status, "while its 'detach_interface' is under way" in str(stop.body)) == (409, True)
    lame = networked.server(api, host="host2")
    port = api("GET", f"/servers/{lame}/os-interface").body["interfaceAttachments"][0]["port_id"]
    assert api("DELETE", f"/servers/{lame}/os-interface/{port}").status == 501


def test_volumes_at_every_turn(api: Api) -> None:
    server = api.server()
    volume(api, server)
    path = f"/servers/{server}/os-volume_attachments"
    base = {"volumeId": VOLUME, "serverId": server, "device": "/dev/vdb"}
    turns: list[tuple[str, dict[str, Any]]] = [
        ("2.1", base | {"id": VOLUME}), ("2.70", base | {"id": VOLUME, "tag": "foo"}),
        ("2.79", base | {"id": VOLUME, "tag": "foo", "delete_on_termination": True}),
        ("2.89", base | {"tag": "foo", "delete_on_termination": True,
                         "attachment_id": "c5684109-0311-4fca-9814-350e46ab7d2a",
                         "bdm_uuid": "1aa24536-6fb5-426c-8894-d627f39aa48b"})]
    for version, shown in turns:
        assert api("GET", path, version=version).body == {"volumeAttachments": [shown]}
        assert api("GET", f"{path}/{VOLUME}", version=version).body == {"volumeAttachment": shown}
    assert api("GET", path + "?offset=1&limit=1").body == {"volumeAttachments": []}
    assert api("GET", path + "?x=1", version="2.74").status == 200
    assert api("GET", path + "?x=1", version="2.75").status == 400


def test_keeping_a_volume(api: Api) -> None:
    server = api.server()
    volume(api, server)
    path = f"/servers/{server}/os-volume_attachments/{VOLUME}"
    body = {"volumeAttachment": {"volumeId": VOLUME, "delete_on_termination": False}}
    assert api("PUT", path, body, version="2.84").status == 400
    assert api("PUT", path, body, version="2.85", who="reader").status == 403
    assert api("PUT", path, body, version="2.85").status == 202
    assert api("GET", path, version="2.85").body["volumeAttachment"]["delete_on_termination"] is False
    body["volumeAttachment"]["device"] = "/dev/vdc"
    assert api("PUT", path, body, version="2.85").status == 400


@pytest.mark.parametrize("method, path, body, version, who, status", [
    ("POST", "", {"volumeId": OTHER}, "2.1", "demo", 404), ("POST", "", {"volumeId": "x"}, "2.1", "demo", 400),
    ("POST", "", {"volumeId": OTHER, "tag": "a"}, "2.48", "demo", 400),
    ("POST", "", {"volumeId": OTHER, "tag": "a"}, "2.49", "demo", 404),
    ("POST", "", {"volumeId": OTHER, "delete_on_termination": True}, "2.78", "demo", 400),
    ("POST", "", {"volumeId": OTHER, "delete_on_termination": True}, "2.79", "demo", 404),
    ("PUT", f"/{VOLUME}", {"volumeId": OTHER}, "2.1", "demo", 403),
    ("PUT", f"/{VOLUME}", {"volumeId": OTHER}, "2.1", "admin", 404),
    ("PUT", f"/{OTHER}", {"volumeId": OTHER}, "2.85", "demo", 404),
    ("DELETE", f"/{VOLUME}", None, "2.1", "demo", 409), ("DELETE", f"/{OTHER}", None, "2.1", "demo", 404)])
def test_volumes_stay(api: Api, method: str, path: str, body: Any, version: str, who: str, status: int) -> None:
    server = api.server()
    volume(api, server)
    at = f"/servers/{server}/os-volume_attachments"
    answer = api(method, at + path, body and {"volumeAttachment": body}, version=version, who=who)
    assert answer.status == status, answer
    assert [v["volumeId"] for v in api("GET", at).body["volumeAttachments"]] == [VOLUME]


def test_topology(api: Api) -> None:
    node = {"memory_mb": 1024, "siblings": [[0, 1]], "vcpu_set": [0, 1], "host_node": 0,
            "cpu_pinning": {"0": 0, "1": 5}}
    server = api.server(system_metadata={"numa_topology": {"pagesize_kb": 4, "nodes": [node]}})
    path = f"/servers/{server}/topology"
    assert api("GET", path, version="2.77").status == 404
    assert api("GET", path, version="2.78", who="admin").body == {"nodes": [node], "pagesize_kb": 4}
    guest = {name: node[name] for name in ("memory_mb", "siblings", "vcpu_set")}
    assert api("GET", path, version="2.78").body == {"nodes": [guest], "pagesize_kb": 4}
    plain = f"/servers/{api.server()}/topology"
    assert api("GET", plain, version="2.104").body == {"nodes": [], "pagesize_kb": None}


def test_the_password_of_the_guest(api: Api) -> None:
    server = api.server(system_metadata={"password": "xlozO3w=", "kept": "1"})
    path = f"/servers/{server}/os-server-password"
    assert api("GET", path, who="reader").body == {"password": "xlozO3w="}
    assert api("DELETE", path, who="reader").status == 403
    assert api("DELETE", path).status == 204
    assert api("GET", path, version="2.104").body == {"password": ""}
    with api.cell.read() as conn:
        row = instances.get(conn, server)
    assert row is not None and row["system_metadata"] == {"kept": "1"}


@pytest.mark.parametrize("values, who, status", [
    ({"host": "host2"}, "admin", 501), ({}, "demo", 403), ({"vm_state": "stopped"}, "admin", 409),
    ({"host": None}, "admin", 409)])
def test_counters_that_are_not_to_be_had(api: Api, values: dict[str, Any], who: str, status: int) -> None:
    path = f"/servers/{api.server(**values)}/diagnostics"
    assert [api("GET", path, who=who, version=v).status for v in ("2.1", "2.48")] == [status, status]


@pytest.mark.parametrize("version, protocol, kind, status", [
    ("2.5", "vnc", "novnc", 404), ("2.6", "vnc", "novnc", 400), ("2.7", "mks", "webmks", 400),
    ("2.8", "mks", "webmks", 400), ("2.98", "spice", "spice-direct", 400), ("2.99", "spice", "spice-direct", 400)])
def test_no_console_is_available(api: Api, version: str, protocol: str, kind: str, status: int) -> None:
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    path = f"/servers/{api.server()}/remote-consoles"
    answer = api("POST", path, body, version=version)
    assert answer.status == status
    served = (version, kind) in {("2.6", "novnc"), ("2.8", "webmks"), ("2.99", "spice-direct")}
    assert served == (answer.body == {"badRequest": {"code": 400, "message": f"Unavailable console type {kind}."}})
    if served:
        assert api("POST", path, body, version=version, who="reader").status == 403
        gone = f"/servers/{api.server(task_state='deleting')}/remote-consoles"
        assert api("POST", gone, body, version=version).status == 409


@pytest.mark.parametrize("action, kind", [
    ("os-getVNCConsole", "novnc"), ("os-getSPICEConsole", "spice-html5"), ("os-getSerialConsole", "serial")])
def test_consoles_of_old(api: Api, action: str, kind: str) -> None:
    path = f"/servers/{api.server()}/action"
    assert api("POST", path, {action: {"type": kind}}, version="2.5").body["badRequest"]["message"] == (
        f"Unavailable console type {kind}.")
    assert api("POST", path, {action: {"type": "banana"}}, version="2.5").status == 400
    assert api("POST", path, {action: {"type": kind}}, version="2.6").status == 404


def test_tokens_of_consoles(api: Api) -> None:
    assert api("GET", f"/os-console-auth-tokens/{PORT}", who="admin", version="2.30").status == 400
    missing = api("GET", f"/os-console-auth-tokens/{PORT}", who="admin", version="2.31")
    assert missing.body == {"itemNotFound": {"code": 404, "message": "Token not found"}}
    assert api("GET", f"/os-console-auth-tokens/{PORT}", version="2.31").status == 403
