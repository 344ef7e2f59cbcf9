# SPDX-License-Identifier: Apache-2.0
"""Shelve, offload and unshelve at API level: what a server holds without a host, and how it gets one again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.conductor import placing
from nova.conductor.environment import Environment
from nova.conductor.offload import offload
from nova.conductor.workflows.snapshot import discard, failed, have_record, show
from nova.db.cell import instances
from nova.networks import allocation
from nova.workflow import Result, Run
from nova.workflow.operations import SHELVE, SHELVE_OFFLOAD, UNSHELVE

#: What the system metadata of a shelved server says of it.
SHELVED_KEYS = ("shelved_at", "shelved_image_id", "shelved_host")


def register(run: Run) -> Result:
    return Result(data=have_record(run), host=run.inputs["host"])


def keep(run: Run) -> Result:
    """The image is there. A server that is not to stay on its host begins to leave it in the same transaction."""
    env: Environment = run.env
    row, server = run.row, _server(run)
    kept = (server["system_metadata"] or {}) | {"shelved_at": str(concurrency.time()), "shelved_host": server["host"],
                                                "shelved_image_id": run.inputs["image"]["id"]}

    def shelve(conn: sa.Connection) -> None:
        show(conn, row, vm_state=states.SHELVED, task_state=None, system_metadata=kept)
        if env.shelved_offload_time == 0 and (fresh := instances.get_for_update(conn, row.instance_uuid)):
            offload(conn, fresh)

    return Result(effect=shelve)


def leave(run: Run) -> Result:
    placing.vacate(run.env, run.row)
    return Result(effect=lambda conn: show(conn, run.row, vm_state=states.SHELVED_OFFLOADED, task_state=None))


def schedule(run: Run) -> Result:
    """Nothing relies on what an earlier attempt claimed and did not record, so it is given up first."""
    env: Environment = run.env
    row, server = run.row, _server(run)
    if server["vm_state"] == states.SHELVED:
        return Result(next="start", host=server["host"])
    image = env.snapshots.source(_image_of(server))
    wanted = run.inputs.get("host")
    with env.api.read() as conn:
        spec = placing.spec_of(conn, server, only_cell=_cell(env).uuid,
                               requested_destination={"host": wanted} if wanted else None)
    decision = placing.choose(env, row, spec, fresh=run.tries > 0)

    def claim(conn: sa.Connection) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        placing.release_others(conn, row, None)
        host = placing.claim_first(conn, row, decision, spec).host
        return host, allocation.bind(conn, row.instance_uuid, host["host"])

    host, vifs = env.api.run(claim)
    zone = host.get("availability_zone") or server["availability_zone"]

    def move_in(conn: sa.Connection) -> None:
        show(conn, row, host=host["host"], node=host["node"], compute_uuid=host["uuid"], network_info=vifs,
             availability_zone=zone, task_state="spawning")

    return Result(data={"selected": host, "image": image}, effect=move_in, host=host["host"], next="spawn",
                  event_data=placing.explained(decision))


def unschedule(run: Run) -> None:
    """Where it was shelved it stays; what it got elsewhere it gives up."""
    if _server(run)["vm_state"] != states.SHELVED:
        placing.vacate(run.env, run.row)


def tidy(run: Run) -> Result:
    env: Environment = run.env
    server = _server(run)
    known = server["system_metadata"] or {}
    if image_id := known.get("shelved_image_id"):
        env.snapshots.remove(image_id)
    rest = {k: v for k, v in known.items() if k not in SHELVED_KEYS}
    return Result(effect=lambda conn: show(conn, run.row, system_metadata=rest, task_state=None))


def _cell(env: Environment) -> Any:
    if env.cell is None:
        raise errors.Stale("Shelved servers belong to a cell.")
    return env.cell


def _server(run: Run) -> dict[str, Any]:
    with _cell(run.env).database.read() as conn:
        server = instances.get(conn, run.row.instance_uuid)
    if server is None or server["deleted"]:
        raise errors.Stale(f"Server {run.row.instance_uuid} is gone.")
    return server


def _image_of(server: dict[str, Any]) -> str:
    image_id = (server["system_metadata"] or {}).get("shelved_image_id")
    if not image_id:
        raise errors.Invalid("The server has no image to be built from.", retry=False)
    return str(image_id)


SHELVE_AT_API = SHELVE.bind("api", {"register": register, "keep": keep}, {"register": discard}, failed=failed)
SHELVE_OFFLOAD_AT_API = SHELVE_OFFLOAD.bind("api", {"leave": leave})
UNSHELVE_AT_API = UNSHELVE.bind("api", {"schedule": schedule, "tidy": tidy}, {"schedule": unschedule}, failed=failed)
