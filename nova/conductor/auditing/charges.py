# SPDX-License-Identifier: Apache-2.0
"""Quota: what deleted servers are still charged with, and usages that are not the sum of the charges."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import sqlalchemy as sa

from nova import states
from nova.conductor.auditing.leak import Leak
from nova.conductor.auditing.view import View
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.quota import holds


def charged(view: View) -> Iterator[Leak]:
    """What deleted servers are charged with, and what operations hold that a server can neither keep nor go back on."""
    for uuid, m in view.mapped.items():
        if m["charge"] and m["queued_for_delete"] and uuid not in view.busy:
            yield Leak("charge", uuid, f"{m['charge']} of project {m['project_id']}", _uncharge, uuid)
        elif m["holds"] and uuid in view.seen and uuid not in view.busy and _settled(view, uuid):
            for operation, part in m["holds"].items():
                settle = functools.partial(_settle, operation=operation, fence=m["fence"])
                yield Leak("hold", f"{uuid}/{operation}", f"{part} of project {m['project_id']}", settle, uuid)


def _settled(view: View, uuid: str) -> bool:
    return bool(view.seen[uuid][1]["vm_state"] != states.RESIZED)


def _settle(conn: sa.Connection, subject: str, *, operation: str, fence: int) -> None:
    """Unless an operation has had an effect since the look."""
    uuid = subject.partition("/")[0]
    row = mappings.mapping(conn, uuid)
    if row is not None and row["fence"] == fence and mappings.raise_fence(conn, uuid, fence):
        holds.settle(conn, uuid, operation)


def counted(conn: sa.Connection, view: View) -> Iterator[Leak]:
    """Usages of the projects in scope against the charges of all their servers. Servers are counted by the mappings, so
    that a cell which is silent changes nothing."""
    u = quotas.quota_usages.c
    usages = conn.execute(sa.select(u.project_id, u.resource, u.used).where(view.scope.where(u.project_id))).all()
    sums = _sums(conn, {row.project_id for row in usages})
    for project, resource, used in usages:
        actual = sums.get((project, resource), 0)
        if actual != used:
            yield Leak("usage", f"{project}/{resource}", f"{used}, not {actual}", _correct, project)


def _sums(conn: sa.Connection, projects: set[str]) -> dict[tuple[str, str], int]:
    m = mappings.instance_mappings.c
    sums: dict[tuple[str, str], int] = {}
    rows = conn.execute(sa.select(m.project_id, m.charge).where(m.project_id.in_(sorted(projects)),
                                                                m.charge.is_not(None))) if projects else ()
    for project, charge in rows:
        for resource, amount in (charge or {}).items():
            sums[project, resource] = sums.get((project, resource), 0) + amount
    return sums


def _uncharge(conn: sa.Connection, subject: str) -> None:
    row = mappings.mapping(conn, subject)
    charge = mappings.settle_deleted(conn, subject)
    if row is not None and charge:
        quotas.release(conn, row["project_id"], charge)


def _correct(conn: sa.Connection, subject: str) -> None:
    """Count again while the usage is held: whoever charges or releases holds it too until its mappings are written."""
    project, _, resource = subject.rpartition("/")
    u = quotas.quota_usages
    key = (u.c.project_id == project, u.c.resource == resource)
    conn.execute(u.update().where(*key).values(used=u.c.used))
    actual = _sums(conn, {project}).get((project, resource), 0)
    conn.execute(u.update().where(*key).values(used=actual))
