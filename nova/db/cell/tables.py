# SPDX-License-Identifier: Apache-2.0
"""The cell's services, operations and outbox: tables that the API database has alike."""

from __future__ import annotations

from nova.db.cell import metadata
from nova.db.operations import OperationTables
from nova.db.services import ServiceTables

services = ServiceTables.on(metadata)
operations = OperationTables.on(metadata, services)
