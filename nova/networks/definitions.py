# SPDX-License-Identifier: Apache-2.0
"""Networks in the terms of the Networking API: one is made first and gets its addresses, a subnet, afterwards.

Until then it is a draft, which no server can use. A network has one subnet of ours, whose id is the network's. Pools of
floating addresses are networks too, external ones, with a subnet for each range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import floating_ips as floating_tables
from nova.db.api import network_queries as queries
from nova.db.api.networks import drafts
from nova.networks import floating_ips, manager


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """``row`` has the columns of its kind; ``kind`` is network, draft or pool. A pool's ``subnets`` are its ranges."""

    kind: str
    row: Mapping[str, Any]
    subnets: Sequence[Mapping[str, Any]] = ()

    @property
    def uuid(self) -> str:
        return str(self.row["uuid"])

    @property
    def project_id(self) -> str | None:
        project: str | None = self.row.get("project_id")
        return project


def list_all(conn: sa.Connection, project_id: str | None) -> list[Network]:
    """What the project may see (None: everything): its own networks, shared ones, and pools."""
    mine = drafts.select().order_by(drafts.c.created_at, drafts.c.uuid)
    if project_id is not None:
        mine = mine.where(sa.or_(drafts.c.project_id == project_id, drafts.c.project_id.is_(None)))
    ranges, visible = floating_tables.list_ranges(conn), queries.visible_networks(conn, project_id)
    return [
        *(Network("network", row, (row,)) for row in (dict(r._mapping) for r in visible)),
        *(Network("draft", dict(row)) for row in conn.execute(mine).mappings()),
        *(Network("pool", pool, [r for r in ranges if r["pool_uuid"] == pool["uuid"]])
          for pool in floating_tables.list_pools(conn))]


def get(conn: sa.Connection, project_id: str | None, uuid: str) -> Network:
    for network in list_all(conn, project_id):
        if network.uuid == uuid:
            return network
    raise errors.NotFound(f"Network {uuid} could not be found.")


def of_subnet(conn: sa.Connection, project_id: str | None, uuid: str) -> tuple[Network, Mapping[str, Any]]:
    for network in list_all(conn, project_id):
        for subnet in network.subnets:
            if subnet["uuid"] == uuid:
                return network, subnet
    raise errors.NotFound(f"Subnet {uuid} could not be found.")


def create(conn: sa.Connection, name: str, project_id: str | None, *, mtu: int = 1500, external: bool = False) -> str:
    """A draft, or a pool without ranges; its uuid."""
    if external:
        return str(floating_ips.create_pool(conn, name)["uuid"])
    uuid = concurrency.uuid4()
    conn.execute(drafts.insert().values(uuid=uuid, label=name, project_id=project_id, mtu=mtu,
                                        created_at=queries.now(conn)))
    return uuid


def add_subnet(conn: sa.Connection, network: Network, cidr: str, name: str = "", **options: Any) -> str:
    """Addresses for a draft, with ``options`` of :class:`manager.NetworkSpec`, or for a pool; the subnet's uuid."""
    if network.kind == "pool":
        return str(floating_ips.add_range(conn, network.row, cidr)["uuid"])
    if network.kind == "network":
        raise errors.Invalid(f"Network {network.uuid} has a subnet; the networks of this cloud have one each.")
    spec = manager.NetworkSpec(label=network.row["label"], cidr=cidr, project_id=network.project_id,
                               mtu=network.row["mtu"], uuid=network.uuid, **options)
    conn.execute(drafts.delete().where(drafts.c.uuid == network.uuid))
    manager.create(conn, spec)
    queries.update_network(conn, network.uuid, {"subnet_name": name, "created_at": network.row["created_at"]})
    return network.uuid


def remove_subnet(conn: sa.Connection, network: Network, uuid: str) -> None:
    """The network is a draft again. Conflict while a port has one of the addresses."""
    if network.kind == "pool":
        floating_ips.remove_range(conn, uuid)
        return
    _remove(conn, network)
    conn.execute(drafts.insert().values(uuid=uuid, label=network.row["label"], project_id=network.project_id,
                                        mtu=network.row["mtu"], created_at=network.row["created_at"]))


def remove(conn: sa.Connection, network: Network) -> None:
    """Conflict while it is in use."""
    if network.kind == "pool":
        floating_ips.remove_pool(conn, network.uuid)
    elif network.kind == "draft":
        conn.execute(drafts.delete().where(drafts.c.uuid == network.uuid))
    else:
        _remove(conn, network)


def _remove(conn: sa.Connection, network: Network) -> None:
    if queries.usage(conn, network.uuid) or not queries.delete_network(conn, network.uuid):
        raise errors.Conflict(f"Unable to complete operation on network {network.uuid}. There are one or more ports "
                              "still in use on the network.")


def change(conn: sa.Connection, network: Network, *, name: str | None = None,
           dns: Sequence[str] | None = None, subnet_name: str | None = None) -> None:
    """Set what is not None."""
    values: dict[str, Any] = {"label": name, "dns": dns, "subnet_name": subnet_name}
    wanted = {column: value for column, value in values.items() if value is not None}
    if network.kind == "network" and wanted:
        queries.update_network(conn, network.uuid, wanted)
    elif network.kind == "draft" and name is not None:
        conn.execute(drafts.update().where(drafts.c.uuid == network.uuid).values(label=name))
    elif network.kind == "pool" and wanted:
        raise errors.Invalid("Pools of floating addresses and their ranges cannot be renamed.")
