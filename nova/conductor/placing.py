# SPDX-License-Identifier: Apache-2.0
"""Where a server goes: the scheduler's choice, the claim that makes it true, and what is given up afterwards.

What is here serves every operation that gives a server a host. Effects run in the caller's transaction of the API
database, under the server's fence, and bear repetition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.conductor.environment import Environment, actor
from nova.conductor.groups import GroupRule
from nova.db.api import cells as mappings
from nova.db.cell import instances
from nova.networks import allocation
from nova.placement import claims
from nova.placement.resources import resources_of
from nova.workflow import Again, Row

Spec = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Claimed:
    """The host that was claimed, the next best of its cell, and why better ones refused."""

    host: dict[str, Any]
    alternates: list[dict[str, Any]]
    refused: dict[str, str]


def fence(conn: sa.Connection, row: Row) -> None:
    """Hold the server for the rest of the transaction; Stale when a newer owner has been here."""
    if not mappings.raise_fence(conn, row.instance_uuid, row.epoch):
        raise errors.Stale(f"Server {row.instance_uuid} has another owner.")


def spec_of(conn: sa.Connection, server: Mapping[str, Any], **changes: Any) -> Spec:
    """What a server that a cell has asks of the scheduler now: its first request with its flavor, image and zone of
    today. Where it was forced to at first binds nobody later. ``changes`` are fields of the request that differ."""
    first = mappings.request_spec(conn, server["uuid"]) or {}
    properties = dict(server["image_properties"] or {})
    now = {"instance_uuid": server["uuid"], "project_id": server["project_id"], "user_id": server["user_id"],
           "flavor": server["flavor"], "resources": resources_of(server["flavor"], image_properties=properties),
           "image_properties": properties,
           "availability_zone": server["pinned_availability_zone"],
           "scheduler_hints": dict(server["scheduler_hints"] or {}),
           "force_host": None, "force_node": None, "requested_destination": None, "ignore_hosts": []}
    return {**first, **now, **changes}


def choose(env: Environment, row: Row, spec: Spec, *, fresh: bool = False) -> dict[str, Any]:
    """The scheduler's decision: ``ranked`` hosts, best first, and the reasons. NoValidHost when there is none; it says
    of itself that no further try will do better. Outside any transaction."""
    decision: dict[str, Any] = env.scheduler.select(actor(row), [spec], fresh=fresh)[0]
    if not decision["ranked"]:
        raise errors.NoValidHost(decision["message"], reasons=explained(decision), details=decision.get("table", ""),
                                 retry=False)
    return decision


def explained(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a decision that users and operators are shown."""
    return {k: decision[k] for k in ("considered", "candidates", "reasons", "weights", "table") if k in decision}


def claim_first(conn: sa.Connection, row: Row, decision: Mapping[str, Any], spec: Spec) -> Claimed:
    """Claim the first ranked host that still has room. Again when all of them filled up meanwhile."""
    refused: dict[str, str] = {}
    group = GroupRule(conn, spec, row.instance_uuid)
    ranked: Sequence[dict[str, Any]] = decision["ranked"]
    for index, host in enumerate(ranked):
        against = group.refuses(host["uuid"])
        if against is None:
            refusal = _claim(conn, row, host, spec)
            if refusal is None:
                rest = [h for h in ranked[index + 1:] if h["cell_uuid"] == host["cell_uuid"]]
                return Claimed(host, rest[:decision.get("max_alternates", 2)], refused)
            against = refusal.message
        refused[host["host"]] = against
    raise Again(errors.NoValidHost("No valid host was found. There are not enough hosts available. "
                                   f"{len(refused)} hosts filled up meanwhile.", reasons=refused))


def acquire(conn: sa.Connection, row: Row, host: Mapping[str, Any], spec: Spec) -> list[dict[str, Any]] | None:
    """Claim this very host and bind the server's ports to it; returns the network info. None: it has no room."""
    fence(conn, row)
    if GroupRule(conn, spec, row.instance_uuid).refuses(host["uuid"]) is not None:
        return None
    if _claim(conn, row, host, spec) is not None:
        return None
    return allocation.bind(conn, row.instance_uuid, host["host"])


def release_others(conn: sa.Connection, row: Row, keep: str | None) -> None:
    """The server gives up what it holds on every provider but ``keep``."""
    fence(conn, row)
    for provider in claims.allocations_of(conn, [row.instance_uuid]).get(row.instance_uuid, {}):
        if provider != keep:
            claims.release(conn, row.instance_uuid, provider)


def vacate(env: Environment, row: Row) -> None:
    """The server has no host any more: its row first, then what it held there. It keeps ports, addresses and charge."""
    if env.cell is None:
        raise errors.Stale("A server without a cell has no host to leave.")

    def forget_host(conn: sa.Connection) -> None:
        if not instances.update(conn, row.instance_uuid, epoch=row.epoch, host=None, node=None, compute_uuid=None):
            raise errors.Stale(f"Server {row.instance_uuid} has another owner.")

    def release(conn: sa.Connection) -> None:
        release_others(conn, row, None)
        allocation.unbind(conn, row.instance_uuid)

    env.cell.database.run(forget_host)
    env.api.run(release)


def _claim(conn: sa.Connection, row: Row, host: Mapping[str, Any], spec: Spec) -> claims.Refusal | None:
    return claims.try_claim(conn, row.instance_uuid, row.project_id, row.actor.get("user_id") or "", host["uuid"],
                            spec["resources"] or resources_of(spec["flavor"]))
