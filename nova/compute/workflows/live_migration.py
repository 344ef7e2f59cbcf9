# SPDX-License-Identifier: Apache-2.0
"""Live migration on its two hosts. Where the guest is, the hypervisors decide: a step that runs again looks first."""

from __future__ import annotations

from typing import Any

from nova import errors, states
from nova.compute.environment import HostEnvironment, guest_of
from nova.concurrency.together import together
from nova.virt.interfaces import LiveMigration
from nova.virt.migration import Wishes
from nova.virt.types import PowerState
from nova.workflow import Result, Run
from nova.workflow.operations import LIVE_MIGRATION


def examine(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(LiveMigration)
    return Result(data={"source": dict(env.driver.examine(env.server.uuid, run.row.uuid))})


def prepare(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(LiveMigration)
    made, _ = together(
        lambda: dict(env.driver.prepare_arrival(guest_of(env.work), run.data["source"], _wishes(run))),
        lambda: env.networking.plug(env.server.uuid, env.server.network_info or []))
    return Result(data={"destination": made}, next="migrate")


def clear(run: Run) -> None:
    """The undo at the destination, which never takes away a guest that runs."""
    env: HostEnvironment = run.env
    if env.driver.supports(LiveMigration):
        env.driver.clear_arrival(env.server.uuid, env.server.name)
    env.networking.unplug(env.server.uuid, env.server.network_info or [])


def ask(run: Run) -> Result:
    """Whichever it is, it stays so: what has not arrived by now is not let in any more."""
    env: HostEnvironment = run.env
    if not env.driver.arrived(env.server.uuid):
        env.driver.clear_arrival(env.server.uuid, env.server.name)
        raise errors.HostFailure("The guest ended while it was moved." if "ended" in run.data else
                                 "The guest has left its host and has not arrived." if run.data.get("gone") else
                                 "The source host went down while it moved the server.", retry=False)
    return Result(next="switch")


def migrate(run: Run) -> Result:
    env: HostEnvironment = run.env
    with env.turn() as watch:
        env.driver.migrate(env.server.uuid, run.data["destination"], _wishes(run), watch)
    env.networking.unplug_ahead(env.server.uuid, env.server.network_info or [])
    return Result(data={"left": _has_left(env)}, next="switch")


def _has_left(env: HostEnvironment) -> bool:
    """Whether the hypervisor here knows no such guest any more; of one whose memory is yet on its way it does."""
    try:
        env.driver.info(env.server.uuid)
    except errors.NotFound:
        return True
    return False


def call_off(run: Run) -> Result:
    """The undo at the source. A guest that does not run here any more has moved or ended: nothing may be undone then
    before the destination has told whether it runs there."""
    env: HostEnvironment = run.env
    try:
        env.driver.call_off(env.server.uuid)
    except errors.NotFound:
        return Result(data={"gone": True} | _ended(env), next="ask")
    return Result()


def _ended(env: HostEnvironment) -> dict[str, Any]:
    """The power state of a guest that is still known here and off."""
    try:
        power = env.driver.info(env.server.uuid).power_state
    except errors.NotFound:
        return {}
    return {"ended": int(power)} if power in (PowerState.SHUTDOWN, PowerState.CRASHED) else {}


def arrive(run: Run) -> Result:
    env: HostEnvironment = run.env
    server = env.server
    runs, _ = together(lambda: env.driver.welcome(guest_of(env.work)),
                       lambda: env.networking.plug(server.uuid, server.network_info or []))
    if not runs:
        return Result(data={"lost": env.host}, effect={"power_state": int(PowerState.NOSTATE)})
    power = env.driver.info(server.uuid).power_state
    if server.vm_state == states.ACTIVE and power is PowerState.PAUSED:  # it was halted so that it came to an end
        env.driver.power_on(server.uuid)
        power = env.driver.info(server.uuid).power_state
    return Result(effect={"power_state": int(power)})


def leave(run: Run) -> Result:
    env: HostEnvironment = run.env
    together(lambda: env.driver.see_off(env.server.uuid, env.server.name, run.data.get("destination") or {}),
             lambda: env.networking.unplug(env.server.uuid, env.server.network_info or []))
    return Result()


def _wishes(run: Run) -> Wishes:
    return Wishes.of(run.row.uuid, run.inputs)


LIVE_MIGRATION_ON_HOST = LIVE_MIGRATION.bind(
    "host", {"examine": examine, "prepare": prepare, "ask": ask, "migrate": migrate, "arrive": arrive, "leave": leave},
    {"prepare": clear, "migrate": call_off})
