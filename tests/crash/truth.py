# SPDX-License-Identifier: Apache-2.0
"""What is really there, read past all daemons: records, open operations, guests in files, what is held by nobody."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from nova.cells import Cells
from nova.conductor.audit import Auditor
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.api.tables import operations as api_operations
from nova.db.api.tables import services as api_services
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES
from nova.db.schema import db_now
from nova.virt.fake.host import ASIDE

#: States in which a server has a guest on its host and nowhere else.
WITH_GUEST = frozenset({"active", "stopped", "paused", "suspended", "rescued", "resized", "shelved", "soft-delete"})
#: Ends in which a server costs no quota.
UNCHARGED = frozenset({"gone", "soft-delete"})
_SHOWN = ("instance_uuid", "action", "state", "level", "host", "step", "owner", "epoch", "due_at", "attempt")


class Truth:
    """``hosts``: host → the state directory of its nova-compute."""

    def __init__(self, api: Database, hosts: dict[str, Path]) -> None:
        self.api, self._hosts = api, hosts
        self.cells = Cells(api, lambda row: (Database(row["database_connection"], name=row["name"], pool_size=2), None))
        self.auditor = Auditor(api, self.cells)
        #: What every server so far must be at the end of its case.
        self.expected: dict[str, str] = {}
        #: Servers in error that may have their guest on the host of their record, and need not: see Play._may_keep.
        self.may_keep: set[str] = set()

    def close(self) -> None:
        self.cells.close()

    def open_rows(self, uuid: str | None = None) -> list[dict[str, Any]]:
        """Operations that have not ended, of one server or of all."""
        rows: list[dict[str, Any]] = []
        places = [(self.api, api_operations), *((c.database, cell_operations) for c in self.cells.all())]
        for database, tables in places:
            o = tables.operations
            query = sa.select(*(o.c[name] for name in _SHOWN)).where(o.c.state.in_(OPEN_STATES))
            if uuid is not None:
                query = query.where(o.c.instance_uuid == uuid)
            with database.read() as conn:
                rows += [dict(r) for r in conn.execute(query).mappings()]
        return rows

    def server(self, uuid: str) -> dict[str, Any] | None:
        """The server's row in whatever cell has it."""
        t = instances.instances
        for cell in self.cells.all():
            with cell.database.read() as conn:
                row = conn.execute(sa.select(t.c.uuid, t.c.vm_state, t.c.task_state, t.c.host, t.c.deleted)
                                   .where(t.c.uuid == uuid)).mappings().one_or_none()
            if row is not None:
                return dict(row)
        return None

    def newest(self) -> str:
        """The server that was accepted last."""
        m = mappings.instance_mappings
        with self.api.read() as conn:
            found: str = conn.execute(sa.select(m.c.instance_uuid).order_by(m.c.id.desc()).limit(1)).scalar_one()
        return found

    def ended(self, uuid: str) -> bool:
        """No operation is open, and the server is what it must be."""
        if self.open_rows(uuid):
            return False
        row, end = self.server(uuid), self.expected[uuid]
        if end == "gone":
            return row is None or row["deleted"]
        return row is not None and (row["vm_state"], row["task_state"]) == (end, None)

    def expire(self, uuid: str) -> None:
        """The deadline of the server's open operation is now."""
        o = cell_operations.operations
        for cell in self.cells.with_hosts():
            cell.database.run(lambda conn: conn.execute(
                o.update().where(o.c.instance_uuid == uuid, o.c.state.in_(OPEN_STATES)).values(deadline=1.0)))

    def silence(self, host: str, seconds: float) -> None:
        """Its services have not been heard for so long."""
        for database, tables in [(self.api, api_services), *((c.database, cell_services) for c in self.cells.all())]:
            s = tables.services
            then = db_now() - seconds
            database.run(lambda conn, s=s, then=then: conn.execute(  # type: ignore[misc]
                s.update().where(s.c.host == host, s.c.last_seen > then).values(last_seen=then)))

    def guests(self) -> dict[str, list[str]]:
        """Server → the hosts that have a guest of it, from the journal of each fake host."""
        found: dict[str, list[str]] = {}
        for host, path in self._hosts.items():
            for journal in path.glob("fake/*/guests.journal"):
                for uuid in _guests_in(journal):
                    found.setdefault(uuid, []).append(host)
        return found

    def wrong(self, project_id: str) -> list[str]:
        """Everything that is not as it must be; to be asked when all operations have ended."""
        found = [f"open: {row}" for row in self.open_rows()]
        guests = self.guests()
        for uuid, end in self.expected.items():
            row = self.server(uuid)
            if end == "gone":
                wanted: Any = None
                found += [f"{uuid} is {row}"] if row is not None and not row["deleted"] else []
            else:
                good = row is not None and (row["vm_state"], row["task_state"], row["deleted"]) == (end, None, False)
                found += [] if good else [f"{uuid} must be {end} and is {row}"]
                wanted = [row["host"]] if row is not None and end in WITH_GUEST else None
            if (guests.pop(uuid + ASIDE, None) is not None) != (end == "resized"):
                found.append(f"{uuid} ({end}): its former disks must be there while it is resized, and only then")
            there = guests.pop(uuid, None)
            kept = uuid in self.may_keep and row is not None and there == [row["host"]]
            if there != wanted and not kept:
                found.append(f"{uuid} ({end}) has guests on {there}, not {wanted}")
        found += [f"guest of nobody: {uuid} on {hosts}" for uuid, hosts in guests.items()]
        found += [f"leak: {leak}" for leak in self.auditor.scan()]
        return found + self._usage(project_id)

    def _usage(self, project_id: str) -> list[str]:
        u, living = quotas.quota_usages, sum(end not in UNCHARGED for end in self.expected.values())
        with self.api.read() as conn:
            used = conn.execute(sa.select(u.c.used).where(u.c.project_id == project_id,
                                                          u.c.resource == "instances")).scalar_one_or_none()
        return [] if (used or 0) == living else [f"quota: {used} servers are charged, {living} are there"]


def _guests_in(journal: Path) -> list[str]:
    here: dict[str, None] = {}
    for line in journal.read_bytes().splitlines():
        with contextlib.suppress(orjson.JSONDecodeError):  # half a line of a process that died
            record = orjson.loads(line)
            if gone := record.get("gone"):
                here.pop(gone, None)
            else:
                here[record["uuid"]] = None
    return list(here)
