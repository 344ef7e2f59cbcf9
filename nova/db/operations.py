# SPDX-License-Identifier: Apache-2.0
"""Operations and their events, the same tables in the API database and in every cell.

An operation is what a user asked to have done to a server: the instance action of the API and the unit of durability.
The row is the truth. Every write of a runner is conditional on ``epoch`` and ``owner``; a row count of zero means that
another has taken over. A lease is the heartbeat of the owner's incarnation in the ``services`` table beside it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, UniqueConstraint

from nova.db.schema import BigId, Json, Name, Text, Time, Uuid, db_now, table
from nova.db.services import ServiceTables

OPEN_STATES = ("open", "undoing")


@dataclasses.dataclass(frozen=True)
class OperationTables:
    """The tables of one schema: ``operations`` and ``operation_steps``."""

    operations: sa.Table
    steps: sa.Table
    services: sa.Table

    @classmethod
    def on(cls, metadata: sa.MetaData, services: ServiceTables) -> OperationTables:
        operations = table(
            "operations", metadata,
            Column("uuid", Uuid, primary_key=True),
            Column("instance_uuid", Uuid, nullable=False),
            Column("project_id", Name, nullable=False),
            Column("user_id", Name),
            Column("request_id", Name, nullable=False),
            Column("seq", sa.BigInteger, nullable=False),
            Column("action", sa.String(64), nullable=False),
            Column("workflow_version", sa.Integer, nullable=False, default=1),
            Column("actor", Json, nullable=False),
            Column("inputs", Json, nullable=False),
            Column("secrets", Text),
            Column("state", sa.String(16), nullable=False),
            Column("level", sa.String(16), nullable=False),
            Column("host", Name),
            Column("step", sa.String(64), nullable=False),
            Column("step_data", Json, nullable=False),
            Column("attempt", sa.Integer, nullable=False, default=0),
            Column("owner", Uuid),
            Column("epoch", sa.BigInteger, nullable=False),
            Column("due_at", Time),
            Column("deadline", Time),
            Column("progress", sa.Integer, nullable=False, default=0),
            Column("fault", Json),
            Column("cell_uuid", Uuid),
            Column("recorded", sa.String(255), nullable=False, default=""),
            Column("created_at", Time, nullable=False),
            Column("updated_at", Time),
            Column("finished_at", Time),
            UniqueConstraint("instance_uuid", "seq"),
            Index("ix_operations_due", "state", "due_at"),
            Index("ix_operations_owner", "owner", "state"),
            Index("ix_operations_finished", "finished_at"),
        )
        steps = table(
            "operation_steps", metadata,
            Column("id", BigId, primary_key=True, autoincrement=True),
            Column("operation_uuid", Uuid, nullable=False),
            Column("event", sa.String(64), nullable=False),
            Column("started_at", Time, nullable=False),
            Column("finished_at", Time),
            Column("result", sa.String(16)),
            Column("host", Name),
            Column("details", Text),
            Column("traceback", Text),
            Column("data", Json),
            Index("ix_operation_steps_operation", "operation_uuid", "id"),
        )
        return cls(operations, steps, services.services)

    # -- writing -------------------------------------------------------------------------------------------------

    def insert_waiting(self, conn: sa.Connection, row: dict[str, Any]) -> None:
        """A new operation that others of its server come before: nobody finds it until it is promoted."""
        conn.execute(self._insert, [whole(row) | {"owner": None, "due_at": None}])

    def promote(self, conn: sa.Connection, instance_uuid: str, epoch: int) -> bool:
        """Let the first operation of a server, if it waits, be found from now on; ``epoch`` is the server's."""
        rows = self.open_of(conn, instance_uuid)
        if not rows or rows[0]["owner"] is not None or rows[0]["due_at"] is not None:
            return False
        t = self.operations
        return conn.execute(t.update().where(
            t.c.uuid == rows[0]["uuid"], t.c.owner.is_(None), t.c.due_at.is_(None), t.c.state.in_(OPEN_STATES)).values(
            due_at=db_now(), epoch=epoch, updated_at=db_now())).rowcount == 1

    def insert(self, conn: sa.Connection, rows: Sequence[dict[str, Any]], *, due_in: float = 2.0) -> None:
        """New operations. One without an owner is due ``due_in`` seconds from now by the database's clock, so that the
        message that is about to be sent has its chance first."""
        unowned = [whole(row) | {"b_due_in": due_in} for row in rows if row.get("owner") is None]
        owned = [whole(row) | {"due_at": None} for row in rows if row.get("owner") is not None]
        if unowned:
            conn.execute(self._insert_due, unowned)
        if owned:
            conn.execute(self._insert, owned)

    def add_event(self, conn: sa.Connection, operation_uuid: str, event: dict[str, Any]) -> None:
        conn.execute(self._add_event, {
            "operation_uuid": operation_uuid, "event": event["event"], "started_at": event["started_at"],
            "finished_at": event.get("finished_at"), "result": event.get("result"), "host": event.get("host"),
            "details": event.get("details"), "traceback": event.get("traceback"), "data": event.get("data")})

    def take(self, conn: sa.Connection, uuid: str, *, epoch: int, owner: str, lease: float, level: str,
             host: str | None = None) -> bool:
        """Make ``owner`` the owner under a new epoch, if the row is that level's (with ``host``, that host's) and
        nobody living owns it. False: another won."""
        values = {"b_uuid": uuid, "b_epoch": epoch, "b_owner": owner, "b_new": epoch + 1, "b_lease": lease,
                  "b_level": level}
        done = conn.execute(self._take, values) if host is None else conn.execute(
            self._take_on_host, values | {"b_host": host})
        return done.rowcount == 1

    def advance(self, conn: sa.Connection, uuid: str, epoch: int, /, held_by: str | None = None,
                **values: Any) -> bool:
        """Change a row that this epoch owns (``values`` may hold a new one); with ``held_by``, only while that is its
        owner. ``due_in`` is seconds from now. False: the epoch is over, or the row is in other hands."""
        due_in = values.pop("due_in", None)
        kind = "advance"
        if due_in is not None:
            kind, values["b_due_in"] = "due", due_in
        if values.get("state") not in (None, *OPEN_STATES):
            kind, values = "close", values | {"owner": None, "due_at": None, "secrets": None}
        known = {"b_uuid": uuid, "b_epoch": epoch}
        if held_by is not None:
            known["b_held_by"] = held_by
        return conn.execute(self._writes[kind, held_by is not None], known | values).rowcount == 1

    # Statements that every operation needs several times are built once: building them cost more than running them.

    @functools.cached_property
    def _add_event(self) -> sa.Insert:
        return self.steps.insert()

    @functools.cached_property
    def _insert(self) -> sa.Insert:
        return self.operations.insert()

    @functools.cached_property
    def _insert_due(self) -> sa.Insert:
        return self.operations.insert().values(due_at=db_now() + sa.bindparam("b_due_in", type_=sa.Double))

    @functools.cached_property
    def _owned(self) -> sa.Update:
        t = self.operations
        return t.update().where(t.c.uuid == sa.bindparam("b_uuid"), t.c.epoch == sa.bindparam("b_epoch"),
                                t.c.state.in_(OPEN_STATES)).values(updated_at=db_now())

    @functools.cached_property
    def _writes(self) -> dict[tuple[str, bool], sa.Update]:
        """What :meth:`advance` does, by kind and whether it looks at the owner."""
        kinds = {"advance": self._owned,
                 "due": self._owned.values(due_at=db_now() + sa.bindparam("b_due_in", type_=sa.Double)),
                 "close": self._owned.values(finished_at=db_now())}
        held = self.operations.c.owner == sa.bindparam("b_held_by")
        return {(kind, strict): write.where(held) if strict else write
                for kind, write in kinds.items() for strict in (False, True)}

    @functools.cached_property
    def _take(self) -> sa.Update:
        lease = sa.bindparam("b_lease", type_=sa.Double)
        t = self.operations
        return self._owned.where(self.unowned(lease), t.c.level == sa.bindparam("b_level"),
                                 sa.or_(t.c.owner.is_not(None), t.c.due_at.is_not(None))).values(
            owner=sa.bindparam("b_owner"), epoch=sa.bindparam("b_new"), attempt=self.operations.c.attempt + 1,
            due_at=sa.null())

    @functools.cached_property
    def _take_on_host(self) -> sa.Update:
        return self._take.where(self.operations.c.host == sa.bindparam("b_host"))

    @functools.cached_property
    def _get(self) -> sa.Select[Any]:
        return sa.select(self.operations).where(self.operations.c.uuid == sa.bindparam("b_uuid"))

    @functools.cached_property
    def _get_locked(self) -> sa.Select[Any]:
        return self._get.with_for_update()

    def supersede(self, conn: sa.Connection, instance_uuid: str,
                  known: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
        """Close every open row of a server; returns what they were. ``known``: they were read in this transaction."""
        rows = self.open_of(conn, instance_uuid) if known is None else known
        if rows:
            conn.execute(self._supersede, {"b_server": instance_uuid})
        return rows

    @functools.cached_property
    def _open_of(self) -> sa.Select[Any]:
        t = self.operations
        return sa.select(t).where(t.c.instance_uuid == sa.bindparam("b_server"), t.c.state.in_(OPEN_STATES)).order_by(
            t.c.seq)

    @functools.cached_property
    def _supersede(self) -> sa.Update:
        t = self.operations
        return t.update().where(t.c.instance_uuid == sa.bindparam("b_server"), t.c.state.in_(OPEN_STATES)).values(
            state="superseded", finished_at=db_now(), updated_at=db_now(), owner=None, due_at=None, secrets=None,
            epoch=t.c.epoch + 1)

    # -- reading -------------------------------------------------------------------------------------------------

    def unowned(self, lease: Any) -> sa.ColumnElement[bool]:
        """Owner is nobody, or an incarnation without a heartbeat for a lease."""
        t, s = self.operations, self.services
        living = sa.select(s.c.id).where(s.c.incarnation == t.c.owner, s.c.last_seen > db_now() - lease)
        return sa.or_(t.c.owner.is_(None), ~living.exists())

    def get(self, conn: sa.Connection, uuid: str, *, lock: bool = False) -> dict[str, Any] | None:
        """``lock``: nobody else writes it before this transaction ends."""
        row = conn.execute(self._get_locked if lock else self._get, {"b_uuid": uuid}).mappings().one_or_none()
        return dict(row) if row else None

    def abandoned(self, conn: sa.Connection, *, level: str, lease: float, limit: int = 200, host: str | None = None,
                  action: str | None = None) -> list[dict[str, Any]]:
        """Open rows of a level that nobody living owns and whose time has come, those first that wait longest.

        ``orphaned`` rows need no judgement over a lease: their owner has signed off, or another start of the same
        service has taken its place.
        """
        values: dict[str, Any] = {"b_level": level, "b_lease": lease, "b_limit": limit}
        values |= {} if host is None else {"b_host": host}
        values |= {} if action is None else {"b_action": action}
        rows = conn.execute(self._abandoned[host is not None, action is not None], values).mappings().all()
        return [dict(r) for r in rows]

    @functools.cached_property
    def _abandoned(self) -> dict[tuple[bool, bool], sa.Select[Any]]:
        """By whether a host and whether an action is named."""
        t, s = self.operations, self.services
        lease = sa.bindparam("b_lease", type_=sa.Double)
        known = sa.select(s.c.id).where(s.c.incarnation == t.c.owner, s.c.last_seen > 0).exists()
        query = sa.select(t, (~known).label("orphaned")).where(
            t.c.state.in_(OPEN_STATES), t.c.level == sa.bindparam("b_level"),
            sa.or_(sa.and_(t.c.owner.is_(None), t.c.due_at <= db_now()),
                   sa.and_(t.c.owner.is_not(None), self.unowned(lease)))).order_by(
            sa.func.coalesce(t.c.due_at, t.c.updated_at)).limit(sa.bindparam("b_limit", type_=sa.Integer))
        on_host, of_action = t.c.host == sa.bindparam("b_host"), t.c.action == sa.bindparam("b_action")
        return {(False, False): query, (True, False): query.where(on_host), (False, True): query.where(of_action),
                (True, True): query.where(on_host, of_action)}

    def any_open(self, conn: sa.Connection) -> bool:
        """Is anything under way? While nothing is, that is all that a look costs."""
        return conn.execute(self._any_open).first() is not None

    @functools.cached_property
    def _any_open(self) -> sa.Select[Any]:
        return sa.select(sa.literal(1)).select_from(self.operations).where(
            self.operations.c.state.in_(OPEN_STATES)).limit(1)

    def hosts_to_look_at(self, conn: sa.Connection, *, lease: float, settled: float) -> frozenset[str]:
        """Hosts with open rows that are due, that nobody living owns, or that stand still since ``settled`` seconds
        (their owner may have lost track of them: only it can tell)."""
        return frozenset(r[0] for r in conn.execute(self._hosts_to_look_at, {"b_settled": settled}))

    @functools.cached_property
    def _hosts_to_look_at(self) -> sa.Select[Any]:
        t = self.operations
        before = db_now() - sa.bindparam("b_settled", type_=sa.Double)
        due = sa.or_(sa.and_(t.c.owner.is_(None), t.c.due_at <= db_now()),
                     sa.and_(t.c.owner.is_not(None), t.c.updated_at < before))
        return sa.select(t.c.host).distinct().where(t.c.state.in_(OPEN_STATES), t.c.level == "host", due)

    def lost(self, conn: sa.Connection, *, owner: str, running: Sequence[str],
             limit: int = 200) -> list[dict[str, Any]]:
        """Open rows that ``owner`` holds and does not run: it let go of them without being able to say so."""
        rows = conn.execute(self._lost, {"b_owner": owner, "b_limit": limit}).mappings().all()
        return [dict(r) for r in rows if r["uuid"] not in running]

    @functools.cached_property
    def _lost(self) -> sa.Select[Any]:
        t = self.operations
        return sa.select(t).where(t.c.owner == sa.bindparam("b_owner"), t.c.state.in_(OPEN_STATES),
                                  t.c.updated_at < db_now() - 2.0).limit(sa.bindparam("b_limit", type_=sa.Integer))

    def overdue(self, conn: sa.Connection, limit: int = 200) -> list[dict[str, Any]]:
        """Open rows past their deadline."""
        return [dict(r) for r in conn.execute(self._overdue, {"b_limit": limit}).mappings()]

    @functools.cached_property
    def _overdue(self) -> sa.Select[Any]:
        t = self.operations
        return sa.select(t).where(t.c.state.in_(OPEN_STATES), t.c.deadline <= db_now()).limit(
            sa.bindparam("b_limit", type_=sa.Integer))

    def open_of(self, conn: sa.Connection, instance_uuid: str) -> list[dict[str, Any]]:
        return [dict(r) for r in conn.execute(self._open_of, {"b_server": instance_uuid}).mappings()]

    def ended_early(self, conn: sa.Connection, instance_uuid: str) -> list[dict[str, Any]]:
        """The operations of a server that others have superseded: they did not clear up after themselves."""
        t = self.operations
        return [dict(r) for r in conn.execute(sa.select(t).where(
            t.c.instance_uuid == instance_uuid, t.c.state == "superseded").order_by(t.c.seq)).mappings()]

    def of_instance(self, conn: sa.Connection, instance_uuid: str) -> list[dict[str, Any]]:
        """All operations of a server, newest first."""
        t = self.operations
        rows = conn.execute(sa.select(t).where(t.c.instance_uuid == instance_uuid)
                            .order_by(t.c.created_at.desc(), t.c.seq.desc())).mappings().all()
        return [dict(r) for r in rows]

    def open_moves(self, conn: sa.Connection) -> list[tuple[str, dict[str, Any]]]:
        """(server, step data) of the open operations of servers that are where they are, or on their way."""
        t = self.operations
        rows = conn.execute(sa.select(t.c.instance_uuid, t.c.step_data, t.c.action).where(
            t.c.state.in_(OPEN_STATES), t.c.action.not_in(("create", "delete"))))
        # A host that was evacuated has no part in it: what it has left goes at once when it is back.
        return [(row.instance_uuid, row.step_data | {"source_compute": None} if row.action == "evacuate"
                 else row.step_data) for row in rows]

    def events_of(self, conn: sa.Connection, operation_uuid: str) -> list[dict[str, Any]]:
        t = self.steps
        rows = conn.execute(sa.select(t).where(t.c.operation_uuid == operation_uuid).order_by(t.c.id)).mappings().all()
        return [dict(r) for r in rows]

    def purge(self, conn: sa.Connection, age: float, limit: int = 1000) -> int:
        """Forget operations finished longer ago than ``age`` seconds; one batch."""
        t, s = self.operations, self.steps
        old = [r[0] for r in conn.execute(sa.select(t.c.uuid).where(t.c.finished_at < db_now() - age).limit(limit))]
        if old:
            conn.execute(s.delete().where(s.c.operation_uuid.in_(old)))
            conn.execute(t.delete().where(t.c.uuid.in_(old)))
        return len(old)


def whole(row: dict[str, Any]) -> dict[str, Any]:
    """A new row with all its columns but ``due_at``."""
    now = row["created_at"]
    full: dict[str, Any] = {"user_id": None, "workflow_version": 1, "secrets": None, "state": "open", "host": None,
                            "step_data": {}, "attempt": 0, "owner": None, "deadline": None, "progress": 0,
                            "fault": None, "cell_uuid": None, "recorded": "", "updated_at": now,
                            "finished_at": None}
    return full | row
