# SPDX-License-Identifier: Apache-2.0
"""What is recorded of servers that do not live: copies, mappings, requests, members of groups, attachments."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.conductor.auditing.leak import Leak
from nova.conductor.auditing.scope import Scope
from nova.conductor.auditing.view import View
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.api import server_groups as groups
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.schema import db_now
from nova.networks import allocation
from nova.placement import claims

#: Seconds after which the request spec of a deleted server is of no use to anybody.
_SPEC_KEPT = 3600.0


def recorded(conn: sa.Connection, view: View) -> Iterator[Leak]:
    """In the API database: members, build requests and mappings of nobody."""
    g, b = groups.server_group_members.c, mappings.build_requests.c
    for uuid in conn.execute(sa.select(g.instance_uuid).where(view.scope.where(g.instance_uuid))).scalars():
        if uuid not in view.living:
            yield Leak("member", uuid, "of a server group", _forget_member, uuid)
    requests = set(conn.execute(sa.select(b.instance_uuid).where(view.scope.where(b.instance_uuid))).scalars())
    for uuid in requests - view.busy:
        mapping = view.mapped.get(uuid)
        if mapping is None or mapping["queued_for_delete"] or mapping["cell_uuid"] is not None:
            yield Leak("build_request", uuid, "nothing is being created for it", _forget_request, uuid)
    for uuid, mapping in view.mapped.items():
        home = mapping["cell_uuid"]
        if (uuid in view.busy or uuid in view.seen or uuid in requests or mapping["queued_for_delete"]
                or home not in (None, *view.answered)):
            continue
        detail = "no cell has it" if home is None else "its cell has no living server of that uuid"
        yield Leak("mapping", uuid, detail, functools.partial(_bury, fence=mapping["fence"]), uuid)


def copies(view: View) -> Iterator[Leak]:
    """Servers in a cell that the mappings do not place there."""
    for uuid, (cell, _) in view.seen.items():
        mapping = view.mapped.get(uuid)
        if uuid not in view.busy and (mapping is None or mapping["cell_uuid"] != cell.uuid):
            yield Leak("copy", uuid, f"in cell {cell.name}", cell, uuid)


def attachments(cells: Cells, view: View) -> Iterator[Leak]:
    """Volumes that a cell has recorded for servers which are deleted or not there."""
    for cell, answer in cells.scatter(lambda cell: _attached(cell, view.scope), timeout=60).items():
        if isinstance(answer, errors.NovaError):
            continue
        for device, volume, server in answer:
            if server not in view.busy:
                yield Leak("attachment", device, f"volume {volume} to server {server}", cell, server)


def _attached(cell: Cell, scope: Scope) -> list[tuple[str, str, str]]:
    b, t = instances.block_devices.c, instances.instances.c
    with cell.database.read(patient=True) as conn:
        rows = conn.execute(sa.select(b.uuid, b.volume_id, b.instance_uuid).select_from(
            instances.block_devices.outerjoin(instances.instances, t.uuid == b.instance_uuid)).where(
            b.volume_id.is_not(None), sa.or_(t.uuid.is_(None), t.deleted.is_(True)), scope.where(b.instance_uuid)))
        return [(r.uuid, r.volume_id, r.instance_uuid) for r in rows]


def detach(conn: sa.Connection, uuid: str) -> None:
    """Forget an attachment, if its server does not live."""
    b, t = instances.block_devices, instances.instances.c
    lives = sa.exists().where(t.uuid == b.c.instance_uuid, t.deleted.is_(False))
    conn.execute(b.delete().where(b.c.uuid == uuid, ~lives))


def remove_copy(conn: sa.Connection, uuid: str) -> None:
    o = cell_operations.operations
    conn.execute(o.delete().where(o.c.instance_uuid == uuid))
    instances.remove_copy(conn, uuid)


def purge_specs(conn: sa.Connection, scope: Scope) -> int:
    """Request specs of servers that are deleted for a while: nobody misses them, so this is no leak."""
    s, m = mappings.request_specs, mappings.instance_mappings.c
    gone = sa.select(m.instance_uuid).where(
        m.queued_for_delete.is_(True), m.charge.is_(None), m.deleted_at < db_now() - _SPEC_KEPT,
        scope.where(m.instance_uuid))
    return conn.execute(s.delete().where(s.c.instance_uuid.in_(gone), scope.where(s.c.instance_uuid))).rowcount


def _forget_member(conn: sa.Connection, subject: str) -> None:
    g = groups.server_group_members
    conn.execute(g.delete().where(g.c.instance_uuid == subject))


def _forget_request(conn: sa.Connection, subject: str) -> None:
    row = mappings.mapping(conn, subject)
    if row is None or row["queued_for_delete"] or row["cell_uuid"] is not None:
        mappings.delete_build_request(conn, subject)


def _bury(conn: sa.Connection, subject: str, *, fence: int) -> None:
    """A server that is nowhere gives back all it holds, unless an operation has had an effect since the look."""
    row = mappings.mapping(conn, subject)
    if row is None or row["fence"] != fence or not mappings.raise_fence(conn, subject, fence):
        return
    allocation.release(conn, subject)
    claims.release(conn, subject)
    groups.remove_member(conn, subject)
    charge = mappings.settle_deleted(conn, subject)
    if charge:
        quotas.release(conn, row["project_id"], charge)
    else:
        m = mappings.instance_mappings
        conn.execute(m.update().where(m.c.instance_uuid == subject).values(queued_for_delete=True, deleted_at=db_now()))
