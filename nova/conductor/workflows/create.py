# SPDX-License-Identifier: Apache-2.0
"""Create at API level: schedule and claim (T2, T3), record in the cell (T4, T5), dispatch to the host (T6), and what to
do when a host failed. T1 is the acceptance, T7 the host's report."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova import concurrency, errors, states
from nova.cells import Cell
from nova.cells.directory import CELL0
from nova.conductor import placing
from nova.conductor.environment import Environment, actor
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from nova.networks import allocation, documents
from nova.placement import claims
from nova.store import events
from nova.workflow import Result, Row, Run
from nova.workflow.operations import CREATE


def schedule(run: Run) -> Result:
    """Ask the scheduler; the claim decides. When every ranked host filled up meanwhile, ask again with a fresh view."""
    decision = placing.choose(run.env, run.row, run.inputs["spec"], fresh=run.tries > 0)
    return Result(effect=_first_claim(run, decision), next="record", event_data=placing.explained(decision))


def _first_claim(run: Run, decision: dict[str, Any]) -> Any:
    """The transaction of T2 and T3: the first ranked host that still has room, and the addresses."""
    row = run.row

    def effect(conn: sa.Connection) -> dict[str, Any]:
        if row.taken:  # else it is taken, and fenced, by this very transaction
            placing.fence(conn, row)
        claimed = placing.claim_first(conn, row, decision, run.inputs["spec"])
        vifs = allocation.allocate(conn, instance_uuid=row.instance_uuid, project_id=row.project_id,
                                   host=claimed.host["host"], requested=run.inputs.get("networks"),
                                   groups=run.inputs.get("security_groups") or ("default",))
        return {"selected": claimed.host, "alternates": claimed.alternates, "network_info": vifs,
                "refused": claimed.refused}

    return effect


@dataclasses.dataclass(frozen=True)
class Copied:
    """A server and its operation's data as they stand in their cell now, and the host's incarnation if it lives."""

    server: dict[str, Any]
    data: dict[str, Any]
    incarnation: str | None


def record(run: Run) -> Result:
    """T4 in the cell, by natural key; then T5 in the API database, which closes this row there."""
    env: Environment = run.env
    row = run.row
    cell = env.cells.get(run.data["selected"]["cell_uuid"])
    with env.api.read() as conn:
        request = mappings.build_request(conn, row.instance_uuid)
    if request is None:
        raise errors.Stale(f"Server {row.instance_uuid} was deleted meanwhile.")
    image_id = run.inputs.get("image_id")
    image = env.image_source(actor(row).elevated(), image_id) if image_id else None
    selected = run.data["selected"]
    server = request["instance"] | {
        "host": selected["host"], "node": selected["node"], "compute_uuid": selected["uuid"], "epoch": row.epoch,
        "availability_zone": selected.get("availability_zone") or request["instance"].get("availability_zone"),
        "task_state": "spawning", "network_info": run.data["network_info"],
        "addresses": documents.all_addresses(run.data["network_info"])}
    row.carried = _copy_into(cell, env, row, server, request["block_devices"], image, host=selected["host"])

    def known(conn: sa.Connection) -> None:
        if not mappings.place(conn, row.instance_uuid, cell.uuid, row.epoch):
            raise errors.Stale(f"Server {row.instance_uuid} was deleted meanwhile.")
        mappings.delete_build_request(conn, row.instance_uuid)

    return Result(data={"image": image}, effect=known, close="moved")


def _copy_into(cell: Cell, env: Environment, row: Row, server: dict[str, Any], devices: list[dict[str, Any]],
               image: dict[str, Any] | None, **more: Any) -> Copied | None:
    """Insert the server and its operation; a duplicate key means an earlier run of this step did (None)."""
    operation = _cell_operation(row, env.owner, cell, image) | more

    def insert(conn: sa.Connection) -> Copied | None:
        if instances.known(conn, row.instance_uuid) is None:
            number = instances.insert_one(conn, server)
            if devices:
                conn.execute(instances.NEW_DEVICE, devices)
            cell_operations.insert(conn, [operation])
            events.placed(conn, row.instance_uuid, operation)
            host = server["host"]
            living = services.living(conn, host, "nova-compute", env.lease) if host else None
            return Copied(server | {"id": number}, operation["step_data"], living)
        t, o = instances.instances, cell_operations.operations
        conn.execute(t.update().where(t.c.uuid == row.instance_uuid, t.c.epoch < row.epoch).values(epoch=row.epoch))
        conn.execute(o.update().where(o.c.uuid == row.uuid, o.c.epoch < row.epoch)
                     .values(epoch=row.epoch, owner=operation["owner"]))
        return None

    try:
        return cell.database.run(insert)
    except exc.IntegrityError:  # the same step, run by a former owner at this very moment
        return cell.database.run(insert)


def _cell_operation(row: Row, owner: str, cell: Cell, image: dict[str, Any] | None) -> dict[str, Any]:
    data = {k: run_data for k, run_data in row.step_data.items() if k != "network_info"} | {"image": image}
    now = concurrency.time()
    return {"uuid": row.uuid, "instance_uuid": row.instance_uuid, "project_id": row.project_id,
            "user_id": row.actor.get("user_id"), "request_id": row.request_id, "seq": 0, "action": row.action,
            "actor": row.actor, "inputs": row.inputs, "secrets": row.secrets, "state": "open",
            "level": "api", "step": "dispatch", "step_data": data, "epoch": row.epoch, "owner": owner,
            "attempt": row.attempt, "created_at": now,
            "deadline": now + CREATE.deadline, "cell_uuid": cell.uuid}


def bury(run: Run) -> Result:
    """A server without a host lives in cell0, in error, with the reason; it keeps its quota charge until deleted."""
    env: Environment = run.env
    row = run.row
    cell0 = env.cells.get(CELL0)
    fault = run.data.get("fault") or {"code": 500, "message": "No valid host was found."}
    with env.api.read() as conn:
        request = mappings.build_request(conn, row.instance_uuid)
    if request is None:
        raise errors.Stale(f"Server {row.instance_uuid} was deleted meanwhile.")
    server = request["instance"] | {"vm_state": states.ERROR, "task_state": None, "epoch": row.epoch, "host": None,
                                    "network_info": [], "addresses": ""}
    _copy_into(cell0, env, row, server, request["block_devices"], None, state="failed", fault=fault, owner=None,
               secrets=None, finished_at=concurrency.time())
    _add_fault_once(cell0, row, fault)

    def known(conn: sa.Connection) -> None:
        claims.release(conn, row.instance_uuid)
        allocation.release(conn, row.instance_uuid)
        if not mappings.place(conn, row.instance_uuid, cell0.uuid, row.epoch):
            mapping = mappings.mapping(conn, row.instance_uuid)
            if mapping is None or mapping["queued_for_delete"]:
                cell0.database.run(lambda c: _forget_copy(c, row))
            raise errors.Stale(f"Server {row.instance_uuid} was deleted meanwhile.")
        mappings.delete_build_request(conn, row.instance_uuid)

    return Result(effect=known, close="failed", fault=fault, details=fault["message"])


def _add_fault_once(cell: Cell, row: Row, fault: dict[str, Any]) -> None:
    def add(conn: sa.Connection) -> None:
        if not instances.latest_faults(conn, [row.instance_uuid]):
            instances.add_fault(conn, row.instance_uuid, fault)

    cell.database.run(add)


def dispatch(run: Run) -> Result:
    """T6, or right after T5 the promise of it. A row found again is first held against the mapping: a copy whose server
    is gone goes too."""
    env: Environment = run.env
    row, cell = run.row, env.cell
    if cell is None:
        raise errors.Stale("A dispatch belongs to a cell.")
    if row.carried is not None:
        return Result(host=run.data["selected"]["host"])
    with env.api.read() as conn:
        mapping = mappings.mapping(conn, row.instance_uuid)
        if mapping is not None and mapping["cell_uuid"] is None and not mapping["queued_for_delete"]:
            record = api_operations.get(conn, row.uuid)
            if record is not None and record["state"] == "open":
                raise errors.Unavailable("The cell is not known yet; the row in the API database will be moved first.")
    if mapping is None or mapping["cell_uuid"] != cell.uuid:
        cell.database.run(lambda conn: _forget_copy(conn, row))
        raise errors.Stale(f"Server {row.instance_uuid} was deleted before it was dispatched.")
    return Result(host=run.data["selected"]["host"])


def _forget_copy(conn: sa.Connection, row: Row) -> None:
    o = cell_operations.operations
    conn.execute(o.delete().where(o.c.uuid == row.uuid))
    instances.remove_copy(conn, row.instance_uuid)


def reschedule(run: Run) -> Result:
    """Acquire the next alternate before the cell row relies on it; the former claim is released afterwards."""
    env: Environment = run.env
    row, cell = run.row, env.cell
    fault = run.data.get("fault") or {}
    alternates: list[dict[str, Any]] = list(run.data.get("alternates") or [])
    spec = run.inputs["spec"]
    if not fault.get("retry", True) or cell is None:
        alternates = []
    failed = [*run.data.get("failed_hosts", []), run.data["selected"]["host"]]
    while alternates:
        host = alternates.pop(0)
        vifs = env.api.run(lambda conn, host=host: placing.acquire(conn, row, host, spec))  # type: ignore[misc]
        if vifs is None:
            continue

        def move(conn: sa.Connection, host: dict[str, Any] = host, vifs: list[dict[str, Any]] = vifs) -> None:
            values: dict[str, Any] = {"host": host["host"], "node": host["node"], "compute_uuid": host["uuid"],
                                      "network_info": vifs, "task_state": "spawning",
                                      "availability_zone": host.get("availability_zone") or None}
            if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **values):
                raise errors.Stale(f"Server {row.instance_uuid} has another owner.")

        return Result(data={"selected": host, "alternates": alternates, "failed_hosts": failed, "network_info": None},
                      effect=move, host=host["host"], next="relieve", details=fault.get("message"))
    message = fault.get("message") or "The build failed."
    # Which hosts they were is for administrators: details, not the message that the owner reads.
    raise errors.NoValidHost(f"{message} ({len(failed)} hosts tried)" if len(failed) > 1 else message,
                             details=f"Hosts tried: {', '.join(failed)}\n{fault.get('details', '')}", retry=False)


def relieve(run: Run) -> Result:
    env: Environment = run.env
    row, keep = run.row, run.data["selected"]["uuid"]

    env.api.run(lambda conn: placing.release_others(conn, row, keep))
    return Result(host=run.data["selected"]["host"], next="build")


def abandon(run: Run) -> Result:
    env: Environment = run.env
    row = run.row
    fault = dict(run.data.get("fault") or {"code": 500, "message": "The build failed."})

    def give_up(conn: sa.Connection) -> None:
        values: dict[str, Any] = {"vm_state": states.ERROR, "task_state": None, "host": None, "node": None,
                                  "network_info": [], "addresses": ""}
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, **values):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")
        instances.add_fault(conn, row.instance_uuid, fault)

    def release(conn: sa.Connection) -> None:
        placing.fence(conn, row)
        claims.release(conn, row.instance_uuid)
        allocation.release(conn, row.instance_uuid)

    env.api.run(release)
    return Result(effect=give_up, close="failed", fault=fault, details=fault["message"])


CREATE_AT_API = CREATE.bind("api", {"schedule": schedule, "bury": bury, "record": record, "dispatch": dispatch,
                                    "reschedule": reschedule, "relieve": relieve, "abandon": abandon})
