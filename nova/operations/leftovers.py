# SPDX-License-Identifier: Apache-2.0
"""What a delete must remember of what it ends: images that would never get their bytes, or that nobody needs now; what
moves hold, and the hosts on which they may have left something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nova.db.cell.tables import operations
from nova.workflow.operations import SHAPES
from nova.workflow.shape import PLACES

#: What claims for two hosts. Such an operation may hold claims before its row says where it goes.
_MOVES = frozenset(shape.action for shape in SHAPES if any(step.place in PLACES for step in shape.steps))


def unfinished(conn: sa.Connection, server: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The operations of a server that are open, and those that others have ended: what they hold may still be there.
    Most servers have none but their create."""
    if not server["op_seq"]:
        return operations.open_of(conn, server["uuid"])
    return operations.ended_early(conn, server["uuid"]) + operations.open_of(conn, server["uuid"])


def images_of(server: Mapping[str, Any], superseded: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """For the inputs of an operation that supersedes others: ``unfinished`` images of theirs, and the ``shelved`` one
    of the server; empty when there is nothing of the kind, which is the rule."""
    found: dict[str, Any] = {}
    ids = [image["id"] for row in superseded if (image := row["inputs"].get("image"))]
    if ids:
        found["unfinished"] = ids
    if shelved := (server["system_metadata"] or {}).get("shelved_image_id"):
        found["shelved"] = shelved
    return found


def moves_of(server: Mapping[str, Any], superseded: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """As :func:`images_of`: ``moves`` are operations that may hold claims of the server, ``left`` other hosts."""
    kept = (server["system_metadata"] or {}).get("resized_from")
    places = [row["step_data"] for row in superseded] + ([kept] if kept else [])
    moves = [row["uuid"] for row in superseded if row["action"] in _MOVES or row["step_data"].get("source_compute")]
    moves += [kept["operation"]] if kept else []
    hosts = {data.get(place) for data in places for place in PLACES} - {None, server["host"]}
    return ({"moves": sorted(set(moves))} if moves else {}) | ({"left": sorted(hosts)} if hosts else {})
