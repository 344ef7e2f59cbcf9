# SPDX-License-Identifier: Apache-2.0
"""Accepting that a host is to be emptied, calling it off, and how far it is. The conductor moves the servers."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api import host_drains as table
from nova.db.engine import Database
from nova.store.beginnings import actor_of

MODES = ("auto", "live", "cold")
MOST_PARALLEL = 100


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``mode``: ``live`` moves running servers only while they run, ``cold`` stops them, ``auto`` tries one and then
    the other. ``parallel`` servers are on their way at a time. ``confirm_resizes``: of servers that were resized away,
    and whose owners could still take them back; otherwise they are named."""

    host: str
    mode: str = "auto"
    parallel: int = 10
    reason: str | None = None
    confirm_resizes: bool = False


def accept(api: Database, context: RequestContext, wanted: Wanted) -> dict[str, Any]:
    """The new drain. NotFound for a host that is not known, Conflict for one that is being emptied already."""
    if wanted.mode not in MODES or not 1 <= wanted.parallel <= MOST_PARALLEL:
        raise errors.Invalid(f"A drain moves 1 to {MOST_PARALLEL} servers at a time, {', '.join(MODES)}.")
    with api.read() as conn:
        known = mappings.list_hosts(conn, [wanted.host])
    if not known:
        raise errors.NotFound(f"Compute host {wanted.host} could not be found.")
    uuid = concurrency.uuid4()
    values = {"uuid": uuid, "host": wanted.host, "cell_uuid": known[0]["cell_uuid"], "kind": "drain",
              "mode": wanted.mode, "parallel": wanted.parallel, "reason": wanted.reason,
              "confirm_resizes": wanted.confirm_resizes, "actor": actor_of(context)}
    try:
        made = api.run(lambda conn: table.insert(conn, values))
    except sa.exc.IntegrityError:
        made = False
    if not made:
        raise errors.Conflict(f"Host {wanted.host} is being emptied already.")
    return show(api, uuid)


def show(api: Database, uuid: str) -> dict[str, Any]:
    """A drain with ``servers`` and ``counts``."""
    with api.read() as conn:
        found = table.find(conn, uuid=uuid)
        if not found:
            raise errors.NotFound(f"Drain {uuid} could not be found.")
        return found[0] | {"servers": table.servers_of(conn, uuid), "counts": table.counts(conn, [uuid])[uuid]}


def find(api: Database, host: str | None = None) -> list[dict[str, Any]]:
    """Drains, newest first, each with ``counts``."""
    with api.read() as conn:
        found = table.find(conn, **({} if host is None else {"host": host}))
        by_state = table.counts(conn, [drain["uuid"] for drain in found])
    return [drain | {"counts": by_state[drain["uuid"]]} for drain in found]


def cancel(api: Database, uuid: str) -> None:
    """No further server is moved; those on their way arrive. The host stays disabled. Conflict when it has ended."""
    drain = show(api, uuid)
    if not api.run(lambda conn: table.end(conn, uuid, "cancelled", "It was called off.")):
        raise errors.Conflict(f"Drain {uuid} has ended: it is {drain['state']}.")
