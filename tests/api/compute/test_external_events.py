# SPDX-License-Identifier: Apache-2.0
"""Events from other services: a code for each, and the network information read anew."""

from __future__ import annotations

from typing import Any

import pytest

from nova.networks import allocation
from nova.networks.manager import Networks
from tests.api.compute.conftest import PROJECTS, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def tell(api: Api, *events: dict[str, Any], version: str = "2.104", who: str = "service") -> Any:
    return api("POST", "/os-server-external-events", {"events": list(events)}, version=version, who=who)


def test_each_event_has_a_code(api: Api) -> None:
    server, homeless = api.server(), api.server(host=None)
    events = [{"name": "network-changed", "server_uuid": server}, {"name": "network-changed", "server_uuid": UNKNOWN},
              {"name": "network-vif-plugged", "server_uuid": homeless, "tag": "p"},
              {"name": "volume-extended", "server_uuid": server},
              {"name": "power-update", "server_uuid": server, "tag": "SIDEWAYS"}]
    answer = tell(api, *events)
    assert answer.status == 207
    assert [(e["code"], e["status"]) for e in answer.body["events"]] == [
        (200, "completed"), (404, "failed"), (422, "failed"), (400, "failed"), (400, "failed")]
    fine = tell(api, {"name": "network-vif-plugged", "server_uuid": server, "status": "in-progress", "tag": "p"})
    assert fine.status == 200
    assert fine.body == {"events": [{"name": "network-vif-plugged", "server_uuid": server, "status": "in-progress",
                                     "tag": "p", "code": 200}]}


@pytest.mark.parametrize("name, before, since", [
    ("volume-extended", "2.50", "2.51"), ("power-update", "2.75", "2.76"),
    ("accelerator-request-bound", "2.81", "2.82"), ("volume-reimaged", "2.92", "2.93")])
def test_events_by_microversion(api: Api, name: str, before: str, since: str) -> None:
    event = {"name": name, "server_uuid": api.server(), "tag": "POWER_ON"}
    assert tell(api, event, version=before).status == 400
    assert tell(api, event, version=since).status == 200


def test_a_changed_network_is_read_anew(api: Api) -> None:
    server = api.server(network_info=[])
    network = Networks(api.database).create_network("private", "10.9.0.0/24")
    with api.database.write() as conn:
        allocation.allocate(conn, instance_uuid=server, project_id=PROJECTS["demo"], host="host1",
                            requested=[{"uuid": network["id"], "fixed_ip": "10.9.0.7"}])
    assert api("GET", f"/servers/{server}/ips").body == {"addresses": {}}
    assert tell(api, {"name": "network-changed", "server_uuid": server}).status == 200
    assert api("GET", f"/servers/{server}/ips").body == {"addresses": {"private": [
        {"version": 4, "addr": "10.9.0.7"}]}}


def test_who_may_tell(api: Api) -> None:
    event = {"name": "network-changed", "server_uuid": api.server()}
    assert tell(api, event, who="demo").status == 403
    assert tell(api, event, who="admin").status == 200
    assert tell(api, {"name": "banana", "server_uuid": UNKNOWN}).status == 400
    assert tell(api).status == 400
