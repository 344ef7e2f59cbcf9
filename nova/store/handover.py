# SPDX-License-Identifier: Apache-2.0
"""An operation that goes over to a host which lives: from the same commit on that host owns it, and it can be told all
that it needs to begin. If the message is lost the host finds the row among its own; if it dies, its owner is dead."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.cell import instances
from nova.db.cell.tables import operations, services
from nova.db.operations import OPEN_STATES


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """The host and the start of it that owns the row now, and the rows of operation and server as they stand."""

    host: str
    incarnation: str
    operation: dict[str, Any]
    server: dict[str, Any]


def given(conn: sa.Connection, row: dict[str, Any], host: str) -> Given | None:
    """What :func:`give` gave with a record that comes again: whoever wrote it may have died before telling the host.
    None: the row has gone on since, or was nobody's."""
    if row["level"] != "host" or row["host"] != host or row["owner"] is None or row["state"] not in OPEN_STATES:
        return None
    server = instances.get(conn, row["instance_uuid"])
    return None if server is None else Given(host, row["owner"], row, server)


def give(conn: sa.Connection, uuid: str, host: str, lease: float) -> Given | None:
    """Make ``host`` the owner of a row that this transaction has handed to it; the server's fence rises with it. None:
    the host is not heard; the row is nobody's and due, and is found by whoever is there first."""
    incarnation = services.living(conn, host, "nova-compute", lease)
    row = operations.get(conn, uuid)
    if incarnation is None or row is None:
        return None
    seen = row["epoch"]
    if not (operations.take(conn, uuid, epoch=seen, owner=incarnation, lease=lease, level="host", host=host)
            and instances.raise_epoch(conn, row["instance_uuid"], seen)):
        raise errors.Stale(f"Operation {uuid} has another owner.")
    server = instances.get(conn, row["instance_uuid"])
    if server is None:
        raise errors.Stale(f"Operation {uuid} is for a server that is not there.")
    taken = row | {"epoch": seen + 1, "owner": incarnation, "attempt": row["attempt"] + 1, "due_at": None}
    return Given(host, incarnation, taken, server)
