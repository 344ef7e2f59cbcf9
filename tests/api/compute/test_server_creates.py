# SPDX-License-Identifier: Apache-2.0
"""Creates of servers: what is taken, what is refused and leaves nothing, and who may choose the host."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from tests.api.compute.conftest import IMAGE, Api
from tests.api.compute.servers import BODY, ids, show


def test_a_create(api: Api) -> None:
    made = api("POST", "/servers", {"server": BODY | {"metadata": {"k": "v"}, "accessIPv6": "::0:1"}},
               version="2.104")
    assert made.status == 202
    server = made.body["server"]
    assert made.headers["location"] == f"http://cloud/compute/v2.1/servers/{server['id']}"
    assert set(server) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert len(server["adminPass"]) == 12
    shown = show(api, server["id"], version="2.104")
    assert (shown["status"], shown["metadata"], shown["OS-EXT-STS:task_state"]) == ("BUILD", {"k": "v"}, "scheduling")
    assert shown["accessIPv6"] == "::1"
    assert ids(api) == [server["id"]]
    actions = api("GET", f"/servers/{server['id']}/os-instance-actions", version="2.104").body["instanceActions"]
    assert [(a["action"], a["request_id"]) for a in actions] == [("create", made.headers["x-openstack-request-id"])]
    assert api("GET", "/limits").body["limits"]["absolute"]["totalRAMUsed"] == 64


def test_config_drives(api: Api) -> None:
    def shown(**change: Any) -> str:
        made = api("POST", "/servers", {"server": BODY | {"networks": []} | change}, version="2.36")
        assert made.status == 202, made
        return str(show(api, made.body["server"]["id"])["config_drive"])

    assert [shown(), shown(config_drive="yes"), shown(config_drive=False)] == ["", "True", ""]
    assert shown(personality=[{"path": "/etc/motd", "contents": "aGVsbG8="}]) == "True"
    api.conf.set_override("force_config_drive", True)
    assert shown() == "True"


def test_files_have_limits(api: Api) -> None:
    def status(*files: tuple[str, str]) -> int:
        told = [{"path": path, "contents": contents} for path, contents in files]
        return api("POST", "/servers", {"server": BODY | {"networks": [], "personality": told}}, version="2.36").status

    def incomplete(**file: str) -> int:
        return api("POST", "/servers", {"server": BODY | {"personality": [file]}}, version="2.36").status

    assert [incomplete(path="/x"), incomplete(contents="eA=="), incomplete()] == [400] * 3
    large = base64.b64encode(b"x" * 10241).decode()
    assert status(*[(f"/{i}", "eA==") for i in range(6)]) == 403
    assert (status(("/" + "p" * 255, "eA==")), status(("/x", large))) == (403, 403)
    assert ids(api) == []


def test_hardware_that_cannot_be_is_refused(api: Api) -> None:
    specs = {"extra_specs": {"hw:cpu_thread_policy": "isolate"}}
    assert api("POST", "/flavors/1/os-extra_specs", specs, who="admin").status == 200
    answer = api("POST", "/servers", {"server": BODY}, version="2.104")
    assert answer.status == 400
    assert "hw:cpu_thread_policy needs hw:cpu_policy" in answer.body["badRequest"]["message"]


def test_many_at_once(api: Api) -> None:
    body = BODY | {"min_count": 2, "max_count": "3", "return_reservation_id": True}
    made = api("POST", "/servers", {"server": body}, version="2.104").body
    assert set(made) == {"reservation_id"}
    listed = api("GET", f"/servers?reservation_id={made['reservation_id']}").body["servers"]
    assert sorted(s["name"] for s in listed) == ["vm-1", "vm-2", "vm-3"]


def test_quota_is_kept(api: Api) -> None:
    api.conf.set_override("instances", 3, "quota")
    refused = api("POST", "/servers", {"server": BODY | {"min_count": 5}}, version="2.104")
    assert refused.body == {"forbidden": {
        "code": 403, "message": "Quota exceeded for instances: Requested 5, but already used 0 of 3 instances"}}
    assert ids(api) == []
    api("POST", "/servers", {"server": BODY | {"min_count": 1, "max_count": 5}}, version="2.104")
    assert len(ids(api)) == 3
    api.conf.set_override("metadata_items", 1, "quota")
    refused = api("POST", "/servers", {"server": BODY | {"metadata": {"a": "", "b": ""}}}, version="2.104")
    assert refused.body["forbidden"]["message"] == "Maximum number of metadata items exceeds 1"


@pytest.mark.parametrize(("change", "version", "message"), [
    ({"flavorRef": "nope"}, "2.1", "Flavor nope could not be found."),
    ({"imageRef": str(uuid.UUID(int=1))}, "2.1", "Can not find requested image"),
    ({"imageRef": "nope"}, "2.1", "Invalid input for field/attribute imageRef. Value: nope. 'nope' is not valid under "
                                  "any of the given schemas"),
    ({"key_name": "nope"}, "2.1", "Invalid key_name provided."),
    ({"availability_zone": "nope"}, "2.1", "The requested availability zone is not available"),
    ({"min_count": 3, "max_count": 2}, "2.1", "min_count must be <= max_count"),
    ({"name": 7}, "2.1", "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'"),
    ({"name": " "}, "2.1", "must be: printable characters"), ({"banana": 1}, "2.1", "'banana' was unexpected"),
    ({"min_count": 0}, "2.1", "minimum of 1"), ({"min_count": "0"}, "2.1", "minimum of 1"),
    ({"metadata": {"x" * 256: "y"}}, "2.1", "do"), ({"metadata": {"a": "y" * 256}}, "2.1", "too long"),
    ({"user_data": "x" * 65536}, "2.1", "too long"), ({"accessIPv4": "::1"}, "2.1", "ipv4"),
    ({"description": "x"}, "2.18", "'description' was unexpected"), ({"tags": ["a/b"]}, "2.52", "does not match"),
    ({"tags": ["a"]}, "2.51", "'tags' was unexpected"), ({"host": "host1"}, "2.73", "'host' was unexpected"),
    ({"hostname": "a.b"}, "2.90", "does not match"), ({"networks": None}, "2.37", "networks"),
    ({"networks": [{"uuid": "x"}]}, "2.1", "uuid"), ({"networks": "banana"}, "2.37", "networks"),
    ({"networks": [{"uuid": str(uuid.UUID(int=1))}]}, "2.1", "could not be found"),
    ({"networks": [{"port": None}]}, "2.1", "missing 'uuid'"),
    ({"personality": []}, "2.57", "'personality' was unexpected"), ({"imageRef": ""}, "2.1", "imageRef"),
    ({"imageRef": "", "block_device_mapping_v2": [{"source_type": "volume", "uuid": "v", "boot_index": 0}]}, "2.1",
     "volume service")])
def test_bad_creates_leave_nothing(api: Api, change: dict[str, Any], version: str, message: str) -> None:
    body = BODY | {"networks": []} if version < "2.37" and len(version) < 5 else dict(BODY)
    answer = api("POST", "/servers", {"server": body | change}, version=version)
    assert answer.status == 400, answer
    assert message in answer.body["badRequest"]["message"]
    assert ids(api) == []
    assert api("GET", "/limits").body["limits"]["absolute"]["totalInstancesUsed"] == 0


VOLUME, SNAPSHOT = ({"source_type": source, "uuid": str(uuid.UUID(int=7)), "destination_type": "volume"}
                    for source in ("volume", "snapshot"))
ROOT = {"source_type": "image", "uuid": IMAGE, "destination_type": "local", "boot_index": 0}
ORDER = "Boot sequence for the instance and image/block device mapping combination is not valid."


@pytest.mark.parametrize(("devices", "version", "message"), [
    ([{"uuid": "x"}], "2.1", "Missing source type."), ([{"source_type": "volume"}], "2.1", "Missing device UUID."),
    ([{"source_type": "blank", "uuid": "x"}], "2.1", "A blank device has no uuid."),
    ([{"source_type": "nonsense", "uuid": "x"}], "2.1", "'nonsense' is not one of"),
    ([VOLUME | {"destination_type": "local"}], "2.1", "Mapping volume to local is not supported."),
    ([SNAPSHOT | {"destination_type": "local"}], "2.1", "Mapping snapshot to local is not supported."),
    ([{"source_type": "image", "uuid": IMAGE, "destination_type": "local", "boot_index": 1}], "2.1",
     "Mapping image to local is not supported."),
    ([{"source_type": "blank", "destination_type": "volume"}], "2.1", "need to have non-zero size"),
    ([{"source_type": "image", "uuid": IMAGE, "destination_type": "volume", "boot_index": 0}], "2.1",
     "need to have a non-zero size specified"),
    ([VOLUME | {"boot_index": 1}], "2.1", ORDER), ([ROOT, VOLUME | {"boot_index": 2}], "2.1", ORDER),
    ([VOLUME | {"boot_index": -1}], "2.1", ORDER), ([ROOT, VOLUME | {"boot_index": 0}], "2.1", ORDER),
    ([ROOT, VOLUME | {"boot_index": 1}, SNAPSHOT | {"boot_index": "1"}], "2.1", ORDER),
    ([VOLUME | {"boot_index": "one"}], "2.1", "does not match"),
    ([VOLUME | {"device_name": "/dev/vdb"}, SNAPSHOT | {"device_name": "vdb"}], "2.1", "the same device_name"),
    ([VOLUME | {"tag": "a"}], "2.31", "'tag' was unexpected"), ([VOLUME | {"tag": "a"}], "2.33", "unexpected"),
    ([VOLUME | {"tag": "a"}, SNAPSHOT | {"tag": "a"}], "2.42", "the same tag"),
    ([VOLUME | {"volume_type": "fast"}], "2.66", "'volume_type' was unexpected"),
    ([ROOT, VOLUME | {"boot_index": None}], "2.67", "volume service"),
    ([ROOT, VOLUME | {"boot_index": -1}], "2.1", "volume service"),
    ([VOLUME | {"boot_index": 0}], "2.1", "volume service"),
    ([ROOT, VOLUME | {"boot_index": 1}], "2.1", "volume service")])
def test_block_devices_that_cannot_be(api: Api, devices: list[Any], version: str, message: str) -> None:
    body = {name: value for name, value in BODY.items() if name != "networks" or version >= "2.37"}
    answer = api("POST", "/servers", {"server": body | {"block_device_mapping_v2": devices}}, version=version)
    assert answer.status == 400 and message in answer.body["badRequest"]["message"], answer
    assert ids(api) == []


@pytest.mark.parametrize(("devices", "message"), [
    ([{"device_name": "vdb"}], "A device needs a volume_id"), ([{"volume_id": "x"}], "volume_id"),
    ([{"volume_id": str(uuid.UUID(int=7)), "snapshot_id": str(uuid.UUID(int=8))}], "not both"),
    ([{"volume_id": str(uuid.UUID(int=7)), "source_type": "volume"}], "'source_type' was unexpected"),
    ([{"volume_id": str(uuid.UUID(int=n)), "device_name": "vdb"} for n in (7, 8)], "the same device_name"),
    ([{"volume_id": str(uuid.UUID(int=7)), "device_name": "vdb"}], "volume service")])
def test_old_block_devices_that_cannot_be(api: Api, devices: list[Any], message: str) -> None:
    body = {name: value for name, value in BODY.items() if name != "networks"} | {"block_device_mapping": devices}
    answer = api("POST", "/servers", {"server": body})
    assert answer.status == 400 and message in answer.body["badRequest"]["message"], answer
    both = body | {"block_device_mapping_v2": [VOLUME]}
    assert api("POST", "/servers", {"server": both}).status == 400
    assert ids(api) == []


def test_who_may_choose_the_host(api: Api) -> None:
    for change in ({"availability_zone": "nova:host1"}, {"host": "host1"}):
        body = {"server": BODY | change}
        assert api("POST", "/servers", body, version="2.104").status == 403
        assert api("POST", "/servers", body, version="2.104", who="admin").status == 202
    wrong = api("POST", "/servers", {"server": BODY | {"availability_zone": "nova:nope"}}, version="2.104", who="admin")
    assert wrong.status == 400
    both = {"server": BODY | {"availability_zone": "nova:host1", "host": "host1"}}
    assert api("POST", "/servers", both, version="2.104", who="admin").status == 400


@pytest.mark.parametrize(("named", "status"), [
    ({"hypervisor_hostname": "host2"}, 202), ({"host": "host2", "hypervisor_hostname": "host2"}, 202),
    ({"hypervisor_hostname": "nope"}, 400), ({"host": "host1", "hypervisor_hostname": "host2"}, 400)])
def test_a_named_hypervisor_must_be_there(api: Api, named: dict[str, str], status: int) -> None:
    answer = api("POST", "/servers", {"server": BODY | named}, version="2.104", who="admin")
    assert answer.status == status
    if status == 400:
        assert answer.body["badRequest"]["message"] == (
            f"Compute host {named['hypervisor_hostname']} could not be found.")


def test_groups_and_hints(api: Api) -> None:
    group = {"server_group": {"name": "g", "policies": ["affinity"]}}
    uuid_ = api("POST", "/os-server-groups", group).body["server_group"]["id"]
    for key in ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"):
        made = api("POST", "/servers", {"server": BODY, key: {"group": uuid_}}, version="2.104").body["server"]
        assert show(api, made["id"], version="2.104")["server_groups"] == [uuid_]
    foreign = {"server": BODY, "os:scheduler_hints": {"group": uuid_}}
    assert api("POST", "/servers", foreign, version="2.104", who="other").status == 400
