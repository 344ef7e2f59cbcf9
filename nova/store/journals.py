# SPDX-License-Identifier: Apache-2.0
"""Operation journals on a database: the API database before a cell is chosen, the cell's database from then on.

An ``effect`` is a function of the connection; it runs in the transaction that records the step, and what it returns is
recorded with it. When the row turns out to have another owner, the effect is rolled back with the rest. Writes look at
the owner as well as at the epoch: a host that began a build under the epoch of a row at API level may have moved it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import cells as mappings
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES, OperationTables
from nova.store import events, handover, phases, queueing
from nova.workflow import Row

Effect = Callable[[sa.Connection], dict[str, Any] | None]


def row_of(record: Mapping[str, Any]) -> Row:
    """The engine's row of a database row."""
    return Row(uuid=record["uuid"], instance_uuid=record["instance_uuid"], action=record["action"],
               step=record["step"], level=record["level"], epoch=record["epoch"], state=record["state"],
               version=record["workflow_version"], host=record["host"], owner=record["owner"],
               inputs=record["inputs"], step_data=record["step_data"], actor=record["actor"], fault=record["fault"],
               attempt=record["attempt"], project_id=record["project_id"], request_id=record["request_id"],
               secrets=record["secrets"])


class DatabaseJournal:
    """Implements :class:`nova.workflow.Journal`. ``lease`` is in seconds."""

    def __init__(self, database: Database, tables: OperationTables,
                 fence: Callable[[sa.Connection, str, int], bool], lease: float) -> None:
        self.database, self.tables, self.lease = database, tables, lease
        self._fence = fence

    def take(self, uuid: str, epoch: int, owner: str, *, level: str, host: str | None = None) -> Row | None:
        """Own the row if it is that level's and nobody living owns it; the server's fence rises with it. None: another
        won. The row is read when it is taken, not before: its former owner may have moved it on until then."""
        def work(conn: sa.Connection) -> Row | None:
            if not self.tables.take(conn, uuid, epoch=epoch, owner=owner, lease=self.lease, level=level, host=host):
                return None
            record = self.tables.get(conn, uuid)
            if record is None or not self._fence(conn, record["instance_uuid"], epoch):
                raise errors.Stale(f"The fence of the server of operation {uuid} stands elsewhere.")
            return row_of(record)

        try:
            return self.database.run(work)
        except errors.Stale:
            return None

    def retake(self, uuid: str, epoch: int, owner: str, *, level: str, host: str | None = None) -> Row | None:
        """The row again, if ``owner`` still owns it under ``epoch`` (it lost track of it, not its lease)."""
        with self.database.read() as conn:
            record = self.tables.get(conn, uuid)
        if (record and (record["owner"], record["epoch"], record["level"]) == (owner, epoch, level)
                and record["state"] in OPEN_STATES and host in (None, record["host"])):
            return row_of(record)
        return None

    def prepare(self, uuid: str, epoch: int, owner: str, *, level: str) -> Row | None:
        """The row, if nobody owns it: ``owner`` takes it with the first write, in the same transaction."""
        with self.database.read() as conn:
            record = self.tables.get(conn, uuid)
        if (record is None or record["owner"] is not None or record["state"] not in OPEN_STATES
                or (record["epoch"], record["level"]) != (epoch, level)):
            return None
        row = row_of(record)
        row.owner, row.taken = owner, False
        return row

    def waiting(self, uuid: str, epoch: int) -> Row | None:
        """The row, if it waits for a host and nobody owns it yet."""
        with self.database.read() as conn:
            record = self.tables.get(conn, uuid)
        if record is None or record["owner"] is not None or record["state"] not in OPEN_STATES:
            return None
        return row_of(record) if (record["epoch"], record["level"]) == (epoch, "host") else None

    def advance(self, row: Row, *, step: str, data: dict[str, Any], effect: Effect | None,
                event: dict[str, Any] | None, state: str = "open",
                fault: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._write(row, effect, event, step=step, step_data=data, state=state, **_given(fault=fault))

    def hand(self, row: Row, *, level: str, host: str | None, step: str, data: dict[str, Any], effect: Effect | None,
             event: dict[str, Any] | None, state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._write(row, effect, event, level=level, host=host, step=step, step_data=data, state=state,
                           owner=None, due_in=2.0, **_given(fault=fault))

    def finish(self, row: Row, *, state: str, data: dict[str, Any], effect: Effect | None,
               event: dict[str, Any] | None, fault: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._write(row, effect, event, step_data=data, state=state, progress=100, **_given(fault=fault))

    def release(self, row: Row, *, delay: float) -> None:
        if row.taken:
            self._write(row, None, None, owner=None, due_in=delay)
        else:
            self.database.run(lambda conn: self.tables.advance(conn, row.uuid, row.epoch, due_in=delay))

    def _write(self, row: Row, effect: Effect | None, event: dict[str, Any] | None,
               then: Callable[[sa.Connection], None] | None = None, **values: Any) -> dict[str, Any]:
        """``then`` is done last, in the same transaction."""
        seen, attempt = row.epoch, row.attempt

        def work(conn: sa.Connection) -> dict[str, Any]:
            row.epoch, row.attempt = seen, attempt
            if not row.taken:
                self._take_now(conn, row)
            stored = dict(values)
            was = events.before(conn, row.instance_uuid)
            if effect is not None:
                stored["step_data"] = stored.get("step_data", row.step_data) | (effect(conn) or {})
            if not self.tables.advance(conn, row.uuid, row.epoch, row.owner, **stored):
                raise errors.Stale(f"Operation {row.uuid} has another owner.")
            if event is not None:
                self.tables.add_event(conn, row.uuid, event)
            if stored.get("state", "open") not in OPEN_STATES:
                queueing.go_on(conn, row.action, row.instance_uuid)
            if was is not None:
                self._tell(conn, was, row, stored, event)
            if then is not None:
                then(conn)
            data: dict[str, Any] = stored.get("step_data", row.step_data)
            return data

        try:
            data = self.database.run(work)
        except BaseException:
            row.epoch, row.attempt = seen, attempt
            raise
        row.taken = True
        return data

    def _take_now(self, conn: sa.Connection, row: Row) -> None:
        """Take a prepared row within the transaction of its first write."""
        if not (self.tables.take(conn, row.uuid, epoch=row.epoch, owner=row.owner or "", lease=self.lease,
                                 level=row.level)
                and self._fence(conn, row.instance_uuid, row.epoch)):
            raise errors.Stale(f"Operation {row.uuid} was taken by another.")
        row.epoch, row.attempt = row.epoch + 1, row.attempt + 1

    @staticmethod
    def _tell(conn: sa.Connection, was: events.Before, row: Row, stored: dict[str, Any],
              event: dict[str, Any] | None) -> None:
        host = was.row.get("host") if was.row is not None else None
        happened = phases.written(row, stored, event, server_host=host)
        if happened is not None:
            events.after(conn, was, happened, service=events.CONDUCTOR, gone=happened.action == "delete_unplaced")


class Promise(DatabaseJournal):
    """The journal of a row that its owner passes on by a message alone, to save a transaction: handing it over is not
    written. The row stays the owner's, and if nothing has come of the message soon, it is handed over in writing."""

    def __init__(self, journal: DatabaseJournal) -> None:
        super().__init__(journal.database, journal.tables, journal._fence, journal.lease)

    def hand(self, row: Row, *, level: str, host: str | None, step: str, data: dict[str, Any], effect: Effect | None,
             event: dict[str, Any] | None, state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        return data


class Handover(DatabaseJournal):
    """The journal of a row whose steps change between hosts: a host that lives owns what is handed to it from the same
    commit on. ``row.carried`` is then what that host is to be told."""

    def __init__(self, journal: DatabaseJournal) -> None:
        super().__init__(journal.database, journal.tables, journal._fence, journal.lease)

    def hand(self, row: Row, *, level: str, host: str | None, step: str, data: dict[str, Any], effect: Effect | None,
             event: dict[str, Any] | None, state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        def give(conn: sa.Connection) -> None:
            row.carried = handover.give(conn, row.uuid, host, self.lease) if host is not None else None

        return self._write(row, effect, event, give, level=level, host=host, step=step, step_data=data, state=state,
                           owner=None, due_in=2.0, **_given(fault=fault))


def _given(**values: Any) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


def api_journal(database: Database, lease: float) -> DatabaseJournal:
    """Operations whose server has no cell yet; the mapping's fence is the epoch."""
    return DatabaseJournal(database, api_operations,
                           lambda conn, uuid, seen: mappings.raise_fence(conn, uuid, seen + 1), lease)


def cell_journal(database: Database, lease: float) -> DatabaseJournal:
    """Operations of a cell's servers; the epoch is the server's."""
    return DatabaseJournal(database, cell_operations, instances.raise_epoch, lease)
