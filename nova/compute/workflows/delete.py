# SPDX-License-Identifier: Apache-2.0
"""Delete on a host: neither guest nor disks nor network is left."""

from __future__ import annotations

from nova import states
from nova.compute.environment import HostEnvironment
from nova.virt.interfaces import Resize
from nova.workflow import Result, Run
from nova.workflow.operations import DELETE


def destroy(run: Run) -> Result:
    env: HostEnvironment = run.env
    server = env.server
    env.driver.destroy(server.uuid, server.name)
    if env.driver.supports(Resize):
        env.driver.drop_aside(server.uuid)
    env.networking.unplug(server.uuid, server.network_info or [])
    return Result()


def failed(run: Run) -> Result:
    return Result(effect={"vm_state": states.ERROR, "task_state": None})


DELETE_ON_HOST = DELETE.bind("host", {"destroy": destroy}, failed=failed)
