# SPDX-License-Identifier: Apache-2.0
"""Servers whose creates say how their ephemeral disk is divided and how much swap they have, through their life."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from nova import errors
from nova.api.compute import block_devices
from nova.db.cell import instances
from nova.operations.rebuild import RebuildRequest
from tests.functional import truth
from tests.functional.cloud import FLAVOR, IMAGE, Cloud
from tests.functional.test_evacuate import force_down

ROOMY = FLAVOR | {"flavorid": "7", "name": "m1.roomy", "ephemeral_gb": 4, "swap": 64}
BLANK = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
ASKED = [{"source_type": "image", "destination_type": "local", "uuid": IMAGE["id"], "boot_index": 0},
         BLANK | {"volume_size": 1, "guest_format": "ext3"}, BLANK | {"volume_size": 2, "disk_bus": "scsi"},
         BLANK | {"guest_format": "swap", "volume_size": 32}]
EPHEMERALS = [{"gb": 1, "format": "ext3", "bus": None}, {"gb": 2, "format": None, "bus": "scsi"}]


def boot(cloud: Cloud, asked: list[dict[str, Any]] = ASKED) -> str:
    disks = block_devices.local_disks({"block_device_mapping_v2": asked}, ROOMY, -1)
    uuid = cloud.boot(flavor=ROOMY, local_disks=disks)[0]
    cloud.wait_state(uuid, "active")
    return uuid


def disks_of(cloud: Cloud, uuid: str) -> tuple[list[dict[str, Any]], int]:
    """What the guest has, where it is: its ephemeral disks and MiB of swap."""
    guest = cloud.hosts[truth.guests(cloud)[uuid]].manager.driver.guests.get(uuid)
    return guest.ephemerals, guest.swap_mb


def rows(cloud: Cloud, uuid: str) -> list[tuple[Any, ...]]:
    t = instances.block_devices.c
    with cloud.cells.get(truth.mapping(cloud, uuid)["cell_uuid"]).database.read() as conn:
        return [tuple(row) for row in conn.execute(
            sa.select(t.source_type, t.guest_format, t.disk_bus, t.volume_size, t.boot_index)
            .where(t.instance_uuid == uuid).order_by(t.id))]


def moved(cloud: Cloud, uuid: str, flavor: dict[str, Any] | None = None, end: str = "confirm_resize") -> None:
    context = cloud.context(admin=True)
    if flavor is None:
        cloud.operations.migrate(context, uuid, None)
    else:
        cloud.operations.resize(context, uuid, flavor)
    cloud.wait_state(uuid, "resized")
    getattr(cloud.operations, end)(context, uuid)
    cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud), what="every operation has ended")


def test_a_server_keeps_the_disks_that_its_create_named(cloud: Cloud) -> None:
    context, admin = cloud.context(), cloud.context(admin=True)
    uuid = boot(cloud)
    assert rows(cloud, uuid) == [
        ("image", None, None, 1, 0), ("blank", "ext3", None, 1, -1), ("blank", None, "scsi", 2, -1),
        ("blank", "swap", None, 32, -1)]
    assert disks_of(cloud, uuid) == (EPHEMERALS, 32)
    assert list(truth.claim_of(cloud, uuid).values())[0]["DISK_GB"] == 1 + 4 + 1  # what the flavor says
    cloud.operations.rebuild(context, uuid, RebuildRequest(IMAGE, {}))
    cloud.wait_state(uuid, "active")
    assert disks_of(cloud, uuid) == (EPHEMERALS, 32)
    here = truth.guests(cloud)[uuid]
    moved(cloud, uuid)
    assert truth.guests(cloud)[uuid] != here and disks_of(cloud, uuid) == (EPHEMERALS, 32)
    cloud.operations.live_migrate(admin, uuid, here)
    assert cloud.wait_state(uuid, "active")["host"] == here
    cloud.wait(lambda: not truth.open_rows(cloud), what="every operation has ended")
    assert disks_of(cloud, uuid) == (EPHEMERALS, 32)
    cloud.operations.shelve(context, uuid)
    cloud.wait_state(uuid, "shelved_offloaded")
    cloud.operations.unshelve(context, uuid)
    cloud.wait_state(uuid, "active")
    assert disks_of(cloud, uuid) == (EPHEMERALS, 32)
    cloud.operations.delete(context, uuid)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def test_after_an_evacuation_it_has_such_disks_again(cloud: Cloud) -> None:
    uuid = boot(cloud)
    dead = truth.guests(cloud)[uuid]
    cloud.stop_host(dead)
    force_down(cloud, dead)
    cloud.operations.evacuate(cloud.context(admin=True), uuid)
    row = cloud.wait_state(uuid, "active")
    guest = cloud.hosts[row["host"]].manager.driver.guests.get(uuid)
    assert row["host"] != dead and (guest.ephemerals, guest.swap_mb) == (EPHEMERALS, 32)


def test_a_resize_keeps_their_sizes(cloud: Cloud) -> None:
    uuid = boot(cloud)
    with pytest.raises(errors.Invalid, match="Unable to resize disk down"):
        cloud.operations.resize(cloud.context(), uuid, ROOMY | {"flavorid": "8", "ephemeral_gb": 2})
    moved(cloud, uuid, ROOMY | {"flavorid": "9", "ephemeral_gb": 8, "swap": 128}, end="revert_resize")
    assert disks_of(cloud, uuid) == (EPHEMERALS, 32)
    moved(cloud, uuid, ROOMY | {"flavorid": "9", "ephemeral_gb": 8, "swap": 128})
    assert disks_of(cloud, uuid) == (EPHEMERALS, 32)
    moved(cloud, uuid, ROOMY | {"flavorid": "10", "ephemeral_gb": 8, "swap": 16})
    assert disks_of(cloud, uuid) == (EPHEMERALS, 16)  # swap is never more than the flavor's


def test_what_is_not_named_is_as_the_flavor_has_it(cloud: Cloud) -> None:
    uuid = boot(cloud, ASKED[:1])
    whole = [{"gb": 4, "format": None, "bus": None}]
    assert disks_of(cloud, uuid) == (whole, 64)
    moved(cloud, uuid, ROOMY | {"flavorid": "9", "ephemeral_gb": 8, "swap": 128})
    assert disks_of(cloud, uuid) == ([{"gb": 8, "format": None, "bus": None}], 128)
