# SPDX-License-Identifier: Apache-2.0
"""Resize, cold migration, confirm and revert at API level: who holds what, and where the record says the server is.

While a move is open, and until it is confirmed or reverted, the new host is claimed by the server and the old one by
the operation. Everything is by natural key, so each step may run again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.conductor import moving, placing
from nova.db.cell import instances
from nova.networks import allocation
from nova.placement import claims
from nova.placement.resources import resources_of
from nova.quota import holds
from nova.store import moves
from nova.workflow import Result, Row, Run
from nova.workflow.operations.resize import CONFIRM, MIGRATE, RESIZE, REVERT

#: So many hosts are tried before a move is given up.
_ATTEMPTS = 3


def claim(run: Run) -> Result:
    """The claims change hands and the new one is made, in one transaction."""
    env, row, cell = moving.within(run)
    inputs = run.inputs
    server = moving.server_of(cell, row)
    failed = list(run.data.get("failed_hosts") or [])
    leave = [] if inputs["same_host"] else [run.data["source_compute"]]
    target = {"host": inputs["host"]} if inputs["host"] else None
    with env.api.read() as conn:
        needs = resources_of(inputs["flavor"], image_properties=server["image_properties"])
        spec = placing.spec_of(conn, server, flavor=inputs["flavor"], resources=needs,
                               ignore_hosts=[*failed, *leave], requested_destination=target, only_cell=cell.uuid)
    decision = placing.choose(env, row, spec, fresh=run.tries > 0)
    chosen = env.api.run(lambda conn: _claim(conn, row, decision, spec))
    node = moving.node_of(cell, chosen)
    return Result(data={"dest_compute": node["host"], "dest_node": node["hypervisor_hostname"],
                        "dest_host": node["host_ip"], "dest_uuid": chosen},
                  event_data=placing.explained(decision))


def _claim(conn: sa.Connection, row: Row, decision: dict[str, Any], spec: placing.Spec) -> str:
    if not holds.is_held(conn, row.instance_uuid, holds.charge_of(spec["flavor"])):
        raise errors.Conflict("What the new flavor costs is not charged any more: ask again.", retry=False)
    uuid: str = moving.claim(conn, row, decision, spec).host["uuid"]
    return uuid


def unclaim(run: Run) -> None:
    """The server holds again what it held, and is charged for that."""
    env, row, _ = moving.within(run)

    def give_back(conn: sa.Connection) -> None:
        moving.take_back(conn, row)
        holds.settle(conn, row.instance_uuid, row.uuid)

    env.api.run(give_back)


def _claims_back(conn: sa.Connection, server: str, operation: str) -> None:
    if operation in claims.allocations_of(conn, [operation]):
        claims.release(conn, server)
        claims.move(conn, operation, server, consumer_type=claims.INSTANCE)


def elsewhere(run: Run) -> Result:
    """The chosen host said no. Its claim goes; unless that very host was asked for, another is chosen."""
    env, row, _ = moving.within(run)
    fault = run.data.get("fault") or {}
    failed = [*(run.data.get("failed_hosts") or []), run.data["dest_compute"]]

    def release(conn: sa.Connection) -> None:
        placing.fence(conn, row)
        if row.uuid in claims.allocations_of(conn, [row.uuid]):
            claims.release(conn, row.instance_uuid)

    env.api.run(release)
    if run.inputs["host"] or len(failed) >= _ATTEMPTS or not fault.get("retry", True):
        raise errors.NoValidHost(fault.get("message") or "No host takes the server.", retry=False,
                                 details=f"Hosts tried: {', '.join(failed)}")
    return Result(data={"failed_hosts": failed}, next="claim", details=fault.get("message"))


def move(run: Run) -> Result:
    """Ports first, then the record: from here on the server is the new host's."""
    env, row, cell = moving.within(run)
    data, inputs = run.data, run.inputs
    server = moving.server_of(cell, row)
    vifs = env.api.run(lambda conn: _bind(conn, row, data["dest_compute"]))
    kept = dict(inputs["from"]) | {
        "operation": row.uuid, "flavor": inputs["old_flavor"], "source_compute": data["source_compute"],
        "source_node": data["source_node"], "dest_compute": data["dest_compute"]}
    return Result(effect=_record(row, {
        "host": data["dest_compute"], "node": data["dest_node"], "compute_uuid": data["dest_uuid"],
        "network_info": vifs, "task_state": "resize_finish", **_sizes(inputs["flavor"]),
        "system_metadata": server["system_metadata"] | {"resized_from": kept}}))


def unmove(run: Run) -> Result:
    env, row, cell = moving.within(run)
    vifs = env.api.run(lambda conn: _bind(conn, row, run.data["source_compute"]))
    kept = {"source_compute": run.data["source_compute"], "source_node": run.data["source_node"],
            "flavor": run.inputs["old_flavor"], **run.inputs["from"]}
    former = _former(moving.server_of(cell, row), kept, vifs)
    return Result(effect=_record(row, former | {"task_state": "resize_migrating"}))


def _bind(conn: sa.Connection, row: Row, host: str) -> list[dict[str, Any]]:
    placing.fence(conn, row)
    return allocation.bind(conn, row.instance_uuid, host)


def _former(server: dict[str, Any], kept: dict[str, Any], vifs: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns of a server that is where it came from."""
    rest = {k: v for k, v in server["system_metadata"].items() if k != "resized_from"}
    return {"host": kept["source_compute"], "node": kept["source_node"], "compute_uuid": kept["source_uuid"],
            "availability_zone": kept["zone"], "network_info": vifs, "system_metadata": rest, **_sizes(kept["flavor"])}


def _sizes(flavor: dict[str, Any]) -> dict[str, Any]:
    return {"flavor": flavor} | {k: flavor[k] for k in ("flavorid", "vcpus", "memory_mb", "root_gb", "ephemeral_gb")}


def given_up(run: Run) -> Result:
    """All is undone: the server is as it was."""
    return Result(effect=_record(run.row, {"vm_state": run.inputs["from"]["vm_state"], "task_state": None}))


# -- confirm and revert ------------------------------------------------------------------------------------------------


def settle(run: Run) -> Result:
    """The server relies on its former host no more."""
    env, row, cell = moving.within(run)
    server, kept = moving.server_of(cell, row), run.inputs["from"]

    def release(conn: sa.Connection) -> None:
        placing.fence(conn, row)
        claims.release(conn, kept["operation"])
        holds.settle(conn, row.instance_uuid, kept["operation"], holds.charge_of(server["flavor"]))

    def confirmed(conn: sa.Connection) -> None:
        rest = {k: v for k, v in server["system_metadata"].items() if k != "resized_from"}
        stopped = server["power_state"] == states.SHUTDOWN
        _record(row, {"vm_state": states.STOPPED if stopped else states.ACTIVE, "task_state": None,
                      "system_metadata": rest})(conn)
        moves.mark(conn, kept["operation"], "confirmed")

    env.api.run(release)
    return Result(effect=confirmed)


def back(run: Run) -> Result:
    """Nothing of the server is left on the host that it came to."""
    env, row, cell = moving.within(run)
    kept = run.inputs["from"]

    def release(conn: sa.Connection) -> list[dict[str, Any]]:
        vifs = _bind(conn, row, kept["source_compute"])
        _claims_back(conn, row.instance_uuid, kept["operation"])
        holds.settle(conn, row.instance_uuid, kept["operation"], holds.charge_of(kept["flavor"]))
        return vifs

    vifs = env.api.run(release)
    server = moving.server_of(cell, row)

    def reverted(conn: sa.Connection) -> None:
        _record(row, _former(server, kept, vifs))(conn)
        moves.mark(conn, kept["operation"], "reverted")

    return Result(effect=reverted)


# -- what they share ---------------------------------------------------------------------------------------------------


def _record(row: Row, values: dict[str, Any]) -> Any:
    def write(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **values):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")

    return write


_MOVES: dict[str, Any] = {"claim": claim, "elsewhere": elsewhere, "move": move}
_BACK: dict[str, Any] = {"claim": unclaim, "move": unmove}
RESIZE_AT_API, MIGRATE_AT_API = (shape.bind("api", _MOVES, _BACK, given_up) for shape in (RESIZE, MIGRATE))
CONFIRM_AT_API = CONFIRM.bind("api", {"settle": settle})
REVERT_AT_API = REVERT.bind("api", {"back": back})
