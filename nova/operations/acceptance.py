# SPDX-License-Identifier: Apache-2.0
"""What accepting has in common: finding the server, checking lock and state, and writing the operation's row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell, Cells
from nova.clients.compute import ComputeClient
from nova.clients.nudges import Sender
from nova.clients.orchestrator import OrchestratorClient
from nova.clients.scheduler import SchedulerClient
from nova.context import RequestContext, service_context
from nova.db.cell import compute_nodes, instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from nova.db.engine import Database
from nova.db.operations import whole
from nova.images.snapshots import Snapshots
from nova.quota import Quota
from nova.store import events, phases
from nova.store.beginnings import begin, new_row, next_row
from nova.store.cell import work_of
from nova.store.journals import row_of
from nova.store.queueing import QUEUED
from nova.store.secrets import Sealer
from nova.store.servers import Servers
from nova.workflow.shape import Shape

T = TypeVar("T")
#: Told of an accepted operation within its transaction.
Tell = Callable[[dict[str, Any]], object]
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class Deps:
    """What acceptance works with. ``api_bus`` reaches the orchestrators; ``lease`` is after how many seconds of silence
    a host counts as down, ``down_after`` after how many it may be evacuated; ``reclaim`` for how many seconds deleted
    servers are kept; ``same_host``: a resize may stay on its host."""

    api: Database
    cells: Cells
    servers: Servers
    sender: Sender
    api_bus: Any
    quota: Quota
    snapshots: Snapshots
    lease: float = 8.0
    down_after: float = 60.0
    reclaim: float = 0.0
    sealer: Sealer | None = None
    same_host: bool = False

    def sealed(self, row: dict[str, Any], secrets: dict[str, Any] | None) -> dict[str, Any]:
        """The row with passwords and files that go with it to its host: nobody else reads them, and they are wiped when
        the operation ends."""
        if not secrets:
            return row
        if self.sealer is None:
            raise errors.ConfigError("This process has no keys to seal secrets with: see [conductor] secrets_keys_dir.")
        return row | {"secrets": self.sealer.seal(row["uuid"], secrets)}

    def nudge_api(self, context: RequestContext, operations: list[list[Any]]) -> None:
        self.sender.send("orchestrator", OrchestratorClient(self.api_bus).look, context, operations)

    def nudge_schedulers(self) -> None:
        """An operator changed hosts: the next server shall not go where the last could. Without it they see it within
        a second."""
        self.sender.send("scheduler", SchedulerClient(self.api_bus).outdate, service_context())

    def nudge_row(self, context: RequestContext, cell: Cell, row: dict[str, Any],
                  server: dict[str, Any] | None = None) -> None:
        """Tell whoever is to move this row of a cell; a host that owns it already gets all that it needs to begin."""
        pair = [[row["uuid"], row["epoch"]]]
        if server is not None and row.get("owner") is not None:
            work = work_of(row_of(whole(row)), server, self.sealer)
            self.sender.send(f"compute.{row['action']}", ComputeClient(cell.bus).begin, context, row["host"],
                             row["owner"], [work])
        elif row["level"] == "host":
            self.sender.send(f"compute.{row['action']}", ComputeClient(cell.bus).look, context, row["host"], pair)
        else:
            self.sender.send("orchestrator", OrchestratorClient(self.api_bus).look, context, pair, cell.uuid)


def refuse_locked(context: RequestContext, row: dict[str, Any]) -> None:
    if row["locked_by"] is not None and not context.is_admin:
        raise errors.Conflict(f"Instance {row['uuid']} is locked")


def check_state(row: dict[str, Any], transition: str, name: str) -> states.Transition:
    """Raises Conflict in the API's words when the server's state does not allow ``name``."""
    rule = states.TRANSITIONS[transition]
    if rule.vm_states is not None and row["vm_state"] not in rule.vm_states:
        raise errors.Conflict(f"Cannot '{name}' instance {row['uuid']} while it is in vm_state {row['vm_state']}")
    if rule.task_states is not None and row["task_state"] not in rule.task_states:
        raise errors.Conflict(f"Cannot '{name}' instance {row['uuid']} while it is in task_state {row['task_state']}")
    if rule.needs_host and not row["host"]:
        raise errors.Conflict(f"Instance {row['uuid']} is not ready")
    return rule


def located(deps: Deps, context: RequestContext, uuid: str) -> tuple[Cell, dict[str, Any]]:
    """A server that a cell has; Conflict while none has."""
    cell, row = deps.servers.locate(context, uuid)
    if cell is None:
        raise errors.Conflict(f"Instance {uuid} is not ready")
    return cell, row


def held(conn: sa.Connection, uuid: str) -> dict[str, Any]:
    """The server's row, held for the rest of the transaction. Raises NotFound."""
    row = instances.get_for_update(conn, uuid)
    if row is None or row["deleted"]:
        raise errors.NotFound(f"Instance {uuid} could not be found.")
    return row


def written(conn: sa.Connection, server: dict[str, Any], row: dict[str, Any], changes: dict[str, Any],
            open_rows: list[dict[str, Any]] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operation and its server once it has begun: see :func:`nova.store.beginnings.begin`. Raises LostRaceError."""
    if not begin(conn, server, row, changes, open_rows=open_rows):
        raise LostRaceError
    return row, server | changes | {"op_seq": row["seq"]}


def living_host(conn: sa.Connection, host: str | None, lease: float) -> str | None:
    """The incarnation of a host that lives: the operation may be its own from the start."""
    return None if host is None else services.living(conn, host, "nova-compute", lease)


def host_is_down(conn: sa.Connection, host: str, lease: float) -> bool:
    return living_host(conn, host, lease) is None


def require_ability(conn: sa.Connection, server: dict[str, Any], shape: Shape, name: str,
                    unable: type[errors.NovaError] = errors.Conflict) -> None:
    """Raises ``unable`` when the driver of the server's host cannot do this: told before anything starts."""
    if shape.ability is not None:
        able(conn, server, shape.ability, name, unable)


def able(conn: sa.Connection, server: dict[str, Any], ability: str, name: str,
         unable: type[errors.NovaError] = errors.Conflict) -> None:
    """Raises ``unable`` when the driver of the server's host does not have this interface."""
    if ability not in compute_nodes.abilities(conn, server["host"]):
        raise unable(f"Cannot '{name}' instance {server['uuid']}: its host offers no {ability}.")


def accept_on_host(deps: Deps, context: RequestContext, uuid: str, shape: Shape, transition: str, name: str,
                   inputs: dict[str, Any], *, unable: type[errors.NovaError] = errors.Conflict,
                   secrets: dict[str, Any] | None = None) -> dict[str, Any]:
    """SINGLE-HOST: compare-and-set of the task state and the operation's row, in one transaction of the cell.
    ``unable`` is raised when the host's driver lacks the shape's ability. ``secrets`` go to the host, sealed."""
    cell, server = located(deps, context, uuid)
    refuse_locked(context, server)
    rule = check_state(server, transition, name)

    def accept(conn: sa.Connection) -> tuple[dict[str, Any], dict[str, Any]]:
        fresh = held(conn, uuid)
        check_state(fresh, transition, name)
        refuse_overlap(conn, uuid, rule, name)
        require_ability(conn, fresh, shape, name, unable)
        owner = living_host(conn, fresh["host"], deps.lease)
        if owner is None:
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        row = next_row(context, shape, fresh, level="host", inputs=inputs)
        return written(conn, fresh, deps.sealed(row, secrets) | {"owner": owner}, {"task_state": rule.running})

    row, fresh = again(lambda: cell.database.run(accept), uuid)
    deps.nudge_row(context, cell, row, fresh)
    return row


#: What an operation that begins at API level takes with it: its inputs, changes of the server beside the task state.
Prepared = tuple[dict[str, Any], dict[str, Any]]


def accept_at_api(deps: Deps, context: RequestContext, uuid: str, shape: Shape, transition: str, name: str, *,
                  prepare: Callable[[sa.Connection, dict[str, Any]], Prepared] = lambda conn, server: ({}, {}),
                  data: Callable[[dict[str, Any]], dict[str, Any]] = lambda server: {},
                  unable: type[errors.NovaError] = errors.Conflict,
                  secrets: dict[str, Any] | None = None) -> dict[str, Any]:
    """As :func:`accept_on_host`, for an operation whose first step is the API level's. ``prepare`` sees the server as
    it is held and refuses by raising; ``data`` gives the first data of its steps."""
    cell, server = located(deps, context, uuid)
    if states.TRANSITIONS[transition].locked:
        refuse_locked(context, server)
    rule = check_state(server, transition, name)

    def accept(conn: sa.Connection) -> dict[str, Any]:
        fresh = held(conn, uuid)
        check_state(fresh, transition, name)
        refuse_overlap(conn, uuid, rule, name)
        require_ability(conn, fresh, shape, name, unable)
        inputs, more = prepare(conn, fresh)
        row = deps.sealed(next_row(context, shape, fresh, level="api", inputs=inputs), secrets) | {
            "owner": None, "host": fresh["host"], "step_data": data(fresh)}
        return written(conn, fresh, row, {"task_state": rule.running} | more)[0]

    row = again(lambda: cell.database.run(accept), uuid)
    deps.nudge_row(context, cell, row)
    return row


def refuse_overlap(conn: sa.Connection, uuid: str, rule: states.Transition, name: str) -> None:
    """Operations that queue show no task state. Whatever would not overtake a task is not to overtake them either."""
    if rule.task_states is None:
        return
    for row in cell_operations.open_of(conn, uuid):
        if row["action"] in QUEUED:
            raise errors.Conflict(f"Cannot '{name}' instance {uuid} while its '{row['action']}' is under way")


def accept_in_turn(deps: Deps, context: RequestContext, uuid: str, shape: Shape, transition: str, name: str,
                   prepare: Callable[[sa.Connection, dict[str, Any]], dict[str, Any]], *,
                   tell: Tell = lambda row: None) -> dict[str, Any]:
    """For operations that queue: the row waits while another of its kind is open. ``prepare`` gives its inputs; it sees
    the server as it is held and refuses by raising. ``tell`` is called with the row in the transaction. NotSupported
    where the host cannot do it."""
    cell, server = located(deps, context, uuid)
    refuse_locked(context, server)
    check_state(server, transition, name)

    def accept(conn: sa.Connection) -> dict[str, Any]:
        fresh = held(conn, uuid)
        check_state(fresh, transition, name)
        require_ability(conn, fresh, shape, name, errors.NotSupported)
        if living_host(conn, fresh["host"], deps.lease) is None:
            raise errors.Conflict(f"Service is unavailable at this time: host of instance {uuid} is down.")
        before = cell_operations.open_of(conn, uuid)
        for other in before:
            if other["action"] not in QUEUED:
                raise errors.Conflict(f"Cannot '{name}' instance {uuid} while its '{other['action']}' is under way")
        first, seq = shape.steps[0], fresh["op_seq"] + 1
        epoch = fresh["epoch"] if before else fresh["epoch"] + 1
        row = new_row(context, shape, fresh, seq=seq, epoch=epoch, level=first.level, step=first.name,
                      inputs=prepare(conn, fresh)) | {"owner": None, "host": fresh["host"]}
        if not instances.update(conn, uuid, epoch=fresh["epoch"], raised_to=epoch, op_seq=seq):
            raise LostRaceError
        if before:
            cell_operations.insert_waiting(conn, row)
        else:
            cell_operations.insert(conn, [row])
        if (was := events.seen(conn, fresh)) is not None:
            events.after(conn, was, phases.accepted(row, fresh["host"]))
        tell(row)
        return row

    row = again(lambda: cell.database.run(accept), uuid)
    deps.nudge_row(context, cell, row)  # one that waits is not to be had yet
    return row


class LostRaceError(Exception):
    """Another request moved the server between reading and writing."""


def again(work: Callable[[], T], uuid: str) -> T:
    """Run ``work`` anew when it lost a race; Conflict when it loses all of them."""
    for _ in range(_TRIES):
        try:
            return work()
        except LostRaceError:
            concurrency.sleep(0.01)
    raise errors.Conflict(f"Instance {uuid} is being changed by others; try again.")
