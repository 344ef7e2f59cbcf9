# SPDX-License-Identifier: Apache-2.0
"""Empties hosts: moves every server of a host elsewhere, some at a time, and goes on where a former owner was killed.

A drain is a row, and so is each of its servers. Asking a server to move is recorded before it is done, with the number
of its last operation: whoever goes on sees by the server's newer operations whether it was asked. How a server is moved
is what operators can ask for themselves; it comes in as a :class:`Mover`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from typing import Any, Protocol

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.context import RequestContext
from nova.db.api import host_drains as table
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES
from nova.store import record_events

LOG = logging.getLogger(__name__)
#: Seconds after which a server that was asked to move, and has no operation of it, is asked again.
_ASK_AGAIN = 5.0
#: Seconds between two looks while a host is being emptied.
_BUSY = 0.2
#: Seconds between two looks for servers that came late, and whether the host is still disabled.
_NEWCOMERS = 1.0
_LIVE = frozenset({states.ACTIVE, states.PAUSED})
_UNCONFIRMED = ("It was resized or moved away and waits for its confirmation; until then its former disks are here. A "
                "drain that confirms resizes takes them away.")
_RETENTION = 30 * 86400.0


_T, _O = instances.instances.c, cell_operations.operations.c
_THESE = _T.uuid.in_(sa.bindparam("b_uuids", expanding=True))
#: Where it came from is only read of a server that was resized: it is long.
_SERVERS = sa.select(_T.uuid, _T.host, _T.vm_state, _T.task_state, _T.op_seq, _T.deleted, sa.case(
    (_T.vm_state == states.RESIZED, _T.system_metadata), else_=sa.null()).label("system_metadata")).where(_THESE)
_NEWEST = sa.select(_O.instance_uuid, _O.seq, _O.action, _O.state, _O.fault).join(
    instances.instances, sa.and_(_T.uuid == _O.instance_uuid, _T.op_seq == _O.seq)).where(_THESE)


class Mover(Protocol):
    """What moves a server. Conflict or Invalid: it cannot be done this way now."""

    def live_migrate(self, context: RequestContext, uuid: str) -> Any: ...

    def migrate(self, context: RequestContext, uuid: str) -> Any: ...

    def confirm_resize(self, context: RequestContext, uuid: str) -> Any: ...

    def shelve_offload(self, context: RequestContext, uuid: str) -> Any: ...

    def evacuate(self, context: RequestContext, uuid: str) -> Any: ...


@dataclasses.dataclass(frozen=True)
class _Look:
    """A server of a drain: its row there, its row in the cell (None: it is gone), its newest operation."""

    row: dict[str, Any]
    server: dict[str, Any] | None
    operation: dict[str, Any] | None

    @property
    def uuid(self) -> str:
        return str(self.row["instance_uuid"])

    @property
    def answer(self) -> dict[str, Any] | None:
        """The operation that came of asking."""
        newer = self.operation is not None and self.operation["seq"] > (self.row["seq"] or 0)
        return self.operation if newer else None


class Drains:
    """``start()`` looks every ``interval`` seconds for drains to go on with, and often while it has one."""

    def __init__(self, api: Database, cells: Cells, mover: Mover, *, owner: str, lease: float,
                 interval: float = 2.0) -> None:
        self._api, self._cells, self._mover = api, cells, mover
        self._owner, self._lease = owner, lease
        self._mine: dict[str, dict[str, Any]] = {}
        self._looked_at: dict[str, float] = {}
        self._pool = concurrency.make_pool(8, "drains")
        self._periodic = Periodic("drains", lambda: _BUSY if self._mine else interval, self.look)
        self._purged_at = 0.0

    def start(self) -> None:
        self._periodic.start()

    def stop(self) -> None:
        self._periodic.stop()
        self._pool.drain(5)
        self._pool.stop(1)

    def look(self) -> None:
        """Take what nobody moves, and move each a little further."""
        with self._api.read() as conn:
            found = {drain["uuid"]: drain for drain in table.takeable(conn, self._owner, self._lease)}
        self._mine = {uuid: drain for uuid, drain in found.items() if self._taken(drain)}
        for drain in list(self._mine.values()):
            try:
                self._advance(drain)
            except errors.Stale:
                LOG.info("the drain of host %s has another owner now", drain["host"])
            except errors.Unavailable as e:
                LOG.warning("the drain of host %s waits: %s", drain["host"], e.message)
        if concurrency.monotonic() - self._purged_at > 3600:
            self._purged_at = concurrency.monotonic()
            self._api.run(lambda conn: table.purge(conn, _RETENTION))

    def _taken(self, drain: dict[str, Any]) -> bool:
        """Is it ours, from before or from now on? A drain of ours that we forgot is taken like any other's."""
        mine = self._mine.get(drain["uuid"])
        if mine is not None and mine["epoch"] == drain["epoch"] and drain["owner"] == self._owner:
            return True
        if not self._api.run(lambda conn: table.take(conn, drain, self._owner)):
            return False
        drain["epoch"] += 1
        LOG.info("host %s is being emptied from here on", drain["host"])
        return True

    # -- one drain -----------------------------------------------------------------------------------------------------

    def _advance(self, drain: dict[str, Any]) -> None:
        cell = self._cells.get(drain["cell_uuid"])
        with self._api.read() as conn:
            rows = table.servers_of(conn, drain["uuid"])
        looks = _looks(cell, rows)
        changes = {look.uuid: change for look in looks if (change := self._judged(drain, look)) is not None}
        rows = [row | changes.get(row["instance_uuid"], {}) for row in rows]
        if drain["kind"] == "drain" and (self._is_time(drain) or all(row["state"] in table.ENDED for row in rows)):
            _disable(cell, drain)
            rows += self._newcomers(drain, cell, {row["instance_uuid"] for row in rows})
        asked = self._chosen(drain, rows, {look.uuid: look for look in looks})
        for uuid, (_, change) in asked.items():
            changes[uuid] = changes.get(uuid, {}) | change
        self._write(drain, changes)
        self._ask(drain, {uuid: way for uuid, (way, _) in asked.items()})
        self._confirm(drain, (look for look in looks if look.row["state"] == "moving"))
        if rows and not asked and all(row["state"] in table.ENDED for row in rows) or not rows:
            self._end(drain, rows)

    def _is_time(self, drain: dict[str, Any]) -> bool:
        now = concurrency.monotonic()
        if now - self._looked_at.get(drain["uuid"], -_NEWCOMERS) < _NEWCOMERS:
            return False
        self._looked_at[drain["uuid"]] = now
        return True

    def _newcomers(self, drain: dict[str, Any], cell: Cell, known: set[str]) -> list[dict[str, Any]]:
        """Servers on the host that the drain has not seen, and those that have a copy there because they were resized
        away; one that came late leaves too."""
        t = instances.instances.c
        with cell.database.read() as conn:
            here = list(conn.execute(sa.select(t.uuid).where(t.host == drain["host"], t.deleted.is_(False))).scalars())
            resized = conn.execute(sa.select(t.uuid, t.system_metadata).where(
                t.vm_state == states.RESIZED, t.host != drain["host"], t.deleted.is_(False))).all()
        here += [row.uuid for row in resized if _came_from(row.system_metadata, drain["host"])]
        fresh = [uuid for uuid in here if uuid not in known]

        def add(conn: sa.Connection) -> None:
            _held(conn, drain)
            table.add_servers(conn, drain["uuid"], fresh)

        if fresh:
            self._api.run(add)
        return [{"instance_uuid": uuid, "state": "waiting", "tried": [], "seq": None} for uuid in fresh]

    def _judged(self, drain: dict[str, Any], look: _Look) -> dict[str, Any] | None:
        """What has become of a server since the last look; None: nothing."""
        row, server = look.row, look.server
        if row["state"] in table.ENDED:
            return None
        if server is None or server["deleted"]:
            return {"state": "gone", "message": "It was deleted."}
        if row["state"] == "waiting" and not drain["confirm_resizes"] and _kept_back(drain, server):
            return {"state": "failed", "message": _UNCONFIRMED}
        if server["vm_state"] == states.SHELVED_OFFLOADED and not server["host"]:
            return {"state": "moved", "message": "It is shelved and has no host any more."}
        if server["host"] != drain["host"] and not (row["state"] == "waiting" and _kept_back(drain, server)):
            arrived = server["vm_state"] != states.RESIZED or row["state"] == "waiting"
            if server["task_state"] is not None or not arrived or not server["host"]:
                return None
            return {"state": "moved", "message": f"It is on {server['host']}."}
        if row["state"] != "moving":
            return None
        answer = look.answer
        if answer is None:
            asked = row["asked_at"] or 0.0
            return {"state": "waiting"} if concurrency.time() - asked > _ASK_AGAIN else None
        if answer["state"] in OPEN_STATES or server["task_state"] is not None:
            return None
        if row["way"] == "confirm":  # confirmed where it is, or taken back to here: now it can move
            return {"state": "waiting"}
        fault = (answer["fault"] or {}).get("message") or f"The {answer['action']} is {answer['state']}."
        return self._refused(drain, row, fault)

    @staticmethod
    def _refused(drain: dict[str, Any], row: dict[str, Any], why: str) -> dict[str, Any]:
        """The server did not move this way: another is tried if there is one."""
        tried = [*row["tried"], {"way": row["way"], "message": why}]
        another = row["way"] == "live" and drain["mode"] == "auto"
        return {"state": "waiting" if another else "failed", "tried": tried, "message": why}

    def _chosen(self, drain: dict[str, Any], rows: list[dict[str, Any]],
                looks: dict[str, _Look]) -> dict[str, tuple[str, dict[str, Any]]]:
        """Which servers are asked now, by which way, and what is recorded of that."""
        room = drain["parallel"] - sum(row["state"] == "moving" for row in rows)
        asked: dict[str, tuple[str, dict[str, Any]]] = {}
        for row in rows:
            look = looks.get(row["instance_uuid"])
            if len(asked) >= room:
                break
            if row["state"] != "waiting" or look is None or look.server is None:
                continue
            if look.server["task_state"] is not None and drain["kind"] == "drain":
                continue  # something is under way with it: it is asked when that is over
            way = _way(drain, row, look.server)
            asked[row["instance_uuid"]] = way, {"state": "moving", "way": way, "seq": look.server["op_seq"],
                                                "asked_at": concurrency.time()}
        return asked

    def _write(self, drain: dict[str, Any], changes: dict[str, dict[str, Any]]) -> None:
        def write(conn: sa.Connection) -> None:
            _held(conn, drain)
            for uuid, change in changes.items():
                table.change_server(conn, drain["uuid"], uuid, **change)

        if changes:
            self._api.run(write)

    def _ask(self, drain: dict[str, Any], ways: dict[str, str]) -> None:
        for uuid, way in ways.items():
            self._pool.submit(self._move, drain, uuid, way)
        self._pool.drain(60)

    def _move(self, drain: dict[str, Any], uuid: str, way: str) -> None:
        """Accepting a move takes a moment; what comes of it is seen by a later look."""
        context = RequestContext.from_dict(drain["actor"]).elevated()
        act = {"live": self._mover.live_migrate, "cold": self._mover.migrate, "evacuate": self._mover.evacuate,
               "offload": self._mover.shelve_offload, "confirm": self._mover.confirm_resize}[way]
        try:
            act(context, uuid)
        except errors.Unavailable as e:
            LOG.warning("server %s is asked to leave host %s again later: %s", uuid, drain["host"], e.message)
        except errors.NovaError as e:
            with self._api.read() as conn:
                row = next(r for r in table.servers_of(conn, drain["uuid"]) if r["instance_uuid"] == uuid)
            self._write(drain, {uuid: self._refused(drain, row, e.message)})

    def _confirm(self, drain: dict[str, Any], looks: Iterable[_Look]) -> None:
        """A server that was moved cold waits for somebody to keep it as it is: that is us."""
        context = RequestContext.from_dict(drain["actor"]).elevated()
        for look in looks:
            server = look.server
            if (server is not None and server["host"] != drain["host"] and server["vm_state"] == states.RESIZED
                    and server["task_state"] is None and look.answer is not None
                    and look.answer["state"] not in OPEN_STATES):
                try:
                    self._mover.confirm_resize(context, look.uuid)
                except errors.Conflict as e:
                    LOG.info("the move of server %s is confirmed by another: %s", look.uuid, e.message)

    def _end(self, drain: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        failed = [row["instance_uuid"] for row in rows if row["state"] == "failed"]
        told = f"{len(failed)} of {len(rows)} servers could not be moved." if failed else f"{len(rows)} servers left."
        LOG.info("the drain of host %s has ended: %s", drain["host"], told)

        def close(conn: sa.Connection) -> None:
            _held(conn, drain)
            table.end(conn, drain["uuid"], "failed" if failed else "done", told)

        self._api.run(close)
        self._mine.pop(drain["uuid"], None)
        self._looked_at.pop(drain["uuid"], None)


def _held(conn: sa.Connection, drain: dict[str, Any]) -> None:
    if not table.hold(conn, drain):
        raise errors.Stale("The drain has another owner, or was called off.")


def _way(drain: dict[str, Any], row: dict[str, Any], server: dict[str, Any]) -> str:
    if drain["kind"] == "evacuation":
        return "evacuate"
    if server["vm_state"] == states.SHELVED:
        return "offload"
    if _kept_back(drain, server):
        return "confirm"
    if drain["mode"] == "cold" or any(t["way"] == "live" for t in row["tried"]):
        return "cold"
    return "live" if server["vm_state"] in _LIVE or drain["mode"] == "live" and server["vm_state"] != states.STOPPED \
        else "cold"


def _came_from(system_metadata: dict[str, Any] | None, host: str) -> bool:
    """Was it resized, or moved, from that host, and nobody has said yet that it stays so?"""
    kept: dict[str, Any] = (system_metadata or {}).get("resized_from") or {}
    return kept.get("source_compute") == host


def _kept_back(drain: dict[str, Any], server: dict[str, Any]) -> bool:
    """Its former disks are on the host until its resize is confirmed."""
    waits = drain["kind"] == "drain" and server["vm_state"] == states.RESIZED
    return waits and _came_from(server["system_metadata"], drain["host"])


def _disable(cell: Cell, drain: dict[str, Any]) -> None:
    """Nothing new is to come to the host. What an operator wrote as the reason stays."""
    with cell.database.read() as conn:
        found = services.list(conn, host=drain["host"], binary="nova-compute")
    if not found or found[0]["disabled"]:
        return
    reason = drain["reason"] or f"It is being emptied (drain {drain['uuid']})."

    def disable(conn: sa.Connection) -> None:
        services.update(conn, found[0]["uuid"], disabled=True, disabled_reason=reason)
        record_events.service(conn, RequestContext.from_dict(drain["actor"]), "update", services, found[0]["uuid"])

    cell.database.run(disable)


def _looks(cell: Cell, rows: list[dict[str, Any]]) -> list[_Look]:
    """The servers that have not ended, with their newest operations, in two selects."""
    wanted = [row["instance_uuid"] for row in rows if row["state"] not in table.ENDED]
    servers: dict[str, dict[str, Any]] = {}
    newest: dict[str, dict[str, Any]] = {}
    with cell.database.read() as conn:
        for first in range(0, len(wanted), 500):
            part = {"b_uuids": wanted[first:first + 500]}
            servers |= {r["uuid"]: dict(r) for r in conn.execute(_SERVERS, part).mappings()}
            newest |= {r["instance_uuid"]: dict(r) for r in conn.execute(_NEWEST, part).mappings()}
    return [_Look(row, servers.get(row["instance_uuid"]), newest.get(row["instance_uuid"])) for row in rows
            if row["state"] not in table.ENDED]
