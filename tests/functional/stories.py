# SPDX-License-Identifier: Apache-2.0
"""The main stories, for whatever a cloud stands on."""

from __future__ import annotations

from tests.functional import truth
from tests.functional.cloud import FLAVOR, Cloud


def life(cloud: Cloud) -> None:
    """Boot in two cells, stop, start, reboot, no valid host, list, delete; nothing is left."""
    context = cloud.context()
    uuids = cloud.boot(count=4)
    buried = cloud.boot(flavor=FLAVOR | {"root_gb": 10**6})[0]
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    assert {truth.cell_of(cloud, uuid) for uuid in uuids} == {"cell1", "cell2"}
    assert cloud.wait_state(buried, "error")["fault"]["message"].startswith("No valid host was found.")
    cloud.operations.stop(context, uuids[0])
    cloud.wait_state(uuids[0], "stopped")
    cloud.operations.start(context, uuids[0])
    cloud.operations.reboot(context, uuids[1], "HARD")
    for uuid in uuids[:2]:
        cloud.wait_state(uuid, "active")
    assert truth.usage(cloud) == {"instances": 5, "cores": 5, "ram": 5 * 512}
    for uuid in (*uuids, buried):
        cloud.operations.delete(context, uuid)
    for uuid in (*uuids, buried):
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)


def failures(cloud: Cloud) -> None:
    """A build that fails goes to another host of its cell, or ends in error; deleted, nothing is left."""
    for service in cloud.hosts.values():
        service.manager.driver.knobs.fail("spawn", times=1)
    uuids = [cloud.boot()[0] for _ in range(4)]
    ended = [truth.settled(cloud, uuid)["vm_state"] for uuid in uuids]
    assert set(ended) <= {"active", "error"}
    for uuid in uuids:
        cloud.operations.delete(cloud.context(), uuid)
    for uuid in uuids:
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
