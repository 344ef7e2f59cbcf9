# SPDX-License-Identifier: Apache-2.0
"""Operations of one server that wait for each other instead of being refused: who is next when one has ended."""

from __future__ import annotations

import sqlalchemy as sa

from nova.db.cell import instances
from nova.db.cell.tables import operations
from nova.workflow.operations import SHAPES

#: Their rows are open without an owner and without a time until it is their turn.
QUEUED = frozenset(shape.action for shape in SHAPES if shape.queues)


def go_on(conn: sa.Connection, action: str, instance_uuid: str) -> None:
    """An operation of the server has ended, in this transaction: let the next one that waits be found, under the epoch
    that the server has now."""
    if action in QUEUED and (server := instances.get(conn, instance_uuid)) is not None:
        operations.promote(conn, instance_uuid, server["epoch"])
