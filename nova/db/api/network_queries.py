# SPDX-License-Identifier: Apache-2.0
"""Statements over networks, ports and addresses; what they mean together is decided in ``nova.networks``.

Whoever wants an address reads a free one that nobody else has locked and takes it by a conditional UPDATE whose row
count decides. Engines without row locks (SQLite) have one writer at a time.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api.networks import addresses, network_changes, networks, ports

_BLOCK = 256
#: Gives the condition under which an audit looks at a row that belongs to what the column names.
Within = Callable[[Any], sa.ColumnElement[bool]]

# Statements of the path of every create are made once: building one costs as much as running it.
_ALL = sa.select(networks, schema.db_now().label("now")).order_by(networks.c.created_at, networks.c.uuid)
_VISIBLE = _ALL.where(sa.or_(networks.c.project_id == sa.bindparam("project"), networks.c.project_id.is_(None)))
_JOINED = sa.select(ports, addresses.c.address, addresses.c.number).join_from(
    ports, addresses, addresses.c.port_uuid == ports.c.uuid, isouter=True).order_by(
    ports.c.instance_uuid, ports.c.nic_index, addresses.c.number)
_OWN = _JOINED.where(sa.or_(ports.c.instance_uuid == sa.bindparam("server"), ports.c.mac == sa.bindparam("wanted_mac")))
_FREE = sa.select(addresses.c.id, addresses.c.number, addresses.c.address).where(
    addresses.c.network_uuid == sa.bindparam("network"), addresses.c.port_uuid.is_(None),
    addresses.c.reusable_at <= schema.db_now(),
).order_by(addresses.c.reusable_at, addresses.c.number).limit(1).with_for_update(skip_locked=True)
_TAKE = sa.update(addresses).where(
    addresses.c.id == sa.bindparam("row"), addresses.c.port_uuid.is_(None), addresses.c.reusable_at <= schema.db_now(),
).values(port_uuid=sa.bindparam("port"), allocated_at=schema.db_now(), released_at=None, leased=False)
_INSERT_PORT = sa.insert(ports)
_LEASE_TIME = sa.select(networks.c.lease_time).where(networks.c.uuid == addresses.c.network_uuid).scalar_subquery()
_GIVE_BACK = sa.update(addresses).where(addresses.c.port_uuid.in_(sa.bindparam("gone", expanding=True))).values(
    port_uuid=None, leased=False, released_at=schema.db_now(), reusable_at=schema.db_now() + _LEASE_TIME)
_OF_SERVER = sa.select(ports.c.uuid, ports.c.lasting).where(ports.c.instance_uuid == sa.bindparam("server"))
_DELETE_PORTS = sa.delete(ports).where(ports.c.uuid.in_(sa.bindparam("gone", expanding=True)))


def now(conn: sa.Connection) -> float:
    return float(conn.execute(sa.select(schema.db_now())).scalar_one())


def visible_networks(conn: sa.Connection, project_id: str | None) -> Sequence[sa.Row[Any]]:
    """Networks of the project and shared ones (all when None), oldest first, with the database's time as ``now``."""
    return conn.execute(_ALL if project_id is None else _VISIBLE, {"project": project_id} if project_id else {}).all()


def insert_network(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(networks).values(**values))


def delete_network(conn: sa.Connection, uuid: str) -> bool:
    """Remove a network with its free addresses; False, and nothing final, when one of them is in use."""
    conn.execute(sa.delete(addresses).where(addresses.c.network_uuid == uuid, addresses.c.port_uuid.is_(None)))
    used = conn.execute(sa.select(addresses.c.id).where(addresses.c.network_uuid == uuid).limit(1)).first()
    if used is None:
        conn.execute(sa.delete(networks).where(networks.c.uuid == uuid))
    return used is None


def usage(conn: sa.Connection, network_uuid: str) -> int:
    query = sa.select(sa.func.count()).select_from(ports).where(ports.c.network_uuid == network_uuid)
    return int(conn.execute(query).scalar_one())


def ports_of(conn: sa.Connection, instance_uuids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Ports of these servers, a row per address, in the order of their interfaces."""
    return conn.execute(_JOINED.where(ports.c.instance_uuid.in_(instance_uuids))).all()


def own_ports(conn: sa.Connection, instance_uuid: str, mac: str) -> Sequence[sa.Row[Any]]:
    """As :func:`ports_of`, of one server, and beside it the port of anybody that uses ``mac`` already."""
    return conn.execute(_OWN, {"server": instance_uuid, "wanted_mac": mac}).all()


def ports_on(conn: sa.Connection, host: str, since: int) -> Sequence[sa.Row[Any]]:
    query = _JOINED.where(ports.c.host == host)
    return conn.execute(query.where(ports.c.version > since)).all()


def networks_by_uuid(conn: sa.Connection, uuids: Collection[str]) -> dict[str, sa.Row[Any]]:
    if not uuids:
        return {}
    return {row.uuid: row for row in conn.execute(sa.select(networks).where(networks.c.uuid.in_(uuids)))}


def free_address(conn: sa.Connection, network_uuid: str) -> sa.Row[int, int, str] | None:
    """A free address that no other transaction is about to take: never used ones first, then the longest unused."""
    return conn.execute(_FREE, {"network": network_uuid}).first()


def address_row(conn: sa.Connection, network_uuid: str, number: int) -> sa.Row[Any] | None:
    return conn.execute(sa.select(addresses, ports.c.instance_uuid, schema.db_now().label("now")).join_from(
        addresses, ports, ports.c.uuid == addresses.c.port_uuid, isouter=True).where(
        addresses.c.network_uuid == network_uuid, addresses.c.number == number)).first()


def take_address(conn: sa.Connection, address_id: int, port_uuid: str) -> bool:
    """Make a free address the port's. False when somebody else was faster or it is not reusable yet."""
    return conn.execute(_TAKE, {"row": address_id, "port": port_uuid}).rowcount == 1


def lock_network(conn: sa.Connection, network_uuid: str) -> int | None:
    """Hold the network's row until the end of the transaction, for the rare writer that adds rows to the pool.

    Returns its ``next_number``; None when the network is gone.
    """
    mine = networks.c.uuid == network_uuid
    conn.execute(sa.update(networks).where(mine).values(next_number=networks.c.next_number))
    return conn.execute(sa.select(networks.c.next_number).where(mine)).scalar_one_or_none()


def add_block(conn: sa.Connection, network_uuid: str, first: int, last: int, taken: Iterable[int]) -> int:
    """Add up to a block of addresses from ``first`` to the pool; returns how many. The network's row is locked."""
    end = min(first + _BLOCK - 1, last)
    if end < first:
        return 0
    known = {*taken, *conn.execute(sa.select(addresses.c.number).where(
        addresses.c.network_uuid == network_uuid, addresses.c.number.between(first, end))).scalars()}
    numbers = [n for n in range(first, end + 1) if n not in known]
    insert_addresses(conn, network_uuid, numbers)
    conn.execute(sa.update(networks).where(networks.c.uuid == network_uuid).values(next_number=end + 1))
    return len(numbers)


def insert_addresses(conn: sa.Connection, network_uuid: str, numbers: Iterable[int]) -> None:
    rows = [{"network_uuid": network_uuid, "number": n, "address": str(ipaddress.ip_address(n)), "reusable_at": 0.0,
             "leased": False} for n in numbers]
    if rows:
        conn.execute(sa.insert(addresses), rows)


def insert_port(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    conn.execute(_INSERT_PORT, values)


def release_ports(conn: sa.Connection, port_uuids: Collection[str]) -> int:
    """Give back the addresses of ports and remove them; returns how many there were."""
    if not port_uuids:
        return 0
    conn.execute(_GIVE_BACK, {"gone": list(port_uuids)})
    return conn.execute(_DELETE_PORTS, {"gone": list(port_uuids)}).rowcount


def ports_of_server(conn: sa.Connection, instance_uuid: str) -> Sequence[sa.Row[str, bool]]:
    """Uuids of a server's ports, each with whether it outlives the server."""
    return conn.execute(_OF_SERVER, {"server": instance_uuid}).all()


def take_port(conn: sa.Connection, uuid: str, values: Mapping[str, Any]) -> bool:
    """A port that is in no server becomes a server's; False when it is gone or in one."""
    return conn.execute(sa.update(ports).where(ports.c.uuid == uuid, ports.c.instance_uuid.is_(None)).values(
        **values)).rowcount == 1


def free_ports(conn: sa.Connection, port_uuids: Collection[str]) -> int:
    """These ports are in no server from now on; they keep their addresses."""
    return conn.execute(sa.update(ports).where(ports.c.uuid.in_(list(port_uuids))).values(
        instance_uuid=None, nic_index=None, host=None, cell_id=None, tag=None)).rowcount


def change_port(conn: sa.Connection, uuid: str, values: Mapping[str, Any]) -> bool:
    return conn.execute(sa.update(ports).where(ports.c.uuid == uuid).values(**values)).rowcount == 1


def find_ports(conn: sa.Connection, **columns: Any) -> Sequence[sa.Row[Any]]:
    """Ports with these columns, a row per address, oldest first; a list stands for any of its members."""
    where = [ports.c[name].in_(list(v)) if isinstance(v, list | tuple | set) else ports.c[name] == v
             for name, v in columns.items()]
    return conn.execute(_JOINED.where(*where).order_by(None).order_by(
        ports.c.created_at, ports.c.uuid, addresses.c.number)).all()


def give_back(conn: sa.Connection, port_uuid: str, address: str) -> bool:
    """A port loses one of its addresses; False when it did not have it."""
    return conn.execute(sa.update(addresses).where(
        addresses.c.port_uuid == port_uuid, addresses.c.address == address).values(
        port_uuid=None, leased=False, released_at=schema.db_now(),
        reusable_at=schema.db_now() + _LEASE_TIME)).rowcount == 1


def update_network(conn: sa.Connection, uuid: str, values: Mapping[str, Any]) -> bool:
    return conn.execute(sa.update(networks).where(networks.c.uuid == uuid).values(**values)).rowcount == 1


def mark(conn: sa.Connection, instance_uuids: Collection[str], version: int) -> None:
    """These servers are to be told: their ports get a newer version."""
    conn.execute(sa.update(ports).where(ports.c.instance_uuid.in_(list(instance_uuids))).values(
        version=sa.case((ports.c.version >= version, ports.c.version + 1), else_=version)))
    for uuid in instance_uuids:
        conn.execute(sa.insert(network_changes).values(instance_uuid=uuid, created_at=schema.db_now()))


def changes(conn: sa.Connection, instance_uuids: Collection[str] | None = None,
            limit: int = 500) -> Sequence[sa.Row[Any]]:
    """Changes that no cell knows of yet, oldest first: of these servers, or of any."""
    query = sa.select(network_changes).order_by(network_changes.c.id).limit(limit)
    if instance_uuids is not None:
        query = query.where(network_changes.c.instance_uuid.in_(list(instance_uuids)))
    return conn.execute(query).all()


def forget_changes(conn: sa.Connection, rows: Iterable[sa.Row[Any]]) -> None:
    """They have arrived. The time is compared too, because SQLite gives a number again once it is free."""
    c = network_changes.c
    for row in rows:
        conn.execute(sa.delete(network_changes).where(c.id == row.id, c.created_at == row.created_at))


def bind(conn: sa.Connection, instance_uuid: str, host: str | None, version: int) -> None:
    """The ports belong to ``host``, or to none, from now on; rows that say so already stay as they are."""
    other = ports.c.host.is_not(None) if host is None else sa.or_(ports.c.host != host, ports.c.host.is_(None))
    conn.execute(sa.update(ports).where(ports.c.instance_uuid == instance_uuid, other).values(
        host=host, version=sa.case((ports.c.version >= version, ports.c.version + 1), else_=version)))


def note_lease(conn: sa.Connection, mac: str, address: str, leased: bool) -> bool:
    """Remember that a guest holds its address, or has given it back; False when they do not belong together."""
    mine = sa.select(ports.c.uuid).where(ports.c.mac == mac)
    return conn.execute(sa.update(addresses).where(
        addresses.c.port_uuid.in_(mine), addresses.c.address == address).values(leased=leased)).rowcount > 0


def owners(conn: sa.Connection, within: Within) -> Sequence[sa.Row[str, str]]:
    """Every port that is in a server, with it, for the audit."""
    return conn.execute(sa.select(ports.c.uuid, ports.c.instance_uuid).where(
        ports.c.instance_uuid.is_not(None), within(ports.c.instance_uuid))).all()


def orphan_addresses(conn: sa.Connection, within: Within) -> Sequence[sa.Row[int, str, str]]:
    """Addresses that are held by a port which does not exist."""
    return conn.execute(sa.select(addresses.c.id, addresses.c.address, addresses.c.port_uuid).join_from(
        addresses, ports, ports.c.uuid == addresses.c.port_uuid, isouter=True).where(
        addresses.c.port_uuid.is_not(None), ports.c.uuid.is_(None), within(addresses.c.port_uuid))).all()


def free_orphan(conn: sa.Connection, address_id: int, port_uuid: str) -> bool:
    lives = sa.select(ports.c.uuid).where(ports.c.uuid == port_uuid)
    return conn.execute(sa.update(addresses).where(
        addresses.c.id == address_id, addresses.c.port_uuid == port_uuid, ~sa.exists(lives)).values(
        port_uuid=None, leased=False, released_at=schema.db_now(), reusable_at=schema.db_now())).rowcount == 1
