# SPDX-License-Identifier: Apache-2.0
"""The documents that leave this library: a server's network info and what a host must hear about its ports.

A document's version is a time of the database in microseconds, raised at every change, so that "newer than V" needs no
counter that all writers would have to meet at.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db.api import floating_ips, security_groups
from nova.db.api import network_queries as queries

Document = dict[str, Any]


@dataclasses.dataclass
class Membership:
    """The security groups of a port, by uuid and name, and what they let in."""

    groups: dict[str, str] = dataclasses.field(default_factory=dict)
    ingress: list[Document] = dataclasses.field(default_factory=list)

    def add(self, row: Any) -> None:
        """A row of :func:`security_groups.with_rules`."""
        self.groups[row.uuid] = row.name
        if row.rule_uuid is not None and row.remote_group is None:
            rule = ingress(row)
            if rule not in self.ingress:
                self.ingress.append(rule)


def ingress(row: Any) -> Document:
    """A rule as hosts read it. ``ports`` are a range, or type and code of ICMP."""
    ports = None if row.port_min is None and row.port_max is None else [row.port_min, row.port_max]
    source = str(ipaddress.ip_network(row.remote_cidr, strict=False)) if row.remote_cidr else None
    source = None if source == "0.0.0.0/0" else source
    return {"protocol": row.protocol, "ports": ports, "source": source}


def version_at(now: float) -> int:
    return int(now * 1_000_000)


def network_document(row: sa.Row[Any]) -> Document:
    return {"id": row.uuid, "label": row.label, "bridge": row.bridge, "mtu": row.mtu, "cidr": row.cidr,
            "gateway": row.gateway, "dns": row.dns, "dhcp_server": row.dhcp_server, "vlan": row.vlan,
            "multi_host": bool(row.multi_host), "lease_time": row.lease_time, "version": row.version}


def vif(port: Mapping[Any, Any], network: sa.Row[Any], addresses: Iterable[str], membership: Membership,
        floating: Mapping[str, Sequence[str]] | None = None) -> Document:
    """The network info of one port, as drivers, the metadata service and the API read it."""
    document = {
        "id": port["uuid"], "address": port["mac"], "index": port["nic_index"], "network": network_document(network),
        "ips": [_ip(a, (floating or {}).get(a)) for a in addresses], "device": port["device"],
        "model": "virtio", "security_groups": list(membership.groups.values()), "port_security": True,
        "tag": port["tag"], "version": port["version"],
    }
    return document | {"ingress": membership.ingress} if membership.ingress else document


def _ip(address: str, floating: Sequence[str] | None) -> Document:
    document = {"address": address, "version": 4, "type": "fixed"}
    return document | {"floating_ips": list(floating)} if floating else document


def all_addresses(vifs: Iterable[Mapping[str, Any]]) -> str:
    """Every address in a network info, fixed and floating, one a line, for the filter of servers by address."""
    return "\n".join(a for v in vifs for ip in v["ips"] for a in (ip["address"], *ip.get("floating_ips", ())))


def memberships(conn: sa.Connection, port_uuids: Collection[str]) -> dict[str, Membership]:
    found: dict[str, Membership] = {uuid: Membership() for uuid in port_uuids}
    for row in security_groups.of_ports(conn, port_uuids):
        found[row.port_uuid].add(row)
    return found


def vifs(conn: sa.Connection, rows: Sequence[sa.Row[Any]]) -> dict[str, list[Document]]:
    """Network info by server from joined rows of ports and addresses, in the order of their interfaces."""
    networks = queries.networks_by_uuid(conn, {row.network_uuid for row in rows})
    uuids = {row.uuid for row in rows}
    joined = memberships(conn, uuids)
    floating: dict[str, dict[str, list[str]]] = {}
    for address in floating_ips.of_ports(conn, uuids):
        floating.setdefault(address.port_uuid, {}).setdefault(address.fixed_address, []).append(address.address)
    found: dict[str, list[Document]] = {}
    for _, same in itertools.groupby(rows, key=lambda row: row.uuid):
        group = list(same)
        port = group[0]
        addresses = [row.address for row in group if row.address]
        found.setdefault(port.instance_uuid, []).append(vif(
            port._mapping, networks[port.network_uuid], addresses, joined[port.uuid], floating.get(port.uuid)))
    return found


def network_info(conn: sa.Connection, instance_uuids: Collection[str]) -> dict[str, list[Document]]:
    """The network info of each of these servers; a server without ports has an empty list."""
    found = vifs(conn, queries.ports_of(conn, instance_uuids)) if instance_uuids else {}
    return {uuid: found.get(uuid, []) for uuid in instance_uuids}


def documents(conn: sa.Connection, host: str, since: int = 0) -> list[Document]:
    """A document for each server that has ports on ``host`` newer than a version: its whole network info.

    In the shape in which hosts get them from their cell; servers that are gone are known there, not here.
    """
    servers = {row.instance_uuid for row in queries.ports_on(conn, host, since)}
    return [{"instance_uuid": uuid, "vifs": info, "deleted": False, "version": max(v["version"] for v in info)}
            for uuid, info in sorted(network_info(conn, servers).items())]
