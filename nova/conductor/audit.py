# SPDX-License-Identifier: Apache-2.0
"""The auditor: what is held by nobody. It compares claims, ports, addresses, quota and records with living servers.

Servers with an open operation are left alone. The periodic run acts only on what two scans, some time apart, both saw;
each repair is a transaction that holds the server's fence. Guests and disks are audited by their own host.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.api import server_groups as groups
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES, OperationTables
from nova.networks import allocation
from nova.placement import audit as placement_audit
from nova.placement import claims

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, order=True)
class Leak:
    """``kind``: claim, excess_claim, counter, port, address, floating, membership, charge, usage, copy or member.
    ``subject`` is the uuid or name of what is held; ``detail`` tells what is wrong."""

    kind: str
    subject: str
    detail: str = dataclasses.field(compare=False, default="")
    fix: Any = dataclasses.field(compare=False, default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class _View:
    """What the databases said, one after the other. ``mapped``: server → mapping, read first, so that a fence which
    rose since is noticed; ``seen``: server → row; ``busy``: servers with an open operation."""

    mapped: dict[str, dict[str, Any]]
    seen: dict[str, tuple[Cell, dict[str, Any]]]
    busy: set[str]

    @property
    def living(self) -> set[str]:
        return {u for u, m in self.mapped.items() if not m["queued_for_delete"]} | self.busy


@dataclasses.dataclass(frozen=True)
class _Repair:
    """Frees a port, or what belonged to one."""

    leak: allocation.Leak

    def __call__(self, conn: sa.Connection, subject: str) -> None:
        allocation.repair(conn, self.leak)


class Auditor:
    """``scan()`` finds, ``repair(leaks)`` mends, ``start()`` does both every ``interval`` seconds, each time to what it
    found twice."""

    def __init__(self, api: Database, cells: Cells, *, interval: float = 60.0) -> None:
        self._api, self._cells, self._interval = api, cells, interval
        self._stop = concurrency.Event()
        self._task: concurrency.Task | None = None
        self._before: set[Leak] = set()

    def start(self) -> None:
        self._task = concurrency.spawn(self._run, name="auditor")

    def stop(self) -> None:
        self._stop.set()
        if self._task is not None:
            self._task.join(5)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self.look_and_mend()
            except errors.Unavailable as e:
                LOG.warning("the audit waits: %s", e.message)
            except Exception:
                LOG.exception("an audit ended by an error")

    def look_and_mend(self) -> list[Leak]:
        """One pass: mend what the pass before has seen as well. Gives what that was."""
        found = self.scan()
        again = [leak for leak in found if leak in self._before]
        self.repair(again)
        self._before = set(found)
        return again

    # -- finding -------------------------------------------------------------------------------------------------------

    def scan(self) -> list[Leak]:
        """Everything that is held by nobody now."""
        view = self._look()
        with self._api.read(patient=True) as conn:
            leaks = [*self._claims(conn, view), *self._ports(conn, view), *self._usage(conn, view)]
        return sorted([*leaks, *self._records(view)])

    def _look(self) -> _View:
        m = mappings.instance_mappings
        seen: dict[str, tuple[Cell, dict[str, Any]]] = {}
        busy: set[str] = set()
        with self._api.read(patient=True) as conn:
            mapped = {r["instance_uuid"]: dict(r) for r in conn.execute(
                sa.select(m).where(sa.or_(m.c.queued_for_delete.is_(False), m.c.charge.is_not(None)))).mappings()}
        for cell, answer in self._cells.scatter(_rows_of, timeout=60).items():
            if isinstance(answer, errors.NovaError):
                continue  # its servers are not seen, so nothing is said about where they should be
            rows, open_ = answer
            busy |= open_
            seen |= {row["uuid"]: (cell, row) for row in rows}
        with self._api.read(patient=True) as conn:
            busy |= _open(conn, api_operations)
        return _View(mapped, seen, busy)

    def _claims(self, conn: sa.Connection, view: _View) -> list[Leak]:
        leaks = [Leak("claim", o.consumer_uuid, f"held on {', '.join(o.held) or 'no provider'}", _release_claim)
                 for o in placement_audit.audit(conn, view.living)]
        held = claims.allocations_of(conn, list(view.mapped))
        for uuid, providers in held.items():
            if uuid in view.busy or uuid not in view.seen:
                continue
            home = view.seen[uuid][1]["compute_uuid"] if view.seen[uuid][1]["host"] else None
            release = functools.partial(_release_excess, fence=view.mapped[uuid]["fence"])
            leaks += [Leak("excess_claim", f"{uuid}/{p}", "the server is not on this provider", release)
                      for p in providers if p != home]
        return leaks + [Leak("counter", f"{d.provider_uuid}/{d.resource_class}", f"{d.counted}, not {d.allocated}",
                             _recount) for d in placement_audit.drifts(conn)]

    def _ports(self, conn: sa.Connection, view: _View) -> list[Leak]:
        return [Leak(leak.kind, leak.id, f"of {leak.owner}", _Repair(leak))
                for leak in allocation.audit(conn, view.living)]

    def _usage(self, conn: sa.Connection, view: _View) -> list[Leak]:
        u = quotas.quota_usages
        leaks = [Leak("charge", uuid, f"{m['charge']} of project {m['project_id']}", _uncharge)
                 for uuid, m in view.mapped.items()
                 if m["charge"] and m["queued_for_delete"] and uuid not in view.busy]
        counted: dict[tuple[str, str], int] = {}
        for m in view.mapped.values():
            for resource, n in (m["charge"] or {}).items():
                key = (m["project_id"], resource)
                counted[key] = counted.get(key, 0) + n
        for project, resource, used in conn.execute(sa.select(u.c.project_id, u.c.resource, u.c.used)):
            actual = counted.get((project, resource), 0)
            if actual != used:
                leaks.append(Leak("usage", f"{project}/{resource}", f"{used}, not {actual}", _correct))
        g = groups.server_group_members
        leaks += [Leak("member", uuid, "of a server group", _forget_member)
                  for (uuid,) in conn.execute(sa.select(g.c.instance_uuid)) if uuid not in view.living]
        return leaks

    def _records(self, view: _View) -> list[Leak]:
        """Copies of servers in a cell that the mappings do not place there."""
        leaks = []
        for uuid, (cell, _) in view.seen.items():
            mapping = view.mapped.get(uuid)
            if uuid not in view.busy and (mapping is None or mapping["cell_uuid"] != cell.uuid):
                leaks.append(Leak("copy", uuid, f"in cell {cell.name}", cell))
        return leaks

    # -- mending -------------------------------------------------------------------------------------------------------

    def repair(self, leaks: list[Leak]) -> int:
        """Mend each leak in a transaction of its own; returns how many there were."""
        for leak in leaks:
            LOG.warning("audit: %s %s: %s; released", leak.kind, leak.subject, leak.detail)
            if leak.kind == "copy":
                self._remove(leak.fix, leak.subject)
            else:
                self._api.run(functools.partial(leak.fix, subject=leak.subject))
        return len(leaks)


    def _remove(self, cell: Cell, uuid: str) -> None:
        with self._api.read(patient=True) as conn:
            mapping = mappings.mapping(conn, uuid)
        if mapping is None or mapping["cell_uuid"] != cell.uuid or mapping["queued_for_delete"]:
            cell.database.run(functools.partial(_remove_copy, uuid=uuid))


def _open(conn: sa.Connection, tables: OperationTables) -> set[str]:
    o = tables.operations
    return {r[0] for r in conn.execute(sa.select(o.c.instance_uuid).where(o.c.state.in_(OPEN_STATES)))}


def _rows_of(cell: Cell) -> tuple[list[dict[str, Any]], set[str]]:
    t = instances.instances.c
    with cell.database.read(patient=True) as conn:
        busy = _open(conn, cell_operations)
        rows = conn.execute(sa.select(t.uuid, t.host, t.compute_uuid, t.vm_state)
                            .where(t.deleted.is_(False))).mappings().all()
    return [dict(r) for r in rows], busy


def _release_claim(conn: sa.Connection, subject: str) -> None:
    row = mappings.mapping(conn, subject)
    if row is None or row["queued_for_delete"]:
        claims.release(conn, subject)


def _release_excess(conn: sa.Connection, subject: str, *, fence: int) -> None:
    """Unless an operation has had an effect since the look: the fence has risen then, and the claim may be its own."""
    uuid, provider = subject.split("/")
    row = mappings.mapping(conn, uuid)
    if row is not None and row["fence"] == fence and mappings.raise_fence(conn, uuid, fence):
        claims.release(conn, uuid, provider)


def _recount(conn: sa.Connection, subject: str) -> None:
    placement_audit.recount(conn)


def _uncharge(conn: sa.Connection, subject: str) -> None:
    row = mappings.mapping(conn, subject)
    charge = mappings.settle_deleted(conn, subject)
    if row is not None and charge:
        quotas.release(conn, row["project_id"], charge)


def _correct(conn: sa.Connection, subject: str) -> None:
    """Count again while the usage is held: whoever charges or releases holds it too until its mappings are written."""
    project, _, resource = subject.rpartition("/")
    u, m = quotas.quota_usages, mappings.instance_mappings
    key = (u.c.project_id == project, u.c.resource == resource)
    conn.execute(u.update().where(*key).values(used=u.c.used))
    charges = conn.execute(sa.select(m.c.charge).where(m.c.project_id == project, m.c.charge.is_not(None))).scalars()
    actual = sum(charge.get(resource, 0) for charge in charges if charge)
    conn.execute(u.update().where(*key).values(used=actual))


def _forget_member(conn: sa.Connection, subject: str) -> None:
    g = groups.server_group_members
    conn.execute(g.delete().where(g.c.instance_uuid == subject))


def _remove_copy(conn: sa.Connection, uuid: str) -> None:
    o = cell_operations.operations
    conn.execute(o.delete().where(o.c.instance_uuid == uuid))
    instances.remove_copy(conn, uuid)
