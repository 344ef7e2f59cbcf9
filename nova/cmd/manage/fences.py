# SPDX-License-Identifier: Apache-2.0
"""nova-manage host fence, unfence, fence-status: what an operator knows of a host that failed."""

from __future__ import annotations

from typing import Any

import click

from nova import errors
from nova.cells import Cell, Cells
from nova.cmd.manage.operations import moment
from nova.cmd.manage.reach import cells_of
from nova.cmd.manage.tool import State
from nova.db.api import cells as mappings
from nova.db.api import host_fences
from nova.db.cell.tables import services
from nova.db.engine import Database


@click.command("fence")
@click.argument("hostname")
@click.option("--confirmed", is_flag=True, required=True,
              help="You have made sure that HOSTNAME is off, or that none of its guests runs or reaches its disks.")
@click.pass_obj
def fence(state: State, hostname: str, confirmed: bool) -> None:
    """Say that the silent host HOSTNAME is off, so that its servers with the policy 'evacuate' start elsewhere.

    They do when [ha] enabled is set for nova-conductor; the host counts as down from then on, until 'host unfence'.
    Refused while the host is heard.
    """
    lease = float(state.conf.lease)
    with cells_of(state) as (api, cells):
        cell, service = _service(api, cells, hostname)
        if service["last_seen"] and service["age"] <= lease:
            raise errors.Conflict(f"host {hostname} was heard {service['age']:.1f} s ago: it is not off")
        api.run(lambda conn: host_fences.confirm(conn, hostname, cell.uuid, service["incarnation"],
                                                 "An operator has confirmed that it is off."))
        if not state.conf.ha.enabled:
            click.echo("[ha] enabled is not set in this configuration: a conductor without it evacuates nothing",
                       err=True)
        _show(state, api)


@click.command("unfence")
@click.argument("hostname")
@click.pass_obj
def unfence(state: State, hostname: str) -> None:
    """Take the host HOSTNAME back, after it was repaired: it counts as up again when it is heard."""
    with cells_of(state) as (api, cells):
        cell, service = _service(api, cells, hostname)
        forgotten = api.run(lambda conn: host_fences.forget(conn, hostname))
        if not forgotten and not service["forced_down"]:
            raise errors.NotFound(f"host {hostname} is not fenced")
        cell.database.run(lambda conn: services.update(conn, service["uuid"], forced_down=False))
        click.echo(f"host {hostname} is taken back")


@click.command("fence-status")
@click.pass_obj
def fence_status(state: State) -> None:
    """Hosts that are held to have failed, and what is known of them."""
    with state.database("api", synced=True) as api:
        _show(state, api)


def _service(api: Database, cells: Cells, host: str) -> tuple[Cell, dict[str, Any]]:
    with api.read() as conn:
        known = mappings.list_hosts(conn, [host])
    if known:
        cell = cells.get(known[0]["cell_uuid"])
        with cell.database.read() as conn:
            found = services.list(conn, host=host, binary="nova-compute")
        if found:
            return cell, found[0]
    raise errors.NotFound(f"there is no compute host {host}; see 'nova-manage cell_v2 list_hosts'")


def _show(state: State, api: Database) -> None:
    with api.read() as conn:
        found = host_fences.find(conn)
    state.show(["Host", "State", "Message", "Attempts", "Since"],
               [[f["host"], f["state"], f["message"], f["attempts"], moment(f["created_at"])] for f in found.values()])
