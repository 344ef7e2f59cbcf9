# SPDX-License-Identifier: Apache-2.0
"""Ports as users have them, and the fixed addresses of servers.

A port is a dict of its columns with ``addresses`` and ``groups`` (uuids of security groups). Ports that a user makes
outlive the servers they are brought to; others come and go with their server.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext
from nova.db.api import network_queries as queries
from nova.networks import allocation, documents, security_groups
from nova.operations import refusals
from nova.operations.acceptance import Deps
from nova.operations.network_changes import bring
from nova.store import record_events

Port = dict[str, Any]


class Ports:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    def list(self, context: RequestContext, *, all_projects: bool = False, **columns: Any) -> list[Port]:
        scope = {} if all_projects else {"project_id": context.project_id or ""}
        with self._deps.api.read() as conn:
            return _ports(conn, queries.find_ports(conn, **(columns | scope)))

    def get(self, context: RequestContext, uuid: str) -> Port:
        with self._deps.api.read() as conn:
            return _get(conn, context, uuid)

    def create(self, context: RequestContext, network: str, *, project_id: str | None = None, name: str = "",
               fixed_ip: str | None = None, groups: Sequence[str] | None = None, mac: str | None = None) -> Port:
        """A port with one address; in the group ``default`` unless groups are named."""
        project = project_id or context.project_id or ""

        def run(conn: sa.Connection) -> Port:
            visible = queries.visible_networks(conn, None if context.is_admin else project)
            found = next((n for n in visible if n.uuid == network), None)
            if found is None:
                raise errors.NotFound(f"Network {network} could not be found.")
            if mac is not None and queries.own_ports(conn, "", mac):
                raise errors.Conflict(f"The hardware address {mac} is in use.")
            port = allocation.new_port(found, mac or allocation.unused_mac(conn), project) | {
                "name": name, "lasting": True}
            inside = security_groups.membership(conn, project, ("default",) if groups is None else groups)
            allocation.make(conn, allocation.Nic(found, fixed_ip), port, inside)
            return _get(conn, context, port["uuid"])

        return self._deps.api.run(run)

    def update(self, context: RequestContext, uuid: str, *, name: str | None = None,
               groups: Sequence[str] | None = None) -> Port:
        def run(conn: sa.Connection) -> Port:
            port = _get(conn, context, uuid)
            if name is not None:
                queries.change_port(conn, uuid, {"name": name})
            if groups is not None:
                wanted = security_groups.membership(conn, port["project_id"], groups) if groups else None
                security_groups.put_ports(conn, [uuid], wanted.groups if wanted else ())
                if port["instance_uuid"]:
                    queries.mark(conn, [port["instance_uuid"]], documents.version_at(queries.now(conn)))
            return _get(conn, context, uuid)

        port = self._deps.api.run(run)
        if groups is not None and port["instance_uuid"]:
            bring(self._deps, context, [port["instance_uuid"]])
        return port

    def delete(self, context: RequestContext, uuid: str) -> None:
        """Conflict while a server has it: an interface is pulled out first."""
        def run(conn: sa.Connection) -> None:
            port = _get(conn, context, uuid)
            if port["instance_uuid"] is not None:
                raise errors.Conflict(f"Port {uuid} is in use by server {port['instance_uuid']}.")
            allocation.remove(conn, [uuid])

        self._deps.api.run(run)

    # -- servers -------------------------------------------------------------------------------------------------------

    def add_fixed_ip(self, context: RequestContext, server: str, network: str) -> None:
        """One more address of the network for the port that the server has there."""
        row = refusals.check(self._deps, context, server, "change_network", "addFixedIp")

        def run(conn: sa.Connection) -> None:
            port = next((port for port in queries.ports_of(conn, [server]) if port.network_uuid == network), None)
            if port is None:
                raise errors.Invalid(f"Instance {server} has no interface in network {network}.")
            allocation.add_address(conn, port, next(
                n for n in queries.visible_networks(conn, None) if n.uuid == network))
            queries.mark(conn, [server], documents.version_at(queries.now(conn)))
            record_events.fixed_address(conn, context, "create_ip", row, lambda: _vifs(conn, server))

        self._deps.api.run(run)
        bring(self._deps, context, [server])

    def remove_fixed_ip(self, context: RequestContext, server: str, address: str) -> None:
        row = refusals.check(self._deps, context, server, "change_network", "removeFixedIp")

        def run(conn: sa.Connection) -> None:
            port = next((port for port in queries.ports_of(conn, [server]) if port.address == address), None)
            if port is None:
                raise errors.Invalid(f"Fixed IP {address} not found on instance {server}.")
            allocation.drop_address(conn, port.uuid, address)
            queries.mark(conn, [server], documents.version_at(queries.now(conn)))
            record_events.fixed_address(conn, context, "delete_ip", row, lambda: _vifs(conn, server))

        self._deps.api.run(run)
        bring(self._deps, context, [server])


def _vifs(conn: sa.Connection, server: str) -> list[dict[str, Any]]:
    return documents.network_info(conn, [server])[server]


def _get(conn: sa.Connection, context: RequestContext, uuid: str) -> Port:
    for port in _ports(conn, queries.find_ports(conn, uuid=uuid)):
        if context.is_admin or port["project_id"] == context.project_id:
            return port
    raise errors.NotFound(f"Port {uuid} could not be found.")


def _ports(conn: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Port]:
    joined = documents.memberships(conn, {row.uuid for row in rows})
    return [_port([row._mapping for row in same]) | {"groups": list(joined[uuid].groups)}
            for uuid, same in itertools.groupby(rows, key=lambda row: str(row.uuid))]


def _port(rows: Sequence[Mapping[Any, Any]]) -> Port:
    own = {name: value for name, value in rows[0].items() if name not in ("address", "number")}
    return own | {"addresses": [row["address"] for row in rows if row["address"]]}
