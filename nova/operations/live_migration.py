# SPDX-License-Identifier: Apache-2.0
"""Accepting a live migration, and what may be said to one that runs: abort it, make it come to its end."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell
from nova.clients.scheduler import SchedulerClient
from nova.conductor import moving
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.cell import instances, signals
from nova.db.cell.tables import operations as cell_operations
from nova.operations.acceptance import (
    Deps,
    Prepared,
    accept_at_api,
    check_state,
    host_is_down,
    located,
    refuse_locked,
    require_ability,
)
from nova.store import events, phases
from nova.store.beginnings import leave_record
from nova.store.moves import LIVE, status_of
from nova.virt.migration import ABORT, FORCE_COMPLETE
from nova.workflow.operations import LIVE_MIGRATION

_NAME = "os-migrateLive"
#: Signal → what it is called in the list of a server's actions.
ACTIONS = {ABORT: "live_migration_cancel", FORCE_COMPLETE: "live_migration_force_complete"}
_STATES = {ABORT: ("abort_live_migration", "abort live migration"), FORCE_COMPLETE: ("force_complete",) * 2}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``host`` None: any. ``block_migration`` None: as the hosts need it. ``force``: the host is not checked.
    ``checked``: what can be known now is refused now, by the scheduler too; otherwise the operation says it."""

    host: str | None = None
    block_migration: bool | None = None
    disk_over_commit: bool = False
    force: bool = False
    checked: bool = False


def live_migrate(deps: Deps, context: RequestContext, uuid: str, wanted: Wanted) -> dict[str, Any]:
    """The operation's row. Invalid for a host that no one knows in the server's cell, Conflict for lock and state. One
    that is ``checked`` is also Invalid when no host would take the server, Unavailable when no scheduler answers."""
    inputs = {"host": wanted.host, "block_migration": wanted.block_migration, "force": wanted.force,
              "disk_over_commit": wanted.disk_over_commit}
    cell, server = located(deps, context, uuid)
    homes = _known(deps, wanted.host) if wanted.host is not None else []

    def prepare(conn: sa.Connection, server: dict[str, Any]) -> Prepared:
        if wanted.checked and host_is_down(conn, server["host"], deps.lease):
            raise errors.Invalid(f"Compute service of {server['host']} is unavailable at this time.")
        if wanted.host is not None:
            _check_host(conn, cell, deps, server, wanted, homes)
        return inputs, {}

    if wanted.checked:
        refuse_locked(context, server)
        check_state(server, "live_migrate", _NAME)
        with cell.database.read() as conn:
            require_ability(conn, server, LIVE_MIGRATION, _NAME)
            prepare(conn, server)
            fresh = instances.get(conn, uuid)
        if fresh is not None:
            _rehearse(deps, context, cell, fresh, wanted)
    return accept_at_api(deps, context, uuid, LIVE_MIGRATION, "live_migrate", _NAME, prepare=prepare)


def _rehearse(deps: Deps, context: RequestContext, cell: Cell, server: dict[str, Any], wanted: Wanted) -> None:
    """Have the scheduler say what it would decide. Nothing is counted or claimed, so the operation may yet find it
    otherwise."""
    with deps.api.read() as conn:
        spec = moving.live_spec(conn, server, cell.uuid, wanted.host, force=wanted.force)
    told = SchedulerClient(deps.api_bus).explain(context, spec, 1)
    if told["refusal"] is not None:
        raise errors.Invalid(told["refusal"]["message"])


def _known(deps: Deps, host: str) -> list[str]:
    """The cells of a host."""
    with deps.api.read() as conn:
        return [row["cell_uuid"] for row in mappings.list_hosts(conn, [host])]


def _check_host(conn: sa.Connection, cell: Cell, deps: Deps, server: dict[str, Any], wanted: Wanted,
                homes: list[str]) -> None:
    if cell.uuid not in homes:
        raise errors.Invalid(f"Compute host {wanted.host} could not be found"
                             + (f" in the cell of instance {server['uuid']}." if homes else "."))
    if wanted.checked and wanted.host == server["host"]:
        raise errors.Invalid(f"Unable to migrate instance ({server['uuid']}) to current host ({wanted.host}).")
    if wanted.checked and host_is_down(conn, wanted.host or "", deps.lease):
        raise errors.Invalid(f"Compute service of {wanted.host} is unavailable at this time.")


def signal(deps: Deps, context: RequestContext, uuid: str, number: int, kind: str, allowed: frozenset[str]) -> None:
    """Say ``kind`` to the live migration ``number`` of a server. NotFound when it is not under way (of an abort; else
    Invalid), Conflict when the server's lock or state forbids it, Invalid when its status is none of ``allowed``."""
    cell, server = located(deps, context, uuid)
    refuse_locked(context, server)
    transition, name = _STATES[kind]
    check_state(server, transition, name)

    def write(conn: sa.Connection) -> dict[str, Any]:
        fresh = instances.get_for_update(conn, uuid)
        row = next((r for r in cell_operations.open_of(conn, uuid) if r["action"] == LIVE and r["seq"] == number), None)
        if fresh is None or row is None:
            missing = errors.NotFound if kind == "abort" else errors.Invalid
            raise missing(f"In-progress live migration {number} is not found for server {uuid}.")
        check_state(fresh, transition, name)
        if (status := status_of(row)) not in allowed:
            raise errors.Invalid(f"Migration {number} state of instance {uuid} is {status}. Cannot {name} while the "
                                 "migration is in this state.")
        if signals.send(conn, row["uuid"], kind):
            _note(conn, context, fresh, ACTIONS[kind])
        return row

    deps.nudge_row(context, cell, cell.database.run(write))


def _note(conn: sa.Connection, context: RequestContext, server: dict[str, Any], action: str) -> None:
    """The signal as an action of the server: done with being said. What came of it, the migration tells."""
    instances.update(conn, server["uuid"], op_seq=server["op_seq"] + 1)
    record = leave_record(conn, context, server, action)
    if (was := events.seen(conn, server)) is not None:
        events.after(conn, was, phases.accepted(record))
