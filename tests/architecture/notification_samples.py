# SPDX-License-Identifier: Apache-2.0
"""A sample of each event that this release sends; ``python -m tests.architecture.notification_samples`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nova import states
from nova.objects.base import NovaObject
from nova.objects.notifications import catalogue, payloads, servers
from nova.workflow.operations import SHAPES

FOLDER = Path(__file__).parents[2] / "doc" / "notification_samples"
NOW = 1351518131.0
UUID = "178b0921-8f85-4257-88b6-2e743b5a975c"
PROJECT, USER = "6f70656e737461636b20342065766572", "1d1fd9f0d4f24dbfa7a1b4a1b8d37d4e"
ACTOR = {"request_id": "req-5b6c791d-5709-4f36-8fbe-c3e02869e35d", "user_id": USER, "project_id": PROJECT}
FLAVOR = {"flavorid": "1", "name": "m1.tiny", "memory_mb": 512, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0, "swap": 0,
          "rxtx_factor": 1.0, "is_public": True, "extra_specs": {"hw:watchdog_action": "disabled"}, "description": None}
KEY = {"user_id": USER, "name": "my-key", "fingerprint": "1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c",
       "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA my-key", "type": "ssh"}
FAULT = {"message": "The disk of the server cannot be made.", "code": 500, "traceback": (
    'Traceback (most recent call last):\n  File "nova/virt/fake/driver.py", line 100, in spawn\n'
    "nova.errors.Unavailable: The disk of the server cannot be made.\n")}
VIF = {"id": "ce531f90-199f-48c0-816c-13e38010b442", "address": "fa:16:3e:4c:2c:30", "device": "tapce531f90-19",
       "network": {"label": "private"}, "ips": [{"address": "10.100.0.3", "version": 4, "type": "fixed"}]}
ROW: dict[str, Any] = {
    "id": 1, "uuid": UUID, "project_id": PROJECT, "user_id": USER, "reservation_id": "r-npxv0e40",
    "display_name": "some-server", "display_description": None, "hostname": "some-server", "host": "compute1",
    "node": "compute1", "availability_zone": "nova", "key_name": "my-key", "key_data": KEY["public_key"],
    "task_state": None, "vm_state": states.ACTIVE, "power_state": states.RUNNING, "progress": 0,
    "metadata": {"role": "web"}, "locked_by": None, "locked_reason": None, "created_at": NOW, "updated_at": NOW,
    "launched_at": NOW, "terminated_at": None, "deleted_at": None, "flavor": FLAVOR, "tags": ["tag"],
    "image_ref": "155d900f-4e14-4e4c-a73d-069cbf4541e6", "network_info": [VIF], "name": None, "trusted_certs": None}
BUILDING = {"vm_state": states.BUILDING, "task_state": "spawning", "power_state": states.NOSTATE, "launched_at": None}
GROUP = {"uuid": "788608ec-ebdc-45c5-bc7f-e5f24ab92c80", "name": "some-group", "user_id": USER, "project_id": PROJECT,
         "policy": "anti-affinity", "rules": {"max_server_per_host": 3}, "members": [UUID]}
SERVICE = {"uuid": "fa69c544-906b-4a6a-a9c6-c1f7a8078c73", "host": "compute1", "binary": "nova-compute",
           "topic": "compute", "report_count": 7, "disabled": False, "disabled_reason": None, "availability_zone": None,
           "last_seen": NOW, "forced_down": False, "version": 1}


def payload_of(event: catalogue.Event) -> NovaObject:
    """The payload that the product's own builders make of a made-up server or record."""
    name, kind = event.name, event.payload
    if issubclass(kind, servers.InstanceUpdatePayload):
        return servers.update(ROW, [], ACTOR, ROW | BUILDING, NOW)
    if issubclass(kind, servers.InstanceExistsPayload):
        return servers.exists(ROW, [], NOW - 30 * 86400, NOW)
    if issubclass(kind, servers.InstancePayload):
        fault = FAULT if name.endswith(".error") else None
        row = ROW | (BUILDING if name in ("instance.create.start", "instance.create.error") else {})
        row |= {"locked_by": "owner", "locked_reason": "maintenance"} if name == "instance.lock" else {}
        make = servers.create if issubclass(kind, servers.InstanceCreatePayload) else servers.action
        return make(row, [], ACTOR, fault)
    return _RECORDS[kind.__name__]()


_RECORDS: dict[str, Any] = {
    "ExceptionPayload": lambda: payloads.ExceptionPayload.of(FAULT),
    "FlavorPayload": lambda: payloads.FlavorPayload.of(FLAVOR, []),
    "KeypairPayload": lambda: payloads.KeypairPayload.new(**KEY),
    "AggregatePayload": lambda: payloads.AggregatePayload.new(
        id=1, uuid=GROUP["uuid"], name="some-aggregate", hosts=["compute1"], metadata={"availability_zone": "nova"}),
    "ServerGroupPayload": lambda: payloads.ServerGroupPayload.of(GROUP),
    "RequestSpecPayload": lambda: payloads.RequestSpecPayload.wanted(
        {"instance_uuid": UUID, "project_id": PROJECT, "user_id": USER, "flavor": FLAVOR,
         "availability_zone": "nova", "image_properties": {"hw_disk_bus": "virtio"}}, 1),
    "ServiceStatusPayload": lambda: payloads.ServiceStatusPayload.of(SERVICE),
    "ComputeTaskPayload": lambda: payloads.ComputeTaskPayload.new(
        instance_uuid=UUID, state=states.ERROR, reason=payloads.ExceptionPayload.of(FAULT),
        request_spec=payloads.RequestSpecPayload.new(
            instance_uuid=UUID, project_id=PROJECT, user_id=USER, flavor=payloads.FlavorPayload.of(FLAVOR),
            image={"id": ROW["image_ref"]}, security_groups=["default"])),
}


def samples() -> dict[str, str]:
    """File name → content."""
    found = {}
    for event in catalogue.events([shape.action for shape in SHAPES]):
        publisher = event.publisher if event.publisher.startswith("nova-") else "nova-compute"
        host = "compute1" if publisher == "nova-compute" else "controller"
        message = {"event_type": event.name, "priority": event.priority, "publisher_id": f"{publisher}:{host}",
                   "payload": payload_of(event).obj_to_primitive()}
        found[event.name.replace(".", "-") + ".json"] = json.dumps(message, indent=4, sort_keys=True) + "\n"
    return found


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    current = samples()
    for stale in {path.name for path in FOLDER.glob("*.json")} - set(current):
        (FOLDER / stale).unlink()
    for name, content in current.items():
        (FOLDER / name).write_text(content)
