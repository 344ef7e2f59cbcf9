# SPDX-License-Identifier: Apache-2.0
"""Soft delete and restore on a host: power off, power on. The disks stay where they are; a server that was rescued
boots from its own again."""

from __future__ import annotations

import logging

from nova import errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.compute.workflows.power import power_on
from nova.compute.workflows.settling import failed, settled
from nova.workflow import Result, Run
from nova.workflow.operations import RESTORE, SOFT_DELETE
from nova.workflow.operations.soft_delete import DELETED_FROM

LOG = logging.getLogger(__name__)
_NOT_SHOWN = frozenset({states.RESCUED, states.RESIZED, states.SHELVED})


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


def back(run: Run) -> Result:
    env: HostEnvironment = run.env
    if not run.inputs.get("rescued"):
        return power_on(run)
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    env.driver.unrescue(guest_of(env.work), power_on=True)
    rest = {k: v for k, v in (env.server.system_metadata or {}).items() if k != DELETED_FROM}
    return Result(effect=settled(env, states.ACTIVE) | {"system_metadata": rest})


def still_there(run: Run) -> Result:
    """The guest could not be shut down: the server is what it was, as far as that does not show in its guest."""
    found, before = failed(run), run.inputs.get("from")
    if found.effect["vm_state"] != states.ERROR and before in _NOT_SHOWN:
        found.effect["vm_state"] = before
    return found


SOFT_DELETE_ON_HOST = SOFT_DELETE.bind("host", {"set_aside": set_aside}, failed=still_there)
RESTORE_ON_HOST = RESTORE.bind("host", {"power_on": back})
