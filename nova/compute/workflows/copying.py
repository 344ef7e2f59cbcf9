# SPDX-License-Identifier: Apache-2.0
"""How a host makes an image of a guest's disk: a file first, then its bytes to the store. Snapshot, backup and shelve
share it."""

from __future__ import annotations

import logging

from nova import errors
from nova.compute.environment import HostEnvironment
from nova.objects.instance import Instance
from nova.virt.interfaces import Quiesce, Snapshots
from nova.workflow import Run

LOG = logging.getLogger(__name__)
_YES = frozenset({"yes", "true", "1", "on"})


def copy(run: Run) -> None:
    """Have the file. Found complete is fine."""
    env: HostEnvironment = run.env
    env.driver.require(Snapshots)
    image = run.inputs["image"]
    env.driver.snapshot(env.server.uuid, image["id"], image["disk_format"], quiesce_of(env.server), env.progress)


def send(run: Run) -> None:
    """Have the bytes in the store. A file that is gone is made anew."""
    env: HostEnvironment = run.env
    image = run.inputs["image"]
    path = env.driver.snapshot(env.server.uuid, image["id"], image["disk_format"], quiesce_of(env.server),
                               env.progress)
    env.upload(run.data["upload_url"], path)
    drop(run)


def drop(run: Run) -> None:
    """No file. One that cannot be removed now goes with the next image of the guest, or with the guest."""
    env: HostEnvironment = run.env
    try:
        env.driver.drop_snapshot(env.server.uuid, run.inputs["image"]["id"])
    except errors.HostFailure as e:
        LOG.warning("server %s: a file of its snapshot is left behind: %s", env.server.uuid, e.message)


def quiesce_of(server: Instance) -> Quiesce:
    """What the image's properties say of its guest agent."""
    properties = server.image_properties or {}
    if str(properties.get("os_require_quiesce", "")).lower() in _YES:
        return "must"
    return "try" if str(properties.get("hw_qemu_guest_agent", "")).lower() in _YES else "no"
