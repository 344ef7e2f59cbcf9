# SPDX-License-Identifier: Apache-2.0
"""Live migration at API level: the destination and the claims before, the record of where the server is after."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.cells import Cell
from nova.concurrency.together import together
from nova.conductor import moving, placing
from nova.conductor.environment import Environment, actor
from nova.db.cell import compute_nodes, instances, signals
from nova.networks import allocation, documents
from nova.virt.migration import ABORT
from nova.workflow import Fault, Result, Run
from nova.workflow.operations import LIVE_MIGRATION

LOST = ("The guest had begun to run here when the connection to its former host broke, and the rest of its memory "
        "cannot be had: it is off. Its disks are here; a hard reboot boots it anew.")

_EXAMINE, _ARRIVE, _LEAVE = (LIVE_MIGRATION.step(name) for name in ("examine", "arrive", "leave"))


def choose(run: Run) -> Result:
    """The named host, checked by the scheduler unless it is forced, or any other host of the cell. Meanwhile the source
    examines the guest; what it does not tell now it tells in a step of its own."""
    env, row, cell = run.env, run.row, _cell(run)
    with cell.database.read() as conn:
        server = instances.get(conn, row.instance_uuid)
    if server is None:
        raise errors.Stale(f"Server {row.instance_uuid} is gone.")
    wanted = run.inputs.get("host")
    if wanted == server["host"]:
        raise errors.HostFailure(f"Unable to migrate instance {server['uuid']} to current host {wanted}.", retry=False)
    with env.api.read() as conn:
        spec = moving.live_spec(conn, server, cell.uuid, wanted, force=bool(run.inputs.get("force")))

    def place() -> tuple[dict[str, Any], placing.Claimed]:
        decision = placing.choose(env, row, spec, fresh=run.tries > 0)
        return decision, env.api.run(lambda conn: moving.claim(conn, row, decision, spec))

    source = dataclasses.replace(row, step_data=run.data | {"source_compute": server["host"]})
    (seen, image), (decision, claimed) = together(
        lambda: (*env.errands.ask(cell, source, _EXAMINE), _image(env, run, server["image_ref"])), place)
    flavor = (server["flavor"] or {}).get("id")
    data = {"source_compute": server["host"], "source_node": server["node"], "old_instance_type_id": flavor,
            "new_instance_type_id": flavor, "image": image, "spec": spec, "alternates": claimed.alternates,
            "refused": claimed.refused}
    return Result(data=data | _place(cell, claimed.host) | (seen.data if seen else {}),
                  event_data=placing.explained(decision), next="prepare" if seen else "examine",
                  effect=(lambda conn: seen.record(conn, row)) if seen else None)


def _place(cell: Cell, host: dict[str, Any]) -> dict[str, Any]:
    with cell.database.read() as conn:
        node = compute_nodes.get(conn, host["uuid"])
    return {"selected": host, "dest_compute": host["host"], "dest_node": host["node"],
            "dest_host": node["host_ip"] if node is not None else None}


def _image(env: Environment, run: Run, image_id: str | None) -> dict[str, Any] | None:
    """What the destination lays the disk over. Without it, the whole disk is copied."""
    try:
        return env.image_source(actor(run.row).elevated(), image_id) if image_id else None
    except errors.NotFound:
        return None


def give_back(run: Run) -> None:
    run.env.api.run(lambda conn: moving.take_back(conn, run.row))


def another(run: Run) -> Result:
    """A destination that refused, for a reason that may not be the next one's."""
    env, row = run.env, run.row
    fault = run.data.get("fault") or {}
    tried = [*run.data.get("failed_hosts", []), run.data["dest_compute"]]
    rest: list[dict[str, Any]] = run.data.get("alternates") or [] if fault.get("retry", True) else []
    spec = run.data["spec"]
    claimed = env.api.run(lambda conn: moving.claim_next(conn, row, rest, spec)) if rest else None
    if claimed is None:
        raise moving.no_host_left(fault.get("message") or "No host takes the server.", tried, fault.get("details", ""))
    return Result(data=_place(_cell(run), claimed.host) | {"alternates": claimed.alternates, "failed_hosts": tried},
                  next="prepare", details=fault.get("message"))


def switch(run: Run) -> Result:
    """The guest runs at the destination. First its ports, in the API database, then its record."""
    env, row, selected = run.env, run.row, run.data["selected"]

    def bind(conn: sa.Connection) -> list[dict[str, Any]]:
        placing.fence(conn, row)
        return allocation.bind(conn, row.instance_uuid, selected["host"])

    vifs = env.api.run(bind)

    def move(conn: sa.Connection) -> None:
        values = {"host": selected["host"], "node": selected["node"], "compute_uuid": selected["uuid"],
                  "network_info": vifs, "addresses": documents.all_addresses(vifs),
                  "availability_zone": selected.get("availability_zone") or None}
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **values):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")

    return Result(effect=move)


def land(run: Run) -> Result:
    """Both hosts, at once if the source has no guest any more, and the end. Whatever a host does not say that it did is
    a step of its own, and so is the end if the destination has more to say than that it is done."""
    env, row, cell = run.env, run.row, _cell(run)
    if run.data.get("left"):
        arrived, left = env.errands.ask(cell, row, _ARRIVE, _LEAVE)
    else:
        arrived, left = env.errands.ask(cell, row, _ARRIVE)[0], None
    if arrived is None:
        return Result(next="arrive")
    done = [each for each in (arrived, left) if each is not None]

    def record(conn: sa.Connection) -> None:
        for each in done:
            each.record(conn, row)

    if left is None or arrived.data:
        return Result(data=arrived.data, next="leave" if left is None else "settle", effect=record)
    env.api.run(lambda conn: moving.give_up(conn, row))

    def close(conn: sa.Connection) -> dict[str, Any]:
        record(conn)
        return _close(conn, run, "completed")

    return Result(effect=close, close="done")


def settle(run: Run) -> Result:
    row = run.row
    run.env.api.run(lambda conn: moving.give_up(conn, row))
    if "lost" not in run.data:
        return Result(effect=lambda conn: _close(conn, run, "completed"))
    fault = Fault(LOST, host=run.data["lost"]).to_dict()

    def lose(conn: sa.Connection) -> dict[str, Any]:
        told = _close(conn, run, "failed", vm_state=states.ERROR)
        instances.add_fault(conn, row.instance_uuid, fault)
        return told

    return Result(effect=lose, close="failed", fault=fault)


def failed(run: Run) -> Result:
    """The server is where it was, and as it was, unless its guest has ended by itself."""
    changes = {"vm_state": states.STOPPED, "power_state": run.data["ended"]} if "ended" in run.data else {}

    def close(conn: sa.Connection) -> dict[str, Any]:
        aborted = ABORT in signals.of(conn, run.row.uuid)
        status = "cancelled" if aborted else "failed" if "destination" in run.data else "error"
        return _close(conn, run, status, **changes)

    return Result(effect=close)


def _close(conn: sa.Connection, run: Run, status: str, **changes: Any) -> dict[str, Any]:
    if not instances.update(conn, run.row.instance_uuid, epoch=run.row.epoch, task_state=None, **changes):
        raise errors.Stale(f"Server {run.row.instance_uuid} has another owner.")
    return {"status": status}


def _cell(run: Run) -> Cell:
    cell: Cell | None = run.env.cell
    if cell is None:
        raise errors.Stale("A live migration belongs to a cell.")
    return cell


LIVE_MIGRATION_AT_API = LIVE_MIGRATION.bind(
    "api", {"choose": choose, "another": another, "switch": switch, "land": land, "settle": settle},
    {"choose": give_back}, failed=failed)
