# SPDX-License-Identifier: Apache-2.0
"""Floating addresses as users have them: quota, whose they are, and the servers that they lead to.

An address is a row with ``pool`` (its name) and ``instance_uuid`` of the server it leads to, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext
from nova.db.api import floating_ips as table
from nova.db.api import network_queries as queries
from nova.networks import floating_ips as library
from nova.networks.security_groups import ensure_default
from nova.networks.security_groups import hold as hold_group
from nova.operations import refusals
from nova.operations.acceptance import Deps
from nova.operations.network_changes import bring
from nova.store import record_events

FloatingIp = library.FloatingIp


class FloatingIps:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    def pools(self) -> list[library.Pool]:
        """All pools, each with the ranges that it has."""
        with self._deps.api.read() as conn:
            ranges = table.list_ranges(conn)
            return [pool | {"ranges": [r for r in ranges if r["pool_uuid"] == pool["uuid"]]}
                    for pool in table.list_pools(conn)]

    def list(self, context: RequestContext, *, all_projects: bool = False, **columns: Any) -> list[FloatingIp]:
        scope = {} if all_projects else {"project_id": context.project_id or ""}
        with self._deps.api.read() as conn:
            return _with_servers(conn, table.find(conn, **(columns | scope)))

    def get(self, context: RequestContext, **columns: Any) -> FloatingIp:
        with self._deps.api.read() as conn:
            return _with_servers(conn, [library.get(conn, _scope(context), **columns)])[0]

    def allocate(self, context: RequestContext, pool: str | None, *, project_id: str | None = None,
                 address: str | None = None, description: str = "", port: str | None = None,
                 fixed_address: str | None = None,
                 tell: Callable[[FloatingIp], object] = lambda made: None) -> FloatingIp:
        """An address of the pool with this name or uuid, or else of the first pool; led to the port, if one is named.
        ``tell`` is called with it in the transaction."""
        project = project_id or context.project_id or ""

        def run(conn: sa.Connection) -> FloatingIp:
            source = library.pool(conn, pool)
            hold_group(conn, ensure_default(conn, project))  # the one row of a project that is always there
            limit = self._deps.quota.limits(conn, project, context.user_id or "")["floating_ips"]
            self._deps.quota.check_count("floating_ips", limit, table.held(conn, project_id=project) + 1)
            made = library.allocate(conn, source, project, address=address, description=description)
            record_events.floating_ip(conn, context, "allocate", made)
            if port is not None:
                library.associate(conn, made, _port(conn, context, made, port), fixed_address)
            found = _with_servers(conn, [library.get(conn, None, uuid=made["uuid"])])[0]
            _tell_where(conn, context, made | {"instance_uuid": None}, found)
            tell(found)
            return found

        made = self._deps.api.run(run)
        if port is not None:
            bring(self._deps, context)
        return made

    def describe(self, context: RequestContext, uuid: str, description: str) -> FloatingIp:
        def run(conn: sa.Connection) -> FloatingIp:
            floating = library.get(conn, _scope(context), uuid=uuid)
            table.change(conn, uuid, floating["project_id"], {"description": description})
            return _with_servers(conn, [library.get(conn, _scope(context), uuid=uuid)])[0]

        return self._deps.api.run(run)

    def release(self, context: RequestContext, uuid: str) -> None:
        """Give it back, also while it leads to a server."""
        def run(conn: sa.Connection) -> None:
            floating = _with_servers(conn, [library.get(conn, _scope(context), uuid=uuid)])[0]
            library.release(conn, floating)
            _tell_where(conn, context, floating, floating | {"instance_uuid": None})
            record_events.floating_ip(conn, context, "deallocate", floating)

        self._deps.api.run(run)
        bring(self._deps, context)

    # -- ports and servers ---------------------------------------------------------------------------------------------

    def lead_to_server(self, context: RequestContext, server: str, address: str, fixed_address: str | None) -> None:
        refusals.check(self._deps, context, server, "change_network", "addFloatingIp")

        def run(conn: sa.Connection) -> None:
            floating = _with_servers(conn, [library.get(conn, _scope(context), address=address)])[0]
            try:
                library.associate(conn, floating, queries.ports_of(conn, [server]), fixed_address)
            except errors.Conflict as e:
                raise errors.Invalid(e.message) from e
            _tell_where(conn, context, floating, floating | {"instance_uuid": server})

        self._deps.api.run(run)
        bring(self._deps, context)

    def lead_to_port(self, context: RequestContext, uuid: str, port: str | None,
                     fixed_address: str | None = None) -> FloatingIp:
        """Lead it to the port, or nowhere."""
        def run(conn: sa.Connection) -> FloatingIp:
            floating = _with_servers(conn, [library.get(conn, _scope(context), uuid=uuid)])[0]
            if port is None:
                library.disassociate(conn, floating)
            else:
                library.associate(conn, floating, _port(conn, context, floating, port), fixed_address)
            found = _with_servers(conn, [library.get(conn, None, uuid=uuid)])[0]
            _tell_where(conn, context, floating, found)
            return found

        floating = self._deps.api.run(run)
        bring(self._deps, context)
        return floating

    def take_from_server(self, context: RequestContext, server: str, address: str) -> None:
        """Conflict when the address leads elsewhere."""
        refusals.check(self._deps, context, server, "change_network", "removeFloatingIp")

        def run(conn: sa.Connection) -> None:
            floating = _with_servers(conn, [library.get(conn, _scope(context), address=address)])[0]
            if floating["instance_uuid"] != server:
                raise errors.Conflict(f"Floating IP {address} is not associated with instance {server}.")
            library.disassociate(conn, floating)
            _tell_where(conn, context, floating, floating | {"instance_uuid": None})

        self._deps.api.run(run)
        bring(self._deps, context)


def _tell_where(conn: sa.Connection, context: RequestContext, was: FloatingIp, now: FloatingIp) -> None:
    """It may lead from one server to another now."""
    if was["instance_uuid"] == now["instance_uuid"]:
        return
    for what, row in (("disassociate", was), ("associate", now)):
        if row["instance_uuid"]:
            record_events.floating_ip(conn, context, what, row)


def _scope(context: RequestContext) -> str | None:
    return None if context.is_admin else context.project_id or ""


def _port(conn: sa.Connection, context: RequestContext, floating: FloatingIp, port: str) -> Sequence[Any]:
    rows = queries.find_ports(conn, uuid=port)
    if not rows or (rows[0].project_id != floating["project_id"] and not context.is_admin):
        raise errors.NotFound(f"Port {port} could not be found.")
    return rows


def _with_servers(conn: sa.Connection, found: Sequence[FloatingIp]) -> list[FloatingIp]:
    ports = {f["port_uuid"] for f in found} - {None}
    servers = {row.uuid: row.instance_uuid for row in queries.find_ports(conn, uuid=ports)} if ports else {}
    return [f | {"instance_uuid": servers.get(f["port_uuid"])} for f in found]
