# SPDX-License-Identifier: Apache-2.0
"""Creates that say which local disks their servers have: what is kept of it, and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from nova.db.api import cells as mappings
from tests.api.compute.conftest import IMAGE, Answer, Api
from tests.api.compute.servers import BODY, ids

ROOT = {"source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0}
EPHEMERAL = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
SWAP = EPHEMERAL | {"guest_format": "swap"}
ORDER = "Boot sequence for the instance and image/block device mapping combination is not valid."


@pytest.fixture(autouse=True)
def flavor(api: Api) -> None:
    """With 3 GiB of ephemeral space and 64 MiB of swap."""
    wanted = {"name": "m1.disks", "id": "disks", "ram": 64, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 3,
              "swap": 64}
    assert api("POST", "/flavors", {"flavor": wanted}, who="admin").status == 200


def create(api: Api, *devices: dict[str, Any], version: str = "2.104", **change: Any) -> Answer:
    body = BODY | {"flavorRef": "disks", "block_device_mapping_v2": list(devices)} | change
    return api("POST", "/servers", {"server": body}, version=version)


def recorded(api: Api, answer: Answer) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The server that was accepted, and the rows of its devices."""
    assert answer.status == 202, answer
    r = mappings.build_requests
    with api.database.read() as conn:
        row = conn.execute(sa.select(r.c.instance, r.c.block_devices).where(
            r.c.instance_uuid == answer.body["server"]["id"])).one()
    return row.instance, row.block_devices


def test_disks_that_are_named_are_kept(api: Api) -> None:
    server, rows = recorded(api, create(
        api, ROOT | {"disk_bus": "sata"}, EPHEMERAL | {"volume_size": 1, "guest_format": "ext3", "disk_bus": "scsi"},
        SWAP | {"volume_size": "32", "device_type": "disk", "delete_on_termination": False, "tag": "paging"}))
    columns = ("source_type", "guest_format", "disk_bus", "volume_size", "boot_index", "image_id", "device_name", "tag",
               "delete_on_termination")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("image", None, "sata", 1, 0, IMAGE, "/dev/vda", None, True),
        ("blank", "ext3", "scsi", 1, -1, None, None, None, True),
        ("blank", "swap", None, 32, -1, None, None, "paging", False)]
    assert len({row["uuid"] for row in rows}) == 3 and {row["instance_uuid"] for row in rows} == {server["uuid"]}
    assert [(d["source_type"], d["volume_size"]) for d in server["block_devices"]] == [
        ("image", 1), ("blank", 1), ("blank", 32)]


def test_what_is_not_said_is_the_flavors(api: Api) -> None:
    _, rows = recorded(api, create(api, EPHEMERAL, ROOT, SWAP))
    assert [row["volume_size"] for row in rows] == [3, 1, 64]
    _, rows = recorded(api, create(api, {k: v for k, v in ROOT.items() if k != "destination_type"}))
    assert [(row["source_type"], row["destination_type"]) for row in rows] == [("image", "local")]
    _, rows = recorded(api, create(api, ROOT, EPHEMERAL | {"boot_index": -(10**18)}, SWAP | {"boot_index": None}))
    assert [row["boot_index"] for row in rows] == [0, -1, None]
    server, rows = recorded(api, create(api))
    assert (server["block_devices"], [row["volume_size"] for row in rows]) == (None, [1])


def test_an_ephemeral_disk_is_divided(api: Api) -> None:
    _, rows = recorded(api, create(api, ROOT, *[EPHEMERAL | {"volume_size": size} for size in (1, 2)]))
    assert [row["volume_size"] for row in rows] == [1, 1, 2]


@pytest.mark.parametrize(("devices", "message"), [
    ([ROOT, EPHEMERAL | {"volume_size": 4}], "Ephemeral disks requested are larger than the instance type allows"),
    ([ROOT, EPHEMERAL | {"volume_size": 2}, EPHEMERAL | {"volume_size": 2}], "Ephemeral disks requested are larger"),
    ([ROOT, EPHEMERAL, EPHEMERAL], "Ephemeral disks requested are larger"),
    ([ROOT, SWAP | {"volume_size": 65}], "Swap drive requested is larger than instance type allows"),
    ([ROOT, SWAP | {"volume_size": 1}, SWAP | {"volume_size": 1}], "More than one swap drive requested."),
    ([ROOT, SWAP, *[EPHEMERAL | {"volume_size": 1}] * 2], "more local devices than the limit allows, which is 3"),
    ([ROOT, EPHEMERAL | {"guest_format": "zfs"}], "zfs is no format for a disk"),
    ([ROOT, EPHEMERAL | {"disk_bus": "floppy"}], "The provided disk bus floppy is not valid"),
    ([ROOT, EPHEMERAL | {"device_type": "cdrom"}], "A local device is a disk, no cdrom."),
    ([ROOT, EPHEMERAL | {"volume_type": "fast"}], "volume_type with destination_type=local is not supported"),
    ([ROOT, EPHEMERAL | {"volume_size": "0"}], "less than the minimum of 1"),
    ([EPHEMERAL | {"boot_index": 0}], "A blank device cannot be booted from."),
    ([ROOT, EPHEMERAL | {"boot_index": "-" + "9" * 5000}], ORDER), ([ROOT, EPHEMERAL | {"boot_index": 10**18}], ORDER),
    ([EPHEMERAL], ORDER), ([ROOT, ROOT], ORDER), ([ROOT, EPHEMERAL | {"boot_index": 2}], ORDER),
    ([ROOT | {"uuid": str(uuid.UUID(int=1))}], ORDER),
    ([ROOT, {"no_device": "", "device_name": "vdb"}], "no volume service")])
def test_disks_that_cannot_be(api: Api, devices: list[Any], message: str) -> None:
    answer = create(api, *devices)
    assert answer.status == 400 and message in answer.body["badRequest"]["message"], answer
    assert ids(api) == []


def test_the_image_is_named_twice(api: Api) -> None:
    answer = create(api, ROOT, imageRef="")
    assert answer.status == 400 and "Mapping image to local is not supported." in answer.body["badRequest"]["message"]


def test_a_flavor_without_such_disks(api: Api) -> None:
    for device, word in ((EPHEMERAL, "Ephemeral"), (SWAP, "Swap")):
        answer = create(api, ROOT, device, flavorRef="1")
        assert answer.status == 400 and word in answer.body["badRequest"]["message"], answer
    assert create(api, ROOT, flavorRef="1").status == 202


def test_how_many_is_an_option(api: Api) -> None:
    two = [EPHEMERAL | {"volume_size": 1}] * 2
    for limit, status in ((4, 202), (-1, 202), (2, 400), (0, 400)):
        api.conf.set_override("max_local_block_devices", limit)
        assert create(api, ROOT, SWAP, *two).status == status, limit
    assert create(api).status == 400
