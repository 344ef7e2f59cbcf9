# SPDX-License-Identifier: Apache-2.0
"""Resize and cold migration on both hosts, confirm and revert. What is left undone here is found by the host's check.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from nova import concurrency, errors, states
from nova.compute.environment import HostEnvironment, guest_of, swap_of
from nova.virt.interfaces import Resize
from nova.virt.types import GuestSpec
from nova.workflow import Result, Run
from nova.workflow.operations.resize import CONFIRM, MIGRATE, RESIZE, REVERT


def prep(run: Run) -> Result:
    env = _able(run)
    guest = _with(env, run.inputs["flavor"])
    told = env.driver.expect(guest, from_here=run.data["source_compute"] == env.host)
    return Result(data={"expected": dict(told)}, effect={"task_state": "resize_migrating"})


def leave(run: Run) -> Result:
    env = _able(run)
    server = env.server
    disks = env.driver.set_aside(_with(env, run.inputs["old_flavor"]), run.data["expected"],
                                 env.shutdown_timeout, env.progress)
    env.networking.unplug(server.uuid, server.network_info or [])
    return Result(data={"disks": dict(disks)}, effect={"task_state": "resize_migrated"})


def stay(run: Run) -> None:
    """Undo of leaving: the guest is here again, running if it was."""
    env = _able(run)
    server = env.server
    env.networking.plug(server.uuid, server.network_info or [])
    env.driver.take_back(_with(env, run.inputs["old_flavor"]),
                         power_on=run.inputs["from"]["vm_state"] == states.ACTIVE)


def arrive(run: Run) -> Result:
    env = _able(run)
    server = env.server
    env.networking.plug(server.uuid, server.network_info or [])
    env.driver.bring_in(guest_of(env.work), run.data["disks"], env.progress,
                       power_on=run.inputs["from"]["vm_state"] == states.ACTIVE)
    return Result(effect=_power(env) | {"vm_state": states.RESIZED, "task_state": None,
                                        "launched_at": concurrency.time()})


def go(run: Run) -> None:
    """Undo of arriving."""
    _remove(_able(run))


def drop(run: Run) -> Result:
    env = _able(run)
    env.driver.drop_aside(env.server.uuid)
    return Result()


def withdraw(run: Run) -> Result:
    env = _able(run)
    _remove(env)
    return Result()


def restore(run: Run) -> Result:
    env = _able(run)
    server, active = env.server, run.inputs["from"]["vm_state"] == states.ACTIVE
    env.networking.plug(server.uuid, server.network_info or [])
    env.driver.take_back(guest_of(env.work), power_on=active)
    return Result(effect=_power(env) | {"vm_state": states.ACTIVE if active else states.STOPPED, "task_state": None})


def failed(run: Run) -> Result:
    """The server is what its host makes of it now; a hard reboot tries again."""
    env: HostEnvironment = run.env
    try:
        effect = _power(env)
    except errors.NovaError:
        effect = {"power_state": states.NOSTATE}
    resized = run.row.action == CONFIRM.action
    return Result(effect=effect | {"vm_state": states.RESIZED if resized else states.ERROR, "task_state": None})


def _able(run: Run) -> HostEnvironment:
    env: HostEnvironment = run.env
    env.driver.require(Resize)
    return env


def _remove(env: HostEnvironment) -> None:
    env.driver.destroy(env.server.uuid, env.server.name or "")
    env.networking.unplug(env.server.uuid, env.server.network_info or [])


def _power(env: HostEnvironment) -> dict[str, Any]:
    return {"power_state": int(env.driver.info(env.server.uuid).power_state)}


def _with(env: HostEnvironment, flavor: dict[str, Any]) -> GuestSpec:
    return dataclasses.replace(guest_of(env.work), vcpus=flavor["vcpus"], memory_mb=flavor["memory_mb"],
                               root_gb=flavor["root_gb"], ephemeral_gb=flavor["ephemeral_gb"],
                               swap_mb=swap_of(env.server, flavor), flavor=flavor,
                               extra_specs=flavor.get("extra_specs") or {})


_MOVES: dict[str, Any] = {"prep": prep, "leave": leave, "arrive": arrive}
_BACK: dict[str, Any] = {"leave": stay, "arrive": go}
RESIZE_ON_HOST, MIGRATE_ON_HOST = (shape.bind("host", _MOVES, _BACK) for shape in (RESIZE, MIGRATE))
CONFIRM_ON_HOST = CONFIRM.bind("host", {"drop": drop}, failed=failed)
REVERT_ON_HOST = REVERT.bind("host", {"withdraw": withdraw, "restore": restore}, failed=failed)
