# SPDX-License-Identifier: Apache-2.0
"""Regions, services and endpoints that an operator adds to the catalogue; what the cloud itself serves is not here."""

from __future__ import annotations

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.identity import Id

#: Regions are named by whoever makes them, so their id is longer than others.
regions = schema.table(
    "identity_regions", metadata,
    sa.Column("id", schema.Name, primary_key=True),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("parent_region_id", schema.Name, nullable=True),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
)

services = schema.table(
    "identity_services", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("type", schema.Name, nullable=False),
    sa.Column("name", schema.Name, nullable=False, default=""),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
)

endpoints = schema.table(
    "identity_endpoints", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("service_id", Id, nullable=False, index=True,
              comment="a row of identity_services or a service that the cloud itself serves"),
    sa.Column("interface", sa.String(8), nullable=False),
    sa.Column("url", schema.Text, nullable=False),
    sa.Column("region_id", schema.Name, nullable=True),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
)
