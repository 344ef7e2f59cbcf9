# SPDX-License-Identifier: Apache-2.0
"""Tables of networks, ports and addresses. Their queries stand in :mod:`nova.db.api.network_queries`.

An address is a row of its network's pool. Rows are made in blocks when the pool runs low, so that a network of any
size costs nothing until it is used, and taking an address is one conditional UPDATE of one row.
"""

from __future__ import annotations

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata

networks = schema.table(
    "networks", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("label", schema.Name, nullable=False, index=True),
    sa.Column("project_id", sa.String(64), index=True),  # NULL: shared by all projects
    sa.Column("bridge", sa.String(15), nullable=False, unique=True),
    sa.Column("cidr", sa.String(43), nullable=False),
    sa.Column("gateway", sa.String(39), nullable=False),
    sa.Column("dhcp_server", sa.String(39), nullable=False),
    sa.Column("dns", schema.Json, nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("vlan", sa.Integer),
    sa.Column("multi_host", sa.Boolean, nullable=False),
    sa.Column("injected", sa.Boolean, nullable=False),
    sa.Column("lease_time", sa.Integer, nullable=False),
    sa.Column("range_start", sa.BigInteger, nullable=False),  # addresses as numbers
    sa.Column("range_end", sa.BigInteger, nullable=False),
    sa.Column("next_number", sa.BigInteger, nullable=False),  # first address without a row in the pool
    sa.Column("subnet_name", schema.Name, nullable=False, default=""),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

#: Networks that have no addresses yet: the Networking API makes them in two steps.
drafts = schema.table(
    "network_drafts", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("label", schema.Name, nullable=False),
    sa.Column("project_id", sa.String(64), index=True),  # NULL: shared by all projects
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("created_at", schema.Time, nullable=False),
)

ports = schema.table(
    "ports", metadata,
    sa.Column("uuid", schema.Uuid, primary_key=True),
    sa.Column("network_uuid", schema.Uuid, nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("instance_uuid", schema.Uuid),  # NULL, with the index: made by a user, in no server yet
    sa.Column("nic_index", sa.Integer),
    sa.Column("mac", sa.String(17), nullable=False, unique=True),
    sa.Column("device", sa.String(15), nullable=False),
    sa.Column("host", schema.Name),
    sa.Column("cell_id", sa.Integer),
    sa.Column("tag", sa.String(60)),
    sa.Column("name", schema.Name, nullable=False, default=""),
    sa.Column("lasting", sa.Boolean, nullable=False, default=False),  # made by a user: outlives its server
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("instance_uuid", "nic_index"),
    sa.Index("ix_ports_host_version", "host", "version"),
)

addresses = schema.table(
    "addresses", metadata,
    sa.Column("id", schema.BigId, primary_key=True),
    sa.Column("network_uuid", schema.Uuid, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("address", sa.String(39), nullable=False),
    sa.Column("port_uuid", schema.Uuid, index=True),  # NULL: free, from reusable_at on
    sa.Column("reusable_at", schema.Time, nullable=False),  # 0: never used
    sa.Column("allocated_at", schema.Time),
    sa.Column("released_at", schema.Time),
    sa.Column("leased", sa.Boolean, nullable=False),
    sa.UniqueConstraint("network_uuid", "number"),
    sa.Index("ix_addresses_free", "network_uuid", "port_uuid", "reusable_at", "number"),
)

#: Servers whose network information in their cell is older than what stands here. Written with every change, in its
#: transaction; whoever has brought the news to the cell deletes the rows that it has read.
network_changes = schema.table(
    "network_changes", metadata,
    sa.Column("id", schema.BigId, primary_key=True, autoincrement=True),
    sa.Column("instance_uuid", schema.Uuid, nullable=False, index=True),
    sa.Column("created_at", schema.Time, nullable=False),
)
