# SPDX-License-Identifier: Apache-2.0
"""Servers with ports, as the create of a cloud leaves them, for tests of what hangs on ports."""

from __future__ import annotations

from typing import Any

from nova.db.cell import instances
from nova.networks import allocation, documents
from nova.networks.manager import Networks
from tests.api.compute.conftest import IMAGE, PROJECTS, Api

__all__ = ["IMAGE", "allocation", "network", "row", "server"]


def network(api: Api, label: str = "private", cidr: str = "10.9.0.0/24", **options: Any) -> str:
    return str(Networks(api.database).create_network(label, cidr, **options)["id"])


def server(api: Api, *, project: str = "demo", requested: Any = None, groups: tuple[str, ...] = ("default",),
           **values: Any) -> str:
    """A server of the project, with a port in the first network unless others are requested."""
    uuid = api.server(project=project, **values)
    with api.database.write() as conn:
        vifs = allocation.allocate(conn, instance_uuid=uuid, project_id=PROJECTS[project], host="host1",
                                   requested=requested, groups=groups)
    with api.cell.write() as conn:
        instances.update(conn, uuid, network_info=vifs, addresses=documents.all_addresses(vifs))
    return uuid


def row(api: Api, uuid: str) -> dict[str, Any]:
    """The server as its cell has it."""
    with api.cell.read() as conn:
        found = instances.get(conn, uuid)
    assert found is not None
    return found
