# SPDX-License-Identifier: Apache-2.0
"""nova-manage api_db, db: bring databases up and say where they are."""

from __future__ import annotations

import click

from nova.cmd import provision
from nova.cmd.commandline import Tool
from nova.cmd.manage.tool import State
from nova.db import migrate


@click.group("api_db", cls=Tool)
def api_db() -> None:
    """The API database."""


@api_db.command("sync")
@click.argument("revision", default="head")
@click.pass_obj
def api_sync(state: State, revision: str) -> None:
    """Bring the API database up to REVISION (default: the last). Runs while the service does."""
    with state.database("api") as database:
        state.show(["Database", "Revision"], [["api", migrate.upgrade(database, "api", revision)]])


@api_db.command("version")
@click.pass_obj
def api_version(state: State) -> None:
    """The revision of the API database, and that of this release."""
    with state.database("api") as database:
        state.show(["Database", "Revision", "Release"], [["api", migrate.version(database), migrate.head("api")]])


@click.group(cls=Tool)
def db() -> None:
    """The databases of cells."""


@db.command("sync")
@click.option("--local_cell", "--local-cell", is_flag=True,
              help="Only the database of section [database], without asking the API database for others.")
@click.argument("revision", default="head")
@click.pass_obj
def db_sync(state: State, local_cell: bool, revision: str) -> None:
    """Bring the databases of all cells up: that of section [database], and those that the API database knows."""
    rows: list[tuple[str, str | None]] = []
    if local_cell or state.conf.database.connection:
        with state.database("cell") as database:
            rows.append(("[database]", migrate.upgrade(database, "cell", revision)))
    if not local_cell:
        with state.database("api", synced=True) as api:
            rows += provision.sync_cells(api)
    state.show(["Database", "Revision"], rows)


@db.command("version")
@click.pass_obj
def db_version(state: State) -> None:
    """The revision of the database of section [database], and that of this release."""
    with state.database("cell") as database:
        state.show(["Database", "Revision", "Release"],
                   [["[database]", migrate.version(database), migrate.head("cell")]])
