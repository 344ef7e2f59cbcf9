# SPDX-License-Identifier: Apache-2.0
"""The services and operations of the API level: tables that every cell has alike."""

from __future__ import annotations

from nova.db.api import metadata
from nova.db.operations import OperationTables
from nova.db.services import ServiceTables

services = ServiceTables.on(metadata)
operations = OperationTables.on(metadata, services)
