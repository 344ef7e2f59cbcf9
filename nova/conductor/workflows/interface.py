# SPDX-License-Identifier: Apache-2.0
"""Attach and detach an interface at API level: the port is acquired before the server's record relies on it, and
released after the record no longer does."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.conductor import placing
from nova.conductor.environment import Environment
from nova.db.cell import instances
from nova.networks import allocation, documents
from nova.workflow import Result, Row, Run
from nova.workflow.operations import ATTACH_INTERFACE, DETACH_INTERFACE


def allocate(run: Run) -> Result:
    """The port's uuid was chosen when the request was accepted, so a repeat finds what the first run made."""
    env: Environment = run.env
    row, wanted = run.row, run.inputs
    host = _server(env, row)["host"]

    def acquire(conn: sa.Connection) -> list[documents.Document]:
        placing.fence(conn, row)
        allocation.attach(conn, instance_uuid=row.instance_uuid, project_id=row.project_id, host=host,
                          port_uuid=wanted["port_id"], wanted=wanted.get("wanted"), tag=wanted.get("tag"))
        return documents.network_info(conn, [row.instance_uuid])[row.instance_uuid]

    vifs = env.api.run(acquire)
    mine = next(vif for vif in vifs if vif["id"] == wanted["port_id"])
    return Result(data={"vif": mine}, effect=lambda conn: _show(conn, row, vifs), host=host)


def give_back(run: Run) -> Result:
    """Out of the record first."""
    env: Environment = run.env
    row, port = run.row, run.inputs["port_id"]
    if env.cell is not None:
        env.cell.database.run(lambda conn: _forget(conn, row, port))
    env.api.run(lambda conn: _release(conn, row, port))
    return Result()


def forget(run: Run) -> Result:
    row, port = run.row, run.inputs["port_id"]
    return Result(effect=lambda conn: _forget(conn, row, port))


def release(run: Run) -> Result:
    env: Environment = run.env
    row, port = run.row, run.inputs["port_id"]
    env.api.run(lambda conn: _release(conn, row, port))
    return Result()


def _release(conn: sa.Connection, row: Row, port: str) -> None:
    placing.fence(conn, row)
    allocation.detach(conn, row.instance_uuid, port)


def _server(env: Environment, row: Row) -> dict[str, Any]:
    if env.cell is None:
        raise errors.Stale("An interface is attached to a server of a cell.")
    with env.cell.database.read() as conn:
        server = instances.get(conn, row.instance_uuid)
    if server is None or server["deleted"]:
        raise errors.Stale(f"Server {row.instance_uuid} is gone.")
    return server


def _forget(conn: sa.Connection, row: Row, port: str) -> None:
    server = instances.get(conn, row.instance_uuid)
    if server is None:
        raise errors.Stale(f"Server {row.instance_uuid} is gone.")
    _show(conn, row, [vif for vif in server["network_info"] or () if vif["id"] != port])


def _show(conn: sa.Connection, row: Row, vifs: list[documents.Document]) -> None:
    if not instances.update(conn, row.instance_uuid, epoch=row.epoch, network_info=vifs,
                            addresses=documents.all_addresses(vifs)):
        raise errors.Stale(f"Server {row.instance_uuid} has another owner.")


ATTACH_INTERFACE_AT_API = ATTACH_INTERFACE.bind("api", {"allocate": allocate}, {"allocate": give_back})
DETACH_INTERFACE_AT_API = DETACH_INTERFACE.bind("api", {"forget": forget, "release": release})
