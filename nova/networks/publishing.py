# SPDX-License-Identifier: Apache-2.0
"""Brings changed network information from the API database to the cells of its servers, for API answers and hosts.

A change is marked in its own transaction (``network_changes``), so it arrives whoever dies; whoever made it may bring
it at once, and the orchestrator looks for what was left. A document never replaces a newer one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.cells import Cell, Cells
from nova.db.api import cells as mappings
from nova.db.api import network_queries as queries
from nova.db.cell import instances
from nova.db.engine import Database
from nova.networks import documents
from nova.store import events


class Publisher:
    def __init__(self, api: Database, cells: Cells) -> None:
        self._api, self._cells = api, cells

    def publish(self, instance_uuids: Collection[str] | None = None, limit: int = 500) -> list[tuple[Cell, str]]:
        """Bring what is marked, of these servers or of any, to their cells.

        Returns the hosts that have something new. Servers that no cell has yet stay marked. Raises
        :class:`errors.Unavailable` for a silent cell after all others were served.
        """
        with self._api.read() as conn:
            marked = queries.changes(conn, instance_uuids, limit)
            servers = sorted({row.instance_uuid for row in marked})
            homes = {uuid: mappings.mapping(conn, uuid) for uuid in servers}
            known = documents.network_info(conn, servers)
        done, hosts, failure = set[str](), dict[tuple[str, str], tuple[Cell, str]](), None
        for uuid in servers:
            home = homes[uuid]
            if home is None or home["queued_for_delete"]:
                done.add(uuid)
            elif home["cell_uuid"] is not None:
                try:
                    cell = self._cells.get(home["cell_uuid"])
                    host = cell.database.run(lambda conn, uuid=uuid: _write(conn, uuid, known[uuid]))  # type: ignore[misc]
                except errors.Unavailable as e:
                    failure = e
                    continue
                done.add(uuid)
                if host:
                    hosts[cell.uuid, host] = (cell, host)
        arrived = [row for row in marked if row.instance_uuid in done]
        if arrived:
            self._api.run(lambda conn: queries.forget_changes(conn, arrived))
        if failure is not None:
            raise failure
        return list(hosts.values())


def _write(conn: sa.Connection, uuid: str, vifs: Sequence[documents.Document]) -> str | None:
    """Set the server's network information; returns its host if there is something new for it."""
    row = instances.get_for_update(conn, uuid)
    if row is None or row["deleted"] or _version(row["network_info"]) > _version(vifs) > 0:
        return None
    values: dict[str, Any] = {"network_info": list(vifs), "addresses": documents.all_addresses(vifs)}
    if vifs:
        values["security_groups"] = list(dict.fromkeys(name for vif in vifs for name in vif["security_groups"]))
    if all(row[name] == value for name, value in values.items()):
        return None
    instances.update(conn, uuid, **values)
    events.after(conn, events.seen(conn, row), service=events.CONDUCTOR)
    return str(row["host"]) if row["host"] else None


def _version(vifs: Sequence[documents.Document] | None) -> int:
    return max((int(vif["version"]) for vif in vifs or ()), default=0)
