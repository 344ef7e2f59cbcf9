# SPDX-License-Identifier: Apache-2.0
"""Create on a host: one recorded step, for everything in it can be found again on the host."""

from __future__ import annotations

import logging

from nova import concurrency, errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.virt.interfaces import Lifecycle
from nova.workflow import Result, Run
from nova.workflow.operations import CREATE

LOG = logging.getLogger(__name__)


def build(run: Run) -> Result:
    """Network first, then the guest. Run again after a crash it finds what is there and goes on."""
    env: HostEnvironment = run.env
    server = env.server
    env.driver.require(Lifecycle)
    env.networking.plug(server.uuid, server.network_info or [])
    env.driver.spawn(guest_of(env.work), env.progress)
    info = env.driver.info(server.uuid)
    return Result(effect={"vm_state": states.ACTIVE, "task_state": None, "power_state": int(info.power_state),
                          "launched_at": concurrency.time(), "root_device_name": "/dev/vda"})


def clean_up(run: Run) -> None:
    """Leave nothing of a failed build. What cannot be removed now is found by the next check of the host."""
    env: HostEnvironment = run.env
    server = env.server
    try:
        env.driver.destroy(server.uuid, server.name)
        env.networking.unplug(server.uuid, server.network_info or [])
    except errors.NovaError as e:
        LOG.warning("server %s: clean-up after a failed build is left to the next check of this host: %s",
                    server.uuid, e.message)


CREATE_ON_HOST = CREATE.bind("host", {"build": build}, {"build": clean_up})
