# SPDX-License-Identifier: Apache-2.0
"""Shelve, offload and unshelve on a host."""

from __future__ import annotations

import logging

from nova import concurrency, errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.compute.workflows.copying import copy, drop, send
from nova.virt.interfaces import Lifecycle
from nova.workflow import Result, Run
from nova.workflow.operations import SHELVE, SHELVE_OFFLOAD, UNSHELVE

LOG = logging.getLogger(__name__)


def halt(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.power_off(env.server.uuid, timeout=env.shutdown_timeout)
    return Result(data={"was": env.server.vm_state},
                  effect={"task_state": "shelving_image_pending_upload", "power_state": _power(env)})


def revive(run: Run) -> Result:
    """A guest that ran runs again; one that stood still is off now, for its memory is gone."""
    env: HostEnvironment = run.env
    was = run.data.get("was", env.server.vm_state)
    if was == states.ACTIVE:
        _start(env)
    power = _power(env)
    vm_state = states.ACTIVE if power == states.RUNNING else states.STOPPED
    return Result(effect={"vm_state": was if power == states.PAUSED_POWER else vm_state, "power_state": power})


def capture(run: Run) -> Result:
    copy(run)
    return Result(effect={"task_state": "shelving_image_uploading"})


def upload(run: Run) -> None:
    send(run)


def vacate(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.destroy(env.server.uuid, env.server.name)
    env.networking.unplug(env.server.uuid, env.server.network_info or [])
    return Result()


def start(run: Run) -> Result:
    env: HostEnvironment = run.env
    _start(env)
    return Result(effect={"vm_state": states.ACTIVE, "power_state": _power(env)}, next="tidy")


def spawn(run: Run) -> Result:
    """As a build, of the image that was kept."""
    env: HostEnvironment = run.env
    env.driver.require(Lifecycle)
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    env.driver.spawn(guest_of(env.work), env.progress)
    return Result(effect={"vm_state": states.ACTIVE, "power_state": _power(env),
                          "launched_at": concurrency.time()})


def remove(run: Run) -> None:
    """Leave nothing of a guest that did not come up. What cannot be removed now is found by the next check."""
    env: HostEnvironment = run.env
    try:
        vacate(run)
    except errors.HostFailure as e:
        LOG.warning("server %s: clean-up after a failed unshelve is left to the next check of this host: %s",
                    env.server.uuid, e.message)


def _start(env: HostEnvironment) -> None:
    env.networking.plug(env.server.uuid, env.server.network_info or [])
    try:
        env.driver.power_on(env.server.uuid)
    except errors.NotFound:
        env.driver.recreate(guest_of(env.work))


def _power(env: HostEnvironment) -> int:
    return int(env.driver.info(env.server.uuid).power_state)


SHELVE_ON_HOST = SHELVE.bind("host", {"halt": halt, "capture": capture, "upload": upload},
                             {"halt": revive, "capture": drop, "upload": drop})
SHELVE_OFFLOAD_ON_HOST = SHELVE_OFFLOAD.bind("host", {"vacate": vacate})
UNSHELVE_ON_HOST = UNSHELVE.bind("host", {"start": start, "spawn": spawn}, {"spawn": remove})
