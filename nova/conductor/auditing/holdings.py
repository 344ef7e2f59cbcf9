# SPDX-License-Identifier: Apache-2.0
"""What servers hold in the API database: claims and counters, ports and addresses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import sqlalchemy as sa

from nova import states
from nova.conductor.auditing.leak import Leak
from nova.conductor.auditing.view import View
from nova.db.api import cells as mappings
from nova.networks import allocation
from nova.placement import audit as placement_audit
from nova.placement import claims


def claimed(conn: sa.Connection, view: View) -> Iterator[Leak]:
    """Claims of nobody, claims elsewhere than where the server is, what moves left behind, counters."""
    for orphan in placement_audit.audit(conn, view.living, view.scope.where):
        uuid, held = orphan.consumer_uuid, f"held on {', '.join(orphan.held) or 'no provider'}"
        if orphan.type == claims.INSTANCE:
            yield Leak("claim", uuid, held, _release_claim, uuid)
        elif (leak := _of_move(uuid, held, view)) is not None:
            yield leak
    for uuid, providers in claims.allocations_of(conn, list(view.mapped)).items():
        if uuid in view.busy or uuid not in view.seen:
            continue
        row = view.seen[uuid][1]
        home = row["compute_uuid"] if row["host"] else None
        release = functools.partial(_release_excess, fence=view.mapped[uuid]["fence"])
        for provider in providers:
            if provider != home:
                yield Leak("excess_claim", f"{uuid}/{provider}", "the server is not on this provider", release, uuid)
    for drift in placement_audit.drifts(conn, within=view.scope.where):
        yield Leak("counter", f"{drift.provider_uuid}/{drift.resource_class}",
                   f"{drift.counted}, not {drift.allocated}", _recount, drift.provider_uuid)


def _of_move(uuid: str, held: str, view: View) -> Leak | None:
    """What a move keeps for the way back is in order while its server may go back, or is at work."""
    move = view.moves.get(uuid)
    if move is None:
        return Leak("migration", uuid, held, _release_unknown, uuid) if view.complete else None
    if move["server"] in view.busy or (move["vm_state"] == states.RESIZED and not move["deleted"]):
        return None
    return Leak("migration", uuid, held, functools.partial(_release_unknown, server=move["server"]), uuid)


def networked(conn: sa.Connection, view: View) -> Iterator[Leak]:
    """Ports of nobody, and addresses and memberships of no port."""
    for leak in allocation.audit(conn, view.living, view.scope.where):
        yield Leak(leak.kind, leak.id, f"of {leak.owner}", _Freeing(leak), leak.owner)


@dataclasses.dataclass(frozen=True)
class _Freeing:
    """Frees a port, or what belonged to one."""

    leak: allocation.Leak

    def __call__(self, conn: sa.Connection, subject: str) -> None:
        allocation.repair(conn, self.leak)


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


def _release_unknown(conn: sa.Connection, subject: str, server: str | None = None) -> None:
    """What a move kept. Its server's fence is held, so that no operation has an effect for it meanwhile."""
    row = mappings.mapping(conn, server) if server is not None else None
    if row is None or server is None or mappings.raise_fence(conn, server, row["fence"]):
        claims.release(conn, subject)


def _recount(conn: sa.Connection, subject: str) -> None:
    placement_audit.recount(conn, subject.rpartition("/")[0])
