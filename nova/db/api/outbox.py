# SPDX-License-Identifier: Apache-2.0
"""The API level's outbox, and events of servers that no cell has yet: tables that every cell has alike."""

from __future__ import annotations

from nova.db.api import metadata
from nova.db.outbox import OutboxTables

outbox = OutboxTables.on(metadata)
