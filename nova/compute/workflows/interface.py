# SPDX-License-Identifier: Apache-2.0
"""Attach and detach an interface on a host."""

from __future__ import annotations

from nova.compute.environment import HostEnvironment
from nova.virt.interfaces import Interfaces
from nova.virt.types import Nic
from nova.workflow import Result, Run
from nova.workflow.operations import ATTACH_INTERFACE, DETACH_INTERFACE


def plug(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Interfaces)
    vif = run.data["vif"]
    env.networking.plug(env.server.uuid, [vif])
    env.driver.attach_interface(env.server.uuid, Nic.from_vif(vif))
    return Result()


def pull_out(run: Run) -> None:
    _pull(run.env, run.data["vif"])


def unplug(run: Run) -> Result:
    _pull(run.env, run.inputs["vif"])
    return Result()


def _pull(env: HostEnvironment, vif: dict[str, object]) -> None:
    """From the guest first: what it uses is not taken from under it."""
    env.driver.require(Interfaces)
    env.driver.detach_interface(env.server.uuid, Nic.from_vif(vif))
    env.networking.pull(env.server.uuid, [vif])


ATTACH_INTERFACE_ON_HOST = ATTACH_INTERFACE.bind("host", {"plug": plug}, {"plug": pull_out})
DETACH_INTERFACE_ON_HOST = DETACH_INTERFACE.bind("host", {"unplug": unplug})
