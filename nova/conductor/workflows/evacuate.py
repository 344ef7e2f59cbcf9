# SPDX-License-Identifier: Apache-2.0
"""Evacuation at API level: the claim, the record, and the former host's share of both.

While it is open the new host is claimed by the server and the old one by the operation; at the end the API level
releases the old one, for a host that comes back removes the guest before it takes any work. A former host that is
back too early stops the evacuation: until the record has moved the server is its own.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.conductor import moving, placing
from nova.conductor.environment import Environment, actor
from nova.db.cell import instances
from nova.db.cell.tables import services
from nova.networks import allocation
from nova.placement import claims
from nova.quota import holds
from nova.workflow import Result, Row, Run
from nova.workflow.operations import EVACUATE

#: So many hosts are tried before a server is left where it was.
_ATTEMPTS = 3


def claim(run: Run) -> Result:
    env, row, cell = moving.within(run)
    inputs, source = run.inputs, run.data["source_compute"]
    server = moving.server_of(cell, row)
    with cell.database.read() as conn:
        _still_down(conn, run)
    _clear_up(env, run, server)
    named = inputs.get("host")
    where = {"force_host": named} if inputs.get("force") else {"requested_destination": {"host": named}}
    with env.api.read() as conn:
        spec = placing.spec_of(conn, server, only_cell=cell.uuid, **(where if named else {}),
                               ignore_hosts=[*(run.data.get("failed_hosts") or []), source])
    try:
        decision = placing.choose(env, row, spec, fresh=run.tries > 0)
    except errors.NoValidHost as e:
        if tried := run.data.get("failed_hosts"):  # why those failed says more than that there is no other
            raise moving.no_host_left(run.data["fault"]["message"], tried, e.message) from e
        raise
    chosen = env.api.run(lambda conn: _claim(conn, run, decision, spec))
    image = env.image_source(actor(row).elevated(), server["image_ref"]) if server["image_ref"] else None
    node = moving.node_of(cell, chosen["uuid"])
    return Result(data={"dest_compute": node["host"], "dest_node": node["hypervisor_hostname"],
                        "dest_host": node["host_ip"], "dest_uuid": chosen["uuid"], "image": image,
                        "dest_zone": chosen.get("availability_zone") or None},
                  next="move", event_data=placing.explained(decision))


def _clear_up(env: Environment, run: Run, server: dict[str, Any]) -> None:
    """What the operations that this one ended have left: claims, quota that they held, images without bytes. From now
    on the server holds the host where it is, and is charged for the flavor that it has."""
    row, inputs = run.row, run.inputs

    def release(conn: sa.Connection) -> None:
        placing.fence(conn, row)
        for ended in inputs["moves"]:
            if server["compute_uuid"] in claims.allocations_of(conn, [ended]).get(ended, {}):
                claims.release(conn, row.instance_uuid)  # where it was on its way to
                claims.move(conn, ended, row.instance_uuid, consumer_type=claims.INSTANCE)
            claims.release(conn, ended)
            holds.settle(conn, row.instance_uuid, ended, holds.charge_of(server["flavor"]))

    if inputs["moves"]:
        env.api.run(release)
    for image_id in inputs.get("unfinished", ()):
        env.snapshots.discard(image_id)


def _claim(conn: sa.Connection, run: Run, decision: dict[str, Any], spec: placing.Spec) -> dict[str, Any]:
    host = moving.claim(conn, run.row, decision, spec).host
    return host


def unclaim(run: Run) -> None:
    env, row, _ = moving.within(run)
    env.api.run(lambda conn: moving.take_back(conn, row))


def move(run: Run) -> Result:
    env, row, cell = moving.within(run)
    data = run.data
    vifs = env.api.run(lambda conn: _bind(conn, row, data["dest_compute"]))

    def record(conn: sa.Connection) -> dict[str, Any]:
        _still_down(conn, run)
        _write(conn, row, {
            "host": data["dest_compute"], "node": data["dest_node"], "compute_uuid": data["dest_uuid"],
            "availability_zone": data["dest_zone"], "network_info": vifs, "task_state": "rebuild_spawning"})
        return {"status": "pre-migrating"}

    return Result(effect=record, next="fence")


def unmove(run: Run) -> Result:
    return Result(effect=_back(run))


def _back(run: Run) -> Any:
    """Ports now; gives the effect that takes the record back."""
    env, row, _ = moving.within(run)
    kept = run.inputs["from"]
    vifs = env.api.run(lambda conn: _bind(conn, row, run.data["source_compute"]))

    def record(conn: sa.Connection) -> None:
        _write(conn, row, {
            "host": run.data["source_compute"], "node": run.data["source_node"], "compute_uuid": kept["compute_uuid"],
            "availability_zone": kept["zone"], "network_info": vifs, "task_state": "rebuilding"})

    return record


def elsewhere(run: Run) -> Result:
    """What the host that failed had is given up; a host that was asked for by name is the only one tried."""
    env, row, cell = moving.within(run)
    fault = run.data.get("fault") or {}
    failed = [*(run.data.get("failed_hosts") or []), run.data["dest_compute"]]
    message = fault.get("message") or "The host failed."
    if run.inputs.get("host") or len(failed) >= _ATTEMPTS or not fault.get("retry", True):
        raise moving.no_host_left(message, failed, fault.get("details", ""))
    effect = _back(run)
    env.api.run(lambda conn: _give_up(conn, row))
    env.tidy(cell, run.data["dest_compute"], row.instance_uuid)
    return Result(data={"failed_hosts": failed}, effect=effect, next="claim", details=message)


def _give_up(conn: sa.Connection, row: Row) -> None:
    """The server holds nothing but what is under the operation."""
    placing.fence(conn, row)
    if row.uuid in claims.allocations_of(conn, [row.uuid]):
        claims.release(conn, row.instance_uuid)


def fence(run: Run) -> Result:
    env, row, cell = moving.within(run)
    env.tidy(cell, run.data["source_compute"], row.instance_uuid)
    return Result(data={"fenced": True}, next="rebuild")


def settle(run: Run) -> Result:
    env, row, cell = moving.within(run)
    env.api.run(lambda conn: moving.give_up(conn, row))
    env.tidy(cell, run.data["source_compute"], row.instance_uuid)

    def done(conn: sa.Connection) -> dict[str, Any]:
        _write(conn, row, {"vm_state": states.ACTIVE if run.inputs["power_on"] else states.STOPPED,
                           "task_state": None})
        return {"status": "done"}

    return Result(effect=done)


def given_up(run: Run) -> Result:
    """The server is as it was, with the reason; in error if its former host may have let go of the guest by now."""
    row = run.row
    vm_state = states.ERROR if run.data.get("fenced") else run.inputs["from"]["vm_state"]

    def record(conn: sa.Connection) -> dict[str, Any]:
        _write(conn, row, {"vm_state": vm_state, "task_state": None})
        instances.add_fault(conn, row.instance_uuid, row.fault or {})
        return {"status": "error"}

    return Result(effect=record)


# -- what they share ---------------------------------------------------------------------------------------------------


def _still_down(conn: sa.Connection, run: Run) -> None:
    source = run.data["source_compute"]
    if not services.is_down(conn, source, "nova-compute", run.inputs["down_after"]):
        raise errors.Conflict(f"Host {source} is back: the server stays there.", retry=False)


def _bind(conn: sa.Connection, row: Row, host: str) -> list[dict[str, Any]]:
    placing.fence(conn, row)
    return allocation.bind(conn, row.instance_uuid, host)


def _write(conn: sa.Connection, row: Row, values: dict[str, Any]) -> None:
    if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **values):
        raise errors.Stale(f"Server {row.instance_uuid} has another owner.")


EVACUATE_AT_API = EVACUATE.bind("api", {"claim": claim, "move": move, "elsewhere": elsewhere, "fence": fence,
                                        "settle": settle}, {"claim": unclaim, "move": unmove}, given_up)
