# SPDX-License-Identifier: Apache-2.0
"""Soft delete and restore on a host: power off, power on. The disks stay where they are."""

from __future__ import annotations

import logging

from nova import errors, states
from nova.compute.environment import HostEnvironment
from nova.compute.workflows.power import power_on
from nova.compute.workflows.settling import failed
from nova.workflow import Result, Run
from nova.workflow.operations import RESTORE, SOFT_DELETE

LOG = logging.getLogger(__name__)


def set_aside(run: Run) -> Result:
    env: HostEnvironment = run.env
    uuid = env.server.uuid
    try:
        env.driver.power_off(uuid, timeout=env.shutdown_timeout)
        power = int(env.driver.info(uuid).power_state)
    except errors.NotFound:
        LOG.info("server %s is deleted softly and has no guest", uuid)
        power = states.NOSTATE
    return Result(effect={"power_state": power})


SOFT_DELETE_ON_HOST = SOFT_DELETE.bind("host", {"set_aside": set_aside}, failed=failed)
RESTORE_ON_HOST = RESTORE.bind("host", {"power_on": power_on})
