# SPDX-License-Identifier: Apache-2.0
"""Floating addresses: pools and their ranges, and giving addresses to projects, in the caller's transaction.

A pool is what the Networking API calls an external network, a range one of its subnets. Quota and who may do what
belong to the caller.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import floating_ips as table
from nova.db.api import network_queries as queries
from nova.networks import documents, security_groups

_ATTEMPTS = 20
_LARGEST = 20
FloatingIp = dict[str, Any]
Pool = dict[str, Any]


def pool(conn: sa.Connection, ref: str | None = None) -> Pool:
    """The pool with this name or uuid, or the oldest one; :class:`errors.NotFound`."""
    for found in table.list_pools(conn):
        if ref is None or ref in (found["uuid"], found["name"]):
            return found
    raise errors.NotFound("Floating IP pool not found.")


def create_pool(conn: sa.Connection, name: str, interface: str | None = None) -> Pool:
    if not name or len(name) > 255:
        raise errors.Invalid("A pool needs a name of 1 to 255 characters.")
    if any(p["name"] == name for p in table.list_pools(conn)):
        raise errors.Conflict(f"There is a pool {name} already.")
    table.insert_pool(conn, {"uuid": concurrency.uuid4(), "name": name, "interface": interface})
    return pool(conn, name)


def add_range(conn: sa.Connection, into: Mapping[str, Any], cidr: str) -> dict[str, Any]:
    """Put the host addresses of ``cidr`` into a pool (all addresses of /31 and /32)."""
    try:
        block = ipaddress.IPv4Network(cidr, strict=False)
    except ValueError as e:
        raise errors.Invalid(f"{cidr!r} is not a range of IPv4 addresses such as 192.0.2.0/28.") from e
    if block.prefixlen < _LARGEST:
        raise errors.Invalid(f"One range has at most the addresses of a /{_LARGEST}; add several.")
    for other in [r["cidr"] for r in table.list_ranges(conn)] + [n.cidr for n in queries.visible_networks(conn, None)]:
        if block.overlaps(ipaddress.IPv4Network(other)):
            raise errors.Conflict(f"The range {block} overlaps {other}.")
    values = {"uuid": concurrency.uuid4(), "pool_uuid": into["uuid"], "cidr": str(block)}
    table.insert_range(conn, values, [{"uuid": concurrency.uuid4(), "number": int(a)} for a in block.hosts()])
    return values


def remove_range(conn: sa.Connection, uuid: str) -> None:
    """Conflict while a project has one of its addresses."""
    if used := table.held(conn, range_uuid=uuid):
        raise errors.Conflict(f"{used} addresses of this range belong to projects.")
    table.delete_range(conn, uuid)


def remove_pool(conn: sa.Connection, uuid: str) -> None:
    if used := table.held(conn, pool_uuid=uuid):
        raise errors.Conflict(f"{used} addresses of this pool belong to projects.")
    table.delete_pool(conn, uuid)


def allocate(conn: sa.Connection, source: Mapping[str, Any], project_id: str, *, address: str | None = None,
             description: str = "") -> FloatingIp:
    """Give the project an address of the pool, or this one."""
    for _ in range(_ATTEMPTS):
        row = table.free(conn, source["uuid"], address)
        if row is None:
            break
        if table.take(conn, row.uuid, project_id, description):
            return table.find(conn, uuid=row.uuid)[0]
    if address:
        raise errors.Conflict(f"Floating IP {address} is not free in pool {source['name']}.")
    raise errors.NotFound(f"No more floating IPs in pool {source['name']}.")


def get(conn: sa.Connection, project_id: str | None, **columns: Any) -> FloatingIp:
    """The one address with these columns that the project has (None: any project)."""
    scope = {} if project_id is None else {"project_id": project_id}
    for row in table.find(conn, **(columns | scope)):
        return row
    raise errors.NotFound(f"Floating IP not found: {', '.join(str(v) for v in columns.values())}")


def associate(conn: sa.Connection, floating: FloatingIp, ports: Sequence[Any], fixed_address: str | None) -> None:
    """Lead it to the fixed address, or the first, of ``ports`` (rows of ports joined with addresses). It moves there
    from wherever it led before. Conflict when another one of its pool leads there already."""
    with_address = [row for row in ports if row.address]
    if not with_address:
        raise errors.Invalid("No fixed IPs associated to instance")
    target = next((row for row in with_address if fixed_address in (None, row.address)), None)
    if target is None:
        raise errors.Invalid("Specified fixed address not assigned to instance")
    security_groups.hold(conn, security_groups.ensure_default(conn, floating["project_id"]))
    there = table.find(conn, port_uuid=target.uuid, fixed_address=target.address, pool_uuid=floating["pool_uuid"])
    if any(other["uuid"] != floating["uuid"] for other in there):
        raise errors.Conflict(f"Cannot associate floating IP {floating['address']}: another one of its pool leads to "
                              f"{target.address} already.")
    if floating["port_uuid"] is not None:
        _tell(conn, floating["port_uuid"])
    table.change(conn, floating["uuid"], floating["project_id"],
                 {"port_uuid": target.uuid, "fixed_address": target.address})
    _tell(conn, target.uuid)


def disassociate(conn: sa.Connection, floating: FloatingIp) -> None:
    if floating["port_uuid"] is not None:
        table.change(conn, floating["uuid"], floating["project_id"], {"port_uuid": None, "fixed_address": None})
        _tell(conn, floating["port_uuid"])


def release(conn: sa.Connection, floating: FloatingIp) -> None:
    """Nobody has the address any more; another project may get it next."""
    if floating["port_uuid"] is not None:
        _tell(conn, floating["port_uuid"])
    table.give_back(conn, floating["uuid"], floating["project_id"])


def _tell(conn: sa.Connection, port_uuid: str) -> None:
    servers = {row.instance_uuid for row in queries.find_ports(conn, uuid=port_uuid) if row.instance_uuid}
    queries.mark(conn, servers, documents.version_at(queries.now(conn)))
