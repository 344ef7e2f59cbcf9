# SPDX-License-Identifier: Apache-2.0
"""Networks as users make and see them: their own and shared ones; only administrators change what is not theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext
from nova.networks import definitions
from nova.networks.definitions import Network
from nova.operations.acceptance import Deps


class NetworkDefinitions:
    def __init__(self, deps: Deps, *, lease_time: int) -> None:
        self._deps = deps
        self._lease_time = lease_time

    def list(self, context: RequestContext) -> Sequence[Network]:
        with self._deps.api.read() as conn:
            return definitions.list_all(conn, _scope(context))

    def get(self, context: RequestContext, uuid: str) -> Network:
        with self._deps.api.read() as conn:
            return definitions.get(conn, _scope(context), uuid)

    def create(self, context: RequestContext, name: str, project_id: str | None, *, mtu: int = 1500,
               external: bool = False) -> Network:
        def run(conn: sa.Connection) -> Network:
            return definitions.get(conn, None, definitions.create(conn, name, project_id, mtu=mtu, external=external))

        return self._deps.api.run(run)

    def update(self, context: RequestContext, uuid: str, name: str | None) -> Network:
        def run(conn: sa.Connection) -> Network:
            definitions.change(conn, _own(definitions.get(conn, _scope(context), uuid), context), name=name)
            return definitions.get(conn, None, uuid)

        return self._deps.api.run(run)

    def delete(self, context: RequestContext, uuid: str) -> None:
        self._deps.api.run(lambda conn: definitions.remove(
            conn, _own(definitions.get(conn, _scope(context), uuid), context)))

    # -- subnets -------------------------------------------------------------------------------------------------------

    def subnet(self, context: RequestContext, uuid: str) -> Network:
        """The network that has this subnet."""
        with self._deps.api.read() as conn:
            return definitions.of_subnet(conn, _scope(context), uuid)[0]

    def add_subnet(self, context: RequestContext, network: str, cidr: str, name: str,
                   **options: Any) -> tuple[Network, str]:
        """The network and the new subnet's uuid. ``options`` are fields of :class:`nova.networks.manager.NetworkSpec`.
        """
        def run(conn: sa.Connection) -> tuple[Network, str]:
            found = _own(definitions.get(conn, _scope(context), network), context)
            made = definitions.add_subnet(conn, found, cidr, name, lease_time=self._lease_time, **options)
            return definitions.get(conn, None, network), made

        return self._deps.api.run(run)

    def update_subnet(self, context: RequestContext, uuid: str, *, name: str | None,
                      dns: Sequence[str] | None) -> Network:
        return self._with_subnet(context, uuid, lambda conn, network: definitions.change(
            conn, network, dns=dns, subnet_name=name))

    def delete_subnet(self, context: RequestContext, uuid: str) -> None:
        self._with_subnet(context, uuid, lambda conn, network: definitions.remove_subnet(conn, network, uuid))

    def _with_subnet(self, context: RequestContext, uuid: str,
                     change: Callable[[sa.Connection, Network], None]) -> Network:
        def run(conn: sa.Connection) -> Network:
            network = _own(definitions.of_subnet(conn, _scope(context), uuid)[0], context)
            change(conn, network)
            return definitions.get(conn, None, network.uuid)

        return self._deps.api.run(run)


def _scope(context: RequestContext) -> str | None:
    return None if context.is_admin else context.project_id or ""


def _own(network: Network, context: RequestContext) -> Network:
    if not context.is_admin and network.project_id != context.project_id:
        raise errors.Forbidden(f"Network {network.uuid} belongs to all projects; only an administrator changes it.")
    return network
