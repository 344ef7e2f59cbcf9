# SPDX-License-Identifier: Apache-2.0
"""The auditor: what is held by nobody. It compares what servers hold and what is recorded of them with the living.

Servers with an open operation are left alone. The periodic run looks at what changed and at one slice of everything,
and acts only on what two looks, some time apart, both saw; each repair is a transaction that holds the server's fence.
What is found is in :mod:`nova.conductor.auditing`. Guests and disks are audited by their own host.
"""

from __future__ import annotations

import functools
import logging

from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.conductor.auditing import charges, holdings, records
from nova.conductor.auditing.leak import KINDS, Leak
from nova.conductor.auditing.scope import EVERYTHING, Scope, among, slices
from nova.conductor.auditing.view import Changes, look
from nova.db.api import cells as mappings
from nova.db.engine import Database

LOG = logging.getLogger(__name__)

__all__ = ["KINDS", "Auditor", "Leak"]


class Auditor:
    """``scan()`` finds, ``repair(leaks)`` mends, ``start()`` does both every ``interval`` seconds for what changed and
    for one slice of everything, so that all of it was looked at after ``full_pass`` seconds."""

    def __init__(self, api: Database, cells: Cells, *, interval: float = 60.0, full_pass: float = 3600.0) -> None:
        self._api, self._cells = api, cells
        self._changes = Changes(api, cells, before=2 * interval)
        self._slices = slices(max(1, round(full_pass / interval)))
        self._next = 0
        self._before: set[Leak] = set()
        self._periodic = Periodic("auditor", interval, self.look_and_mend)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def look_and_mend(self) -> list[Leak]:
        """One turn: mend what the turn before has seen as well. Gives what that was."""
        keys = self._changes.keys() | {leak.key for leak in self._before}
        found = set(self.scan(self._slice()))
        for scope in among(keys):
            found |= set(self.scan(scope))
        again = sorted(found & self._before)
        self.repair(again)
        self._before = found - set(again)
        return again

    def _slice(self) -> Scope:
        scope = self._slices[self._next]
        self._next = (self._next + 1) % len(self._slices)
        self._api.run(lambda conn: records.purge_specs(conn, scope))
        return scope

    def scan(self, scope: Scope = EVERYTHING) -> list[Leak]:
        """All in ``scope`` that is held by nobody now."""
        view = look(self._api, self._cells, scope)
        with self._api.read(patient=True) as conn:
            leaks = [*holdings.claimed(conn, view), *holdings.networked(conn, view), *charges.charged(view),
                     *charges.counted(conn, view), *records.recorded(conn, view)]
        return sorted([*leaks, *records.copies(view), *records.attachments(self._cells, view)])

    def repair(self, leaks: list[Leak]) -> int:
        """Mend each leak in a transaction of its own; returns how many there were."""
        for leak in leaks:
            LOG.warning("audit: %s %s: %s; released", leak.kind, leak.subject, leak.detail)
            if leak.kind == "copy":
                self._remove(leak.fix, leak.subject)
            elif leak.kind == "attachment":
                leak.fix.database.run(functools.partial(records.detach, uuid=leak.subject))
            else:
                self._api.run(functools.partial(leak.fix, subject=leak.subject))
        return len(leaks)

    def _remove(self, cell: Cell, uuid: str) -> None:
        with self._api.read(patient=True) as conn:
            mapping = mappings.mapping(conn, uuid)
        if mapping is None or mapping["cell_uuid"] != cell.uuid or mapping["queued_for_delete"]:
            cell.database.run(functools.partial(records.remove_copy, uuid=uuid))
