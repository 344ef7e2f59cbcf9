# SPDX-License-Identifier: Apache-2.0
"""Ports and addresses of servers: allocate, bind to a host, release, audit. Each runs in the caller's transaction.

A port's natural key is (server, interface index), so a repeat returns what the first run made. Addresses are taken by
a conditional UPDATE whose row count decides: two writers never get the same one, and neither waits for the other.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Literal

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import floating_ips
from nova.db.api import network_queries as queries
from nova.db.api import security_groups as group_tables
from nova.networks import documents, security_groups
from nova.networks.documents import Document

Requested = list[dict[str, Any]] | Literal["auto", "none"] | None
_ATTEMPTS = 20
_OUI = "fa:16:3e"


@dataclasses.dataclass(frozen=True, slots=True)
class Nic:
    """One interface that a server is to have: its network, the address when a certain one was asked for, its tag; or
    the port that is there already, with the rows of its addresses."""

    network: sa.Row[Any]
    fixed_ip: str | None = None
    tag: str | None = None
    port: Sequence[sa.Row[Any]] = ()


def plan(conn: sa.Connection, project_id: str, requested: Requested) -> list[Nic]:
    """The interfaces a request means. Raises :class:`errors.Invalid` for what the project cannot have.

    Nothing said, or ``auto``, means the project's first network, or else the first shared one.
    """
    if requested == "none":
        return []
    visible = queries.visible_networks(conn, project_id)
    if requested is None or requested == "auto" or not requested:
        chosen = next((n for n in visible if n.project_id == project_id), visible[0] if visible else None)
        if chosen is None and requested == "auto":
            raise errors.Invalid(f"Unable to automatically allocate a network for project {project_id}.")
        return [Nic(chosen)] if chosen else []
    by_uuid = {n.uuid: n for n in visible}
    return [_of_port(conn, project_id, entry) if entry.get("port") else _nic(by_uuid, entry) for entry in requested]


def _of_port(conn: sa.Connection, project_id: str, entry: Mapping[str, Any]) -> Nic:
    rows = queries.find_ports(conn, uuid=entry["port"], project_id=project_id)
    if not rows:
        raise errors.Invalid(f"Port {entry['port']} could not be found.")
    if entry.get("fixed_ip"):
        raise errors.Invalid("Specified Fixed IP cannot be used with port: it has its addresses already.")
    network = next(n for n in queries.visible_networks(conn, None) if n.uuid == rows[0].network_uuid)
    return Nic(network, None, entry.get("tag"), rows)


def _nic(networks: Mapping[str, sa.Row[Any]], entry: Mapping[str, Any]) -> Nic:
    if not entry.get("uuid"):
        raise errors.Invalid("Bad network format: missing 'uuid'.")
    network = networks.get(entry["uuid"])
    if network is None:
        raise errors.Invalid(f"Network {entry['uuid']} could not be found.")
    address = entry.get("fixed_ip")
    if address:
        _number(address, network)
    return Nic(network, address or None, entry.get("tag"))


def _number(address: str, network: sa.Row[Any]) -> int:
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError as e:
        raise errors.Invalid(f"Fixed IP address {address!r} is not an IPv4 address.") from e
    if not network.range_start <= int(parsed) <= network.range_end:
        raise errors.Invalid(f"Fixed IP address {address} is not in the range of network {network.label}.")
    if address in (network.gateway, network.dhcp_server):
        raise errors.Invalid(f"Fixed IP address {address} is already in use as the gateway of network {network.label}.")
    return int(parsed)


def check(conn: sa.Connection, project_id: str, requested: Requested) -> int:
    """Refuse a request that cannot be met, without allocating; returns how many interfaces it means."""
    nics = plan(conn, project_id, requested)
    asked = [(nic.network.uuid, nic.fixed_ip) for nic in nics if nic.fixed_ip]
    if len(set(asked)) != len(asked):
        raise errors.Invalid("The same fixed IP address is requested twice.")
    ports = [nic.port[0].uuid for nic in nics if nic.port]
    if len(set(ports)) != len(ports):
        raise errors.Invalid("The same port is requested twice.")
    for nic in nics:
        if nic.port and nic.port[0].instance_uuid is not None:
            raise errors.Conflict(f"Port {nic.port[0].uuid} is still in use.")
        if nic.fixed_ip:
            row = queries.address_row(conn, nic.network.uuid, _number(nic.fixed_ip, nic.network))
            if row is not None:
                _refuse_if_used(row, nic.fixed_ip)
    return len(nics)


def _refuse_if_used(row: sa.Row[Any], address: str) -> None:
    if row.port_uuid is not None:
        raise errors.Invalid(f"Fixed IP address {address} is already in use.")
    if row.reusable_at > row.now:
        raise errors.Invalid(f"Fixed IP address {address} is still leased for {row.reusable_at - row.now:.0f} s.")


def allocate(conn: sa.Connection, *, instance_uuid: str, project_id: str, host: str | None,
             requested: Requested = None, groups: Sequence[str] = ("default",),
             cell_id: int | None = None) -> list[Document]:
    """Give a server its ports and addresses; returns its network info. Repeating it returns the same.

    ``groups`` are names of security groups, for ports that are made here. Raises :class:`errors.Conflict` when a
    network is full, :class:`errors.Invalid` for what cannot be had.
    """
    mac = _new_mac()
    rows = queries.own_ports(conn, instance_uuid, mac)
    existing = [row for row in rows if row.instance_uuid == instance_uuid]
    if existing:
        return _again(conn, instance_uuid, host, existing)
    nics = plan(conn, project_id, requested)
    place = {"instance_uuid": instance_uuid, "host": host, "cell_id": cell_id}
    made: list[Document] = []
    membership = documents.Membership()
    if any(not nic.port for nic in nics):
        membership = security_groups.membership(conn, project_id, groups)
    for index, nic in enumerate(nics):
        if nic.port:
            _bring(conn, nic, place | {"nic_index": index, "tag": nic.tag})
            continue
        if made or len(rows) > len(existing):
            mac = unused_mac(conn)
        port = new_port(nic.network, mac, project_id) | place | {"nic_index": index, "tag": nic.tag}
        made.append(documents.vif(port, nic.network, [make(conn, nic, port, membership)], membership))
    if len(made) < len(nics):
        return documents.network_info(conn, [instance_uuid])[instance_uuid]
    return made


def check_attach(conn: sa.Connection, project_id: str, wanted: dict[str, Any] | None) -> None:
    """Refuse an interface that cannot be had. Raises NotFound, Conflict for what is in use, Invalid for nonsense."""
    if wanted is not None and wanted.get("port"):
        rows = queries.find_ports(conn, uuid=wanted["port"], project_id=project_id)
        if not rows:
            raise errors.NotFound(f"Port {wanted['port']} could not be found.")
        if rows[0].instance_uuid is not None:
            raise errors.Conflict(f"Port {wanted['port']} is still in use.")
    elif wanted is not None and all(n.uuid != wanted["uuid"] for n in queries.visible_networks(conn, project_id)):
        raise errors.NotFound(f"Network {wanted['uuid']} could not be found.")
    nics = plan(conn, project_id, None if wanted is None else [wanted])
    if not nics:
        raise errors.Invalid("No network is there that an interface could be attached to.")
    address = nics[0].fixed_ip
    row = queries.address_row(conn, nics[0].network.uuid, _number(address, nics[0].network)) if address else None
    if row is not None and row.port_uuid is not None:
        raise errors.Conflict(f"Fixed IP address {address} is already in use.")


def attach(conn: sa.Connection, *, instance_uuid: str, project_id: str, host: str, port_uuid: str,
           wanted: dict[str, Any] | None, tag: str | None) -> None:
    """One more port for a server: the one that is ``wanted``, or a new one of this uuid. May be repeated."""
    known = queries.find_ports(conn, uuid=port_uuid)
    if known and known[0].instance_uuid == instance_uuid:
        return
    taken = [row.nic_index for row in queries.ports_of(conn, [instance_uuid])]
    place = {"instance_uuid": instance_uuid, "host": host, "nic_index": max(taken, default=-1) + 1, "tag": tag}
    nic = plan(conn, project_id, None if wanted is None else [wanted])[0]
    if nic.port:
        _bring(conn, nic, place)
        return
    port = new_port(nic.network, unused_mac(conn), project_id) | place | {
        "uuid": port_uuid, "device": f"tap{port_uuid[:11]}"}
    make(conn, nic, port, security_groups.membership(conn, project_id, ("default",)))


def detach(conn: sa.Connection, instance_uuid: str, port_uuid: str) -> None:
    """A port leaves its server: it is gone, or stays if a user made it. May be repeated."""
    rows = queries.find_ports(conn, uuid=port_uuid)
    if not rows or rows[0].instance_uuid != instance_uuid:
        return
    if rows[0].lasting:
        queries.free_ports(conn, [port_uuid])
    else:
        remove(conn, [port_uuid])


def _bring(conn: sa.Connection, nic: Nic, values: dict[str, Any]) -> None:
    """A port that a user made becomes the server's."""
    version = documents.version_at(nic.network.now)
    if not queries.take_port(conn, nic.port[0].uuid, values | {"version": max(version, nic.port[0].version + 1)}):
        raise errors.Conflict(f"Port {nic.port[0].uuid} is still in use.")


def make(conn: sa.Connection, nic: Nic, port: Mapping[str, Any], membership: documents.Membership) -> str:
    """Write a port, with its address and its groups; returns the address."""
    address = _take_fixed(conn, nic, port) if nic.fixed_ip else _take_any(conn, nic.network, port)
    queries.insert_port(conn, port)
    group_tables.join(conn, [port["uuid"]], membership.groups)
    return address


def add_address(conn: sa.Connection, port: sa.Row[Any], network: sa.Row[Any], fixed_ip: str | None = None) -> str:
    """One more address for a port."""
    holder = {"uuid": port.uuid}
    return _take_fixed(conn, Nic(network, fixed_ip), holder) if fixed_ip else _take_any(conn, network, holder)


def _again(conn: sa.Connection, instance_uuid: str, host: str | None, rows: Sequence[sa.Row[Any]]) -> list[Document]:
    if host is not None and any(row.host != host for row in rows):
        return bind(conn, instance_uuid, host)
    return documents.vifs(conn, rows)[instance_uuid]


def _new_mac() -> str:
    value = concurrency.random().getrandbits(24)
    return f"{_OUI}:{value >> 16:02x}:{value >> 8 & 255:02x}:{value & 255:02x}"


def unused_mac(conn: sa.Connection) -> str:
    for _ in range(_ATTEMPTS):
        mac = _new_mac()
        if not queries.own_ports(conn, "", mac):
            return mac
    raise errors.Conflict("No unused hardware address was found.")


def new_port(network: sa.Row[Any], mac: str, project_id: str) -> dict[str, Any]:
    """The row of a port that is in no server; ``network`` brings the time along."""
    uuid = concurrency.uuid4()
    return {"uuid": uuid, "network_uuid": network.uuid, "project_id": project_id, "instance_uuid": None,
            "nic_index": None, "mac": mac, "device": f"tap{uuid[:11]}", "tag": None, "host": None, "cell_id": None,
            "name": "", "lasting": False, "created_at": network.now, "version": documents.version_at(network.now)}


def _take_any(conn: sa.Connection, network: sa.Row[Any], port: Mapping[str, Any]) -> str:
    for _ in range(_ATTEMPTS):
        row = queries.free_address(conn, network.uuid)
        if row is None:
            if not _extend(conn, network):
                break
        elif queries.take_address(conn, row.id, port["uuid"]):
            return str(row.address)
    raise errors.Conflict(f"No fixed IP addresses available for network: {network.label}")


def _extend(conn: sa.Connection, network: sa.Row[Any]) -> bool:
    """Add a block to the pool, unless another transaction has done so meanwhile. False when the network is full."""
    first = queries.lock_network(conn, network.uuid)
    if first is None:
        return False
    reserved = {int(ipaddress.ip_address(a)) for a in (network.gateway, network.dhcp_server)}
    while first <= network.range_end:
        if queries.free_address(conn, network.uuid):
            return True
        if queries.add_block(conn, network.uuid, first, network.range_end, reserved):
            return True
        first = queries.lock_network(conn, network.uuid) or network.range_end + 1
    return queries.free_address(conn, network.uuid) is not None


def _take_fixed(conn: sa.Connection, nic: Nic, port: Mapping[str, Any]) -> str:
    address = str(nic.fixed_ip)
    number = _number(address, nic.network)
    row = queries.address_row(conn, nic.network.uuid, number)
    if row is None and queries.lock_network(conn, nic.network.uuid) is not None:
        row = queries.address_row(conn, nic.network.uuid, number)
        if row is None:
            queries.insert_addresses(conn, nic.network.uuid, [number])
            row = queries.address_row(conn, nic.network.uuid, number)
    if row is None:
        raise errors.Invalid(f"Network {nic.network.uuid} could not be found.")
    _refuse_if_used(row, address)
    if not queries.take_address(conn, row.id, port["uuid"]):
        raise errors.Invalid(f"Fixed IP address {address} is already in use.")
    return address


def drop_address(conn: sa.Connection, port_uuid: str, address: str) -> None:
    """A port loses an address, and floating addresses what they led to there."""
    floating_ips.let_go(conn, [port_uuid], address)
    queries.give_back(conn, port_uuid, address)


def bind(conn: sa.Connection, instance_uuid: str, host: str) -> list[Document]:
    """The server's ports belong to ``host`` from now on; returns its network info. Repeating it changes nothing."""
    queries.bind(conn, instance_uuid, host, documents.version_at(queries.now(conn)))
    return documents.network_info(conn, [instance_uuid])[instance_uuid]


def unbind(conn: sa.Connection, instance_uuid: str) -> None:
    """The server's ports belong to no host; their addresses stay theirs."""
    queries.bind(conn, instance_uuid, None, documents.version_at(queries.now(conn)))


def release(conn: sa.Connection, instance_uuid: str) -> int:
    """Give back all that a server has here; its addresses are free again after the lease time. May be repeated.

    Ports that a user made stay, in no server. Returns how many ports are gone.
    """
    ports = queries.ports_of_server(conn, instance_uuid)
    lasting = [port.uuid for port in ports if port.lasting]
    if lasting:
        queries.free_ports(conn, lasting)
    return remove(conn, [port.uuid for port in ports if not port.lasting])


def remove(conn: sa.Connection, port_uuids: Sequence[str]) -> int:
    """Ports go, with their addresses and memberships; floating addresses that led to them lead nowhere."""
    if not port_uuids:
        return 0
    floating_ips.let_go(conn, port_uuids)
    group_tables.leave(conn, port_uuids)
    return queries.release_ports(conn, port_uuids)


def note_lease(conn: sa.Connection, mac: str, address: str, leased: bool) -> bool:
    return queries.note_lease(conn, mac, address, leased)


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """A port of a server that does not live (``kind`` port), or what belongs to a port that does not exist: a fixed
    address, a floating one, a membership in a security group."""

    kind: Literal["port", "address", "floating", "membership"]
    id: str
    owner: str  # server of a port, or else the port


def audit(conn: sa.Connection, living: Set[str],
          within: Callable[[Any], sa.ColumnElement[bool]] = lambda column: sa.true()) -> list[Leak]:
    """What belongs to nobody among ``living``. Nothing is changed: the caller decides after a second look. ``within``
    gives the condition under which a row that belongs to what the column names is looked at."""
    ports = [row for row in queries.owners(conn, within) if row.instance_uuid not in living]
    return [Leak("port", row.uuid, row.instance_uuid) for row in ports] + [
        Leak("address", str(row.id), row.port_uuid) for row in queries.orphan_addresses(conn, within)] + [
        Leak("floating", row.uuid, row.port_uuid) for row in floating_ips.orphans(conn, within)] + [
        Leak("membership", row.port_uuid, row.port_uuid) for row in group_tables.orphans(conn, within)]


def repair(conn: sa.Connection, leak: Leak) -> bool:
    """Free what an audit found; False when it is gone or in order by now."""
    if leak.kind == "port":
        return release(conn, leak.owner) > 0
    if leak.kind == "floating":
        return floating_ips.let_go(conn, [leak.owner]) > 0
    if leak.kind == "membership":
        return group_tables.leave(conn, [leak.owner]) > 0
    return queries.free_orphan(conn, int(leak.id), leak.owner)
