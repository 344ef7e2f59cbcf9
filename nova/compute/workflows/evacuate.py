# SPDX-License-Identifier: Apache-2.0
"""Evacuation on the host that the server comes to. The former host takes no part: its check removes what is left."""

from __future__ import annotations

import logging

from nova import concurrency, errors
from nova.compute.environment import HostEnvironment, guest_of
from nova.virt.interfaces import Lifecycle
from nova.workflow import Result, Run
from nova.workflow.operations import EVACUATE

LOG = logging.getLogger(__name__)


def rebuild(run: Run) -> Result:
    """On shared storage the guest's disks are here already; they are used as they are."""
    env: HostEnvironment = run.env
    server, guest = env.server, guest_of(env.work)
    env.driver.require(Lifecycle)
    env.networking.plug(server.uuid, server.network_info or [])
    try:
        env.driver.recreate(guest)
    except errors.NotFound:
        env.driver.spawn(guest, env.progress)
    if not run.inputs["power_on"]:
        env.driver.power_off(server.uuid)
    info = env.driver.info(server.uuid)
    return Result(effect={"power_state": int(info.power_state), "launched_at": concurrency.time()})


def clean_up(run: Run) -> None:
    """Leave no guest. What cannot be removed now is found by the next check of this host."""
    env: HostEnvironment = run.env
    server = env.server
    try:
        env.driver.destroy(server.uuid, server.name or "")
        env.networking.unplug(server.uuid, server.network_info or [])
    except errors.NovaError as e:
        LOG.warning("server %s: clean-up after a failed evacuation is left to the next check of this host: %s",
                    server.uuid, e.message)


EVACUATE_ON_HOST = EVACUATE.bind("host", {"rebuild": rebuild}, {"rebuild": clean_up})
