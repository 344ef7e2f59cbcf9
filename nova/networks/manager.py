# SPDX-License-Identifier: Apache-2.0
"""Definitions of networks: create, find, list, delete. Addresses are given out by :mod:`nova.networks.allocation`.

Every host with ``multi_host`` is the gateway of its own guests: the gateway's address, and its hardware address, are
the same on all hosts, so a guest that moves keeps its route.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import network_queries as queries
from nova.db.engine import Database
from nova.networks import documents

_SMALLEST = 29
_LARGEST = 8


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What an operator says about a new network; what he leaves open is derived from ``cidr``."""

    label: str
    cidr: str
    project_id: str | None = None
    bridge: str | None = None
    gateway: str | None = None
    dns: Sequence[str] = ()
    mtu: int = 1500
    multi_host: bool = True
    injected: bool = False
    lease_time: int = 120
    range_start: str | None = None
    range_end: str | None = None
    uuid: str | None = None


def _address(text: str, within: ipaddress.IPv4Network, what: str) -> int:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as e:
        raise errors.Invalid(f"The {what} {text!r} is not an IPv4 address.") from e
    if address not in within or address in (within.network_address, within.broadcast_address):
        raise errors.Invalid(f"The {what} {text} is not a host address of {within}.")
    return int(address)


def _values(spec: NetworkSpec, bridge: str, now: float) -> dict[str, Any]:
    try:
        net = ipaddress.IPv4Network(spec.cidr)
    except ValueError as e:
        raise errors.Invalid(f"The network range {spec.cidr!r} is not an IPv4 network such as 10.0.0.0/24.") from e
    if not _LARGEST <= net.prefixlen <= _SMALLEST:
        raise errors.Invalid(f"The network range {net} must be between /{_LARGEST} and /{_SMALLEST}.")
    if not spec.label or len(spec.label) > 255:
        raise errors.Invalid("A network needs a label of 1 to 255 characters.")
    gateway = _address(spec.gateway, net, "gateway") if spec.gateway else int(net.network_address) + 1
    start = _address(spec.range_start, net, "start of the range") if spec.range_start else int(net.network_address) + 1
    end = _address(spec.range_end, net, "end of the range") if spec.range_end else int(net.broadcast_address) - 1
    if start > end or start == end == gateway:
        raise errors.Invalid("The range of addresses is empty.")
    for server in spec.dns:
        try:
            ipaddress.ip_address(server)
        except ValueError as e:
            raise errors.Invalid(f"The name server {server!r} is not an address.") from e
    router = str(ipaddress.ip_address(gateway))
    return {"uuid": spec.uuid or concurrency.uuid4(), "label": spec.label, "project_id": spec.project_id,
            "bridge": bridge, "cidr": str(net), "gateway": router, "dhcp_server": router, "dns": list(spec.dns),
            "mtu": spec.mtu, "vlan": None, "multi_host": spec.multi_host, "injected": spec.injected,
            "lease_time": spec.lease_time, "range_start": start, "range_end": end, "next_number": start,
            "created_at": now, "version": documents.version_at(now)}


def _free_bridge(wanted: str | None, existing: Sequence[sa.Row[Any]]) -> str:
    taken = {row.bridge for row in existing}
    if wanted is None:
        return next(name for n in range(100, 100 + len(taken) + 1) if (name := f"br{n}") not in taken)
    if wanted in taken:
        raise errors.Conflict(f"Bridge {wanted} belongs to another network already.")
    if not 0 < len(wanted) <= 15 or "/" in wanted or any(c.isspace() for c in wanted):
        raise errors.Invalid(f"{wanted!r} is not a name for a bridge.")
    return wanted


def create(conn: sa.Connection, spec: NetworkSpec) -> documents.Document:
    """Define a network and the first block of its addresses, in the caller's transaction."""
    existing = queries.visible_networks(conn, None)
    values = _values(spec, _free_bridge(spec.bridge, existing), queries.now(conn))
    net = ipaddress.IPv4Network(values["cidr"])
    for row in existing:
        if net.overlaps(ipaddress.IPv4Network(row.cidr)):
            raise errors.Conflict(f"The range {net} overlaps {row.cidr} of network {row.label}.")
    queries.insert_network(conn, values)
    reserved = {int(ipaddress.ip_address(values[k])) for k in ("gateway", "dhcp_server")}
    queries.add_block(conn, values["uuid"], values["range_start"], values["range_end"], reserved)
    return documents.network_document(queries.networks_by_uuid(conn, [values["uuid"]])[values["uuid"]])


class Networks:
    """The networks of a cloud. ``project_id`` None sees all; a project sees its own and the shared ones."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def create_network(self, label: str, cidr: str, **options: Any) -> documents.Document:
        """Define a network; ``options`` are the other fields of :class:`NetworkSpec`."""
        spec = NetworkSpec(label=label, cidr=cidr, **options)
        return self._db.run(lambda conn: create(conn, spec))

    def ensure_network(self, label: str, cidr: str, **options: Any) -> documents.Document:
        """The shared network of that label, made when there is none yet."""
        spec = NetworkSpec(label=label, cidr=cidr, **options)

        def run(conn: sa.Connection) -> documents.Document:
            for row in queries.visible_networks(conn, None):
                if row.label == label and row.project_id == spec.project_id:
                    return documents.network_document(row)
            return create(conn, spec)

        return self._db.run(run)

    def list(self, project_id: str | None = None) -> list[documents.Document]:
        with self._db.read() as conn:
            rows = queries.visible_networks(conn, project_id)
        return [{**documents.network_document(row), "project_id": row.project_id} for row in rows]

    def get(self, ref: str, project_id: str | None = None) -> documents.Document:
        """The network with this uuid or label; :class:`errors.NotFound` when the project may not see one."""
        found = [n for n in self.list(project_id) if ref in (n["id"], n["label"])]
        for network in sorted(found, key=lambda n: (n["id"] != ref, n["project_id"] is None)):
            return network
        raise errors.NotFound(f"Network {ref} could not be found.")

    def delete(self, ref: str, project_id: str | None = None) -> None:
        """Remove a network that no port uses."""
        network = self.get(ref, project_id)
        if project_id is not None and network["project_id"] != project_id:
            raise errors.Forbidden(f"Network {ref} belongs to all projects; only an administrator can delete it.")

        def run(conn: sa.Connection) -> None:
            if not queries.delete_network(conn, network["id"]):
                used = queries.usage(conn, network["id"])
                raise errors.Conflict(f"Network {network['label']} has {used} port(s) in use.")

        self._db.run(run)
