# SPDX-License-Identifier: Apache-2.0
"""nova-manage cell_v2: which cells there are, and which hosts are in them."""

from __future__ import annotations

import click

from nova import errors
from nova.cmd import provision
from nova.cmd.commandline import Tool
from nova.cmd.manage.tool import State
from nova.cmd.urls import masked
from nova.cmd.wiring.broker import transport_url
from nova.db.api import cells as mappings
from nova.db.engine import Database


@click.group("cell_v2", cls=Tool)
def cell_v2() -> None:
    """Cells: shards of the cloud, each with a database and a message broker of its own."""


@cell_v2.command("simple_cell_setup")
@click.option("--transport-url", "--transport_url", "url", help="Broker of cell1. Default: transport_url.")
@click.pass_obj
def simple_cell_setup(state: State, url: str | None) -> None:
    """Set up cell0 and cell1 on the databases of this configuration, migrate them, and map their hosts.

    May be run again, for example to map hosts that were added.
    """
    with state.database("api", synced=True) as api:
        connection = _own_connection(state)
        provision.map_cell0(api, provision.cell0_url(connection))
        provision.create_cell(api, provision.CellSpec("cell1", connection, url or transport_url(state.conf)))
        provision.sync_cells(api)
        hosts = provision.discover_hosts(api)
        _show_cells(state, api, verbose=False)
        if hosts:
            state.show(["Host", "Cell"], hosts)


@cell_v2.command("map_cell0")
@click.option("--database_connection", "--database-connection", "url",
              help="Database of cell0. Default: that of section [database] with _cell0 in its name.")
@click.pass_obj
def map_cell0(state: State, url: str | None) -> None:
    """Record cell0, which keeps servers that never got a host."""
    with state.database("api", synced=True) as api:
        made = provision.map_cell0(api, url or provision.cell0_url(_own_connection(state)))
        click.echo("cell0 is set up" if made else "cell0 is set up already")


@cell_v2.command("create_cell")
@click.option("--name", required=True, help="Name of the cell.")
@click.option("--database_connection", "--database-connection", "url",
              help="Its database. Default: that of section [database].")
@click.option("--transport-url", "--transport_url", "broker", help="Its broker. Default: transport_url.")
@click.option("--disabled", is_flag=True, help="The scheduler does not use it until it is enabled.")
@click.pass_obj
def create_cell(state: State, name: str, url: str | None, broker: str | None, disabled: bool) -> None:
    """Record a cell. Its database is to be migrated by 'nova-manage db sync'."""
    with state.database("api", synced=True) as api:
        spec = provision.CellSpec(name, url or _own_connection(state), broker or transport_url(state.conf),
                                  disabled=disabled)
        uuid = provision.create_cell(api, spec)
        if uuid is None:
            raise errors.Conflict(f"a cell called {name}, or one with this database, is there already; see "
                                  f"'nova-manage cell_v2 list_cells'")
        state.show(["UUID", "Name"], [[uuid, name]])


@cell_v2.command("list_cells")
@click.option("--verbose", is_flag=True, help="Show passwords in URLs.")
@click.pass_obj
def list_cells(state: State, verbose: bool) -> None:
    """Cells with their databases and brokers."""
    with state.database("api", synced=True) as api:
        _show_cells(state, api, verbose=verbose)


@cell_v2.command("update_cell")
@click.option("--cell_uuid", "--cell-uuid", required=True, help="The cell; see list_cells.")
@click.option("--name", help="Its new name.")
@click.option("--database_connection", "--database-connection", "url", help="Where its database is now.")
@click.option("--transport-url", "--transport_url", "broker", help="Where its broker is now.")
@click.option("--disable/--enable", "disabled", default=None,
              help="Whether the scheduler leaves it out. Servers that are in it can be used in either case.")
@click.pass_obj
def update_cell(state: State, cell_uuid: str, name: str | None, url: str | None, broker: str | None,
                disabled: bool | None) -> None:
    """Rename, move, enable or disable a cell. Running daemons follow within seconds."""
    with state.database("api", synced=True) as api:
        _must_exist(api, cell_uuid)
        provision.update_cell(api, cell_uuid, name=name, database_url=url, transport_url=broker, disabled=disabled)
        _show_cells(state, api, verbose=False)


@cell_v2.command("delete_cell")
@click.option("--cell_uuid", "--cell-uuid", required=True, help="The cell; see list_cells.")
@click.option("--force", is_flag=True, help="Forget its hosts with it; servers still prevent it.")
@click.pass_obj
def delete_cell(state: State, cell_uuid: str, force: bool) -> None:
    """Forget a cell in which no server is left. Its database and broker stay as they are."""
    with state.database("api", synced=True) as api:
        _must_exist(api, cell_uuid)
        provision.delete_cell(api, cell_uuid, force=force)
        click.echo(f"cell {cell_uuid} is forgotten")


@cell_v2.command("delete_host")
@click.option("--cell_uuid", "--cell-uuid", required=True, help="The cell that the host is in.")
@click.option("--host", required=True, help="The host; see list_hosts.")
@click.pass_obj
def delete_host(state: State, cell_uuid: str, host: str) -> None:
    """Forget a host on which no server is left. It comes back when its nova-compute starts again."""
    with state.database("api", synced=True) as api:
        _must_exist(api, cell_uuid)
        provision.delete_host(api, cell_uuid, host)
        click.echo(f"host {host} is forgotten")


@cell_v2.command("discover_hosts")
@click.option("--cell_uuid", "--cell-uuid", help="Look only in this cell.")
@click.pass_obj
def discover_hosts(state: State, cell_uuid: str | None) -> None:
    """Map hosts that have started in a cell and are not known yet."""
    with state.database("api", synced=True) as api:
        _must_exist(api, cell_uuid)
        state.show(["Host", "Cell"], provision.discover_hosts(api, cell_uuid))


@cell_v2.command("list_hosts")
@click.option("--cell_uuid", "--cell-uuid", help="Only hosts of this cell.")
@click.pass_obj
def list_hosts(state: State, cell_uuid: str | None) -> None:
    """Hosts with their cells."""
    with state.database("api", synced=True) as api:
        _must_exist(api, cell_uuid)
        with api.read() as conn:
            names = {c["uuid"]: c["name"] for c in mappings.list_cells(conn)}
            hosts = mappings.list_hosts(conn)
        state.show(["Cell Name", "Cell UUID", "Hostname"],
                   [[names.get(h["cell_uuid"]), h["cell_uuid"], h["host"]] for h in hosts
                    if cell_uuid in (None, h["cell_uuid"])])


def _own_connection(state: State) -> str:
    connection: str | None = state.conf.database.connection
    if not connection:
        raise errors.ConfigError("[database] connection is not set; write the URL of cell1's database into the "
                                 "configuration")
    return connection


def _must_exist(api: Database, cell_uuid: str | None) -> None:
    with api.read() as conn:
        known = [c["uuid"] for c in mappings.list_cells(conn)]
    if cell_uuid is not None and cell_uuid not in known:
        raise errors.NotFound(f"there is no cell {cell_uuid}; see 'nova-manage cell_v2 list_cells'")


def _show_cells(state: State, api: Database, *, verbose: bool) -> None:
    def shown(url: str) -> str:
        return url if verbose else masked(url)

    with api.read() as conn:
        rows = mappings.list_cells(conn)
    state.show(["Name", "UUID", "Transport URL", "Database Connection", "Disabled"],
               [[r["name"], r["uuid"], shown(r["transport_url"] or "none:///"), shown(r["database_connection"]),
                 bool(r["disabled"])] for r in rows])

