# SPDX-License-Identifier: Apache-2.0
"""The cell's outbox and events of servers: tables that the API database has alike."""

from __future__ import annotations

from nova.db.cell import metadata
from nova.db.outbox import OutboxTables

outbox = OutboxTables.on(metadata)
